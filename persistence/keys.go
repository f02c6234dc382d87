package persistence

import (
	"bytes"
	"encoding/binary"

	"github.com/retinue-go/retinue/messages"
)

// Spaces of the store: the first byte behind the prefix of every key.
const (
	spaceApplication = 'A' // user key
	spaceCursor      = 'C' // follower u32
	spaceParked      = 'D' // follower u32, id u64
	spaceState       = 'F' // follower u32, user key
	spaceKey         = 'I' // bucket u32, idempotency key
	spaceType        = 'K' // type u32
	spaceMeta        = 'M' // name
	spacePermanent   = 'P' // id u64, trimmable id u64, ordered u64, type u32
	spaceControl     = 'Q' // follower u32
	spaceTrimmable   = 'T' // trimmable id u64, ordered u64, type u32
	spaceStaged      = 'U' // epoch u32, counter u64
)

// Keys end in 12 bytes of ordering time and type, because block-property
// collectors see keys and no values. All integers are big endian, so that
// byte order is numeric order:
//
//	         0    1         9         17        25     29
//	P        +----+---------+---------+---------+------+
//	         | 'P'| id      | trimm.  | ordered | type |
//	         +----+---------+---------+---------+------+
//	         0    1         9         17     21
//	T        +----+---------+---------+------+
//	         | 'T'| trimm.  | ordered | type |
//	         +----+---------+---------+------+
//
// ordered is in nanoseconds since 1970, UTC. Behind a prefix all offsets move
// by its length.
const (
	permanentKeyLen = 29
	trimmableKeyLen = 21
	keyTailLen      = 12
)

// keyspace builds the keys of one store. It is immutable.
//
// Invariant: no keyspace's prefix is a proper prefix of another's, because a
// non-empty one ends in 00 01 and holds 00 elsewhere only as 00 FF.
type keyspace struct{ prefix []byte }

// newKeyspace escapes the user's prefix: 00 becomes 00 FF, and 00 01 ends it.
// The empty prefix stays empty: it owns the whole database.
func newKeyspace(prefix []byte) keyspace {
	if len(prefix) == 0 {
		return keyspace{}
	}
	escaped := bytes.ReplaceAll(prefix, []byte{0}, []byte{0, 0xff})
	return keyspace{prefix: append(escaped, 0, 1)}
}

// space appends the start of a space.
func (k keyspace) space(dst []byte, space byte) []byte {
	return append(append(dst, k.prefix...), space)
}

// bounds returns [lower, upper) around a whole space.
func (k keyspace) bounds(space byte) (lower, upper []byte) {
	return k.space(nil, space), k.space(nil, space+1)
}

func (k keyspace) permanent(dst []byte, id messages.EventID, tid messages.TrimmableID, ordered uint64, typ uint32) []byte {
	dst = k.permanentID(dst, id)
	dst = binary.BigEndian.AppendUint64(dst, uint64(tid))
	dst = binary.BigEndian.AppendUint64(dst, ordered)
	return binary.BigEndian.AppendUint32(dst, typ)
}

// permanentID is at or before every key of id and behind every key of id-1.
func (k keyspace) permanentID(dst []byte, id messages.EventID) []byte {
	return binary.BigEndian.AppendUint64(k.space(dst, spacePermanent), uint64(id))
}

func (k keyspace) trimmable(dst []byte, tid messages.TrimmableID, ordered uint64, typ uint32) []byte {
	dst = k.trimmableID(dst, tid)
	dst = binary.BigEndian.AppendUint64(dst, ordered)
	return binary.BigEndian.AppendUint32(dst, typ)
}

// trimmableID is at or before every key of tid and behind every key of tid-1.
func (k keyspace) trimmableID(dst []byte, tid messages.TrimmableID) []byte {
	return binary.BigEndian.AppendUint64(k.space(dst, spaceTrimmable), uint64(tid))
}

// place is permanentID or trimmableID, whichever the space is ordered by.
func (k keyspace) place(dst []byte, space byte, place uint64) []byte {
	if space == spacePermanent {
		return k.permanentID(dst, messages.EventID(place))
	}
	return k.trimmableID(dst, messages.TrimmableID(place))
}

// numbered is a key of a space that is indexed by a u32: C, F, I, K, Q.
func (k keyspace) numbered(dst []byte, space byte, number uint32, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(k.space(dst, space), number), rest...)
}

// numberedBounds returns [lower, upper) around all keys of number in a space.
func (k keyspace) numberedBounds(space byte, number uint32) (lower, upper []byte) {
	lower = k.numbered(nil, space, number)
	if number == ^uint32(0) {
		return lower, k.space(nil, space+1)
	}
	return lower, k.numbered(nil, space, number+1)
}

func (k keyspace) parked(dst []byte, follower uint32, id uint64) []byte {
	return binary.BigEndian.AppendUint64(k.numbered(dst, spaceParked, follower), id)
}

func (k keyspace) staged(dst []byte, epoch uint32, counter uint64) []byte {
	return binary.BigEndian.AppendUint64(k.numbered(dst, spaceStaged, epoch), counter)
}

func (k keyspace) application(dst, key []byte) []byte {
	return append(k.space(dst, spaceApplication), key...)
}

func (k keyspace) meta(name string) []byte {
	return append(k.space(nil, spaceMeta), name...)
}

// body is the key behind prefix and space.
func (k keyspace) body(key []byte) []byte { return key[len(k.prefix)+1:] }

// parseNumber reads the number of a key of a space that is indexed by a u32,
// and returns what is behind it, at least rest bytes. Errors:
// [messages.CorruptError].
func (k keyspace) parseNumber(key []byte, rest int) (number uint32, behind []byte, err error) {
	body := k.body(key)
	if len(body) < 4+rest {
		return 0, nil, messages.Corrupt("key", "%x has %d bytes, want %d", key, len(key), len(key)-len(body)+4+rest)
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}

// prefixEnd returns the least key that is greater than all keys that start
// with prefix, nil where there is none.
func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

package persistence

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/retinue-go/retinue/messages"
)

// Names of the block properties. They are part of the format: another meaning
// of the bytes needs another name. A table without the property, because it
// was written before, matches every filter.
const (
	propertyOrdered = "retinue.ordered.v1"
	propertyTypes   = "retinue.types.v1"
)

// blockPropertyCollectors makes scans for a few kinds, or for a window of
// time, skip whole blocks and tables. It is for
// [pebble.Options.BlockPropertyCollectors].
//
// A collector serves the whole database and does not know any store's prefix,
// so a property is a function of the user key alone: each point key of at
// least trimmableKeyLen bytes, in whatever space, contributes the 12 bytes
// that it ends in, and each shorter key nothing. All keys of entries are long
// enough and do end in ordering time and type, behind a prefix of any length,
// so a block's property covers every entry in it. Keys of other spaces and of
// strangers only widen the property: a block is read in vain, none is skipped
// wrongly. And because values and key kinds do not count, a tombstone has the
// property of what it deletes: no filter hides one without the other.
func blockPropertyCollectors() []func() pebble.BlockPropertyCollector {
	return []func() pebble.BlockPropertyCollector{
		func() pebble.BlockPropertyCollector {
			return sstable.NewBlockIntervalCollector(propertyOrdered, orderedMapper{}, nil)
		},
		func() pebble.BlockPropertyCollector { return &typesCollector{} },
	}
}

// keyTail returns ordering time and type, false for keys without them.
func keyTail(key []byte) (ordered uint64, typ uint32, ok bool) {
	if len(key) < trimmableKeyLen {
		return 0, 0, false
	}
	tail := key[len(key)-keyTailLen:]
	return binary.BigEndian.Uint64(tail), binary.BigEndian.Uint32(tail[8:]), true
}

// orderedMapper maps a key to the millisecond since 1970 that it was ordered
// in; coarser than the key, so that a block's interval takes few bytes.
type orderedMapper struct{}

func (orderedMapper) MapPointKey(key sstable.InternalKey, _ []byte) (sstable.BlockInterval, error) {
	ordered, _, ok := keyTail(key.UserKey)
	if !ok {
		return sstable.BlockInterval{}, nil
	}
	ms := ordered / uint64(time.Millisecond)
	return sstable.BlockInterval{Lower: ms, Upper: ms + 1}, nil
}

func (orderedMapper) MapRangeKeys(sstable.Span) (sstable.BlockInterval, error) {
	return sstable.BlockInterval{}, nil
}

// typeBits is a set of type numbers folded into 64 bits: number n is bit n%64.
// As a property it is 8 bytes, big endian, or none where the set is empty.
type typeBits uint64

func typeBit(number uint32) typeBits { return 1 << (number % 64) }

func (b typeBits) append(dst []byte) []byte {
	if b == 0 {
		return dst
	}
	return binary.BigEndian.AppendUint64(dst, uint64(b))
}

// typesCollector keeps the types of a block, an index block and a table.
type typesCollector struct{ block, index, table typeBits }

func (c *typesCollector) Name() string { return propertyTypes }

func (c *typesCollector) AddPointKey(key sstable.InternalKey, _ []byte) error {
	if _, typ, ok := keyTail(key.UserKey); ok {
		c.block |= typeBit(typ)
	}
	return nil
}

func (c *typesCollector) AddRangeKeys(sstable.Span) error { return nil }

func (c *typesCollector) FinishDataBlock(buf []byte) ([]byte, error) {
	c.table |= c.block
	return c.block.append(buf), nil
}

func (c *typesCollector) AddPrevDataBlockToIndexBlock() {
	c.index |= c.block
	c.block = 0
}

func (c *typesCollector) FinishIndexBlock(buf []byte) ([]byte, error) {
	bits := c.index
	c.index = 0
	return bits.append(buf), nil
}

func (c *typesCollector) FinishTable(buf []byte) ([]byte, error) {
	return c.table.append(buf), nil
}

var errSuffix = errors.New("retinue: keys have no suffix to replace")

func (c *typesCollector) AddCollectedWithSuffixReplacement(_, _, _ []byte) error { return errSuffix }
func (c *typesCollector) SupportsSuffixReplacement() bool                        { return false }

// typeFilter skips what holds none of its types.
type typeFilter typeBits

func (f typeFilter) Name() string { return propertyTypes }

// Intersects takes a property of a length that is not ours for a match.
func (f typeFilter) Intersects(prop []byte) (bool, error) {
	switch len(prop) {
	case 0:
		return false, nil
	case 8:
		return binary.BigEndian.Uint64(prop)&uint64(f) != 0, nil
	}
	return true, nil
}

func (f typeFilter) SyntheticSuffixIntersects(_, _ []byte) (bool, error) { return true, nil }

// Selection is a [messages.Filter] made ready for one dictionary. It follows
// the dictionary's growth by itself and is for one goroutine at a time; nil
// selects everything.
//
// Invariant: numbers and bits hold the numbers in [1, seen] whose types match.
type Selection struct {
	types   *dictionary
	filter  messages.Filter
	anyType bool // the filter says nothing about types
	seen    int
	numbers []uint64 // bit n%64 of numbers[n/64]
	bits    typeBits
}

// selection compiles f, whose slices it keeps: nil where f passes all.
func (d *dictionary) selection(f messages.Filter) *Selection {
	if f.All() {
		return nil
	}
	return &Selection{
		types: d, filter: f,
		anyType: len(f.Modules)+len(f.Kinds)+len(f.Types) == 0,
	}
}

// byType reports whether s chooses among types, so that blocks can be skipped.
func (s *Selection) byType() bool { return s != nil && !s.anyType }

// refresh learns the types that have joined, and reports whether any entry
// can match.
func (s *Selection) refresh() bool {
	if !s.byType() {
		return true
	}
	for s.seen < s.types.len() {
		s.seen++
		number := uint32(s.seen)
		for int(number/64) >= len(s.numbers) {
			s.numbers = append(s.numbers, 0)
		}
		if name, ok := s.types.name(number); ok && s.filter.MatchType(name.Module, name.Kind) {
			s.numbers[number/64] |= 1 << (number % 64)
			s.bits |= typeBit(number)
		}
	}
	return s.bits != 0
}

// matchType decides by the key alone: what it turns down is not decoded.
func (s *Selection) matchType(number uint32) bool {
	return !s.byType() || int(number/64) < len(s.numbers) && s.numbers[number/64]&(1<<(number%64)) != 0
}

func (s *Selection) matchRecord(value []byte) bool {
	return s == nil || len(s.filter.Instances) == 0 || s.matchInstance(recordInstanceOf(value))
}

func (s *Selection) matchInstance(instance uint32) bool {
	return s == nil || s.filter.MatchInstance(instance)
}

package persistence

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// Codecs that a record names by a flag.
const (
	codecJSON = "json"
	codecRaw  = "raw"
)

// Flags of a record. Bit 7 is 0.
const (
	recordTrimmable  = 1 << 0 // clear: persistent
	recordInstance   = 1 << 1
	recordVersion    = 1 << 2
	recordCodecRaw   = 1 << 3 // neither codec bit: JSON
	recordCodecNamed = 1 << 4
	recordTime       = 1 << 5 // clear: Time equals Ordered
	recordMetadata   = 1 << 6
	recordUnknown    = 1 << 7
)

// Seconds since 1970 of the first and the last second that an event may have
// happened in: the years 1 to 9999.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// entryKey is what the key of an entry says. id is 0 in the trimmable space.
type entryKey struct {
	id      messages.EventID
	tid     messages.TrimmableID
	ordered uint64
	typ     uint32
}

// position is the place in a log.
func (k entryKey) position(log messages.Log) uint64 {
	if log == messages.Permanent {
		return uint64(k.id)
	}
	return uint64(k.tid)
}

// parseEntry reads a key of the permanent or the trimmable space. Errors:
// [messages.CorruptError].
func (k keyspace) parseEntry(space byte, key []byte) (e entryKey, err error) {
	want := trimmableKeyLen
	if space == spacePermanent {
		want = permanentKeyLen
	}
	if len(key) != len(k.prefix)+want {
		return e, messages.Corrupt("key of an entry", "%x has %d bytes, want %d", key, len(key), len(k.prefix)+want)
	}
	key = k.body(key)
	if space == spacePermanent {
		e.id, key = messages.EventID(binary.BigEndian.Uint64(key)), key[8:]
	}
	e.tid = messages.TrimmableID(binary.BigEndian.Uint64(key))
	e.ordered = binary.BigEndian.Uint64(key[8:])
	e.typ = binary.BigEndian.Uint32(key[16:])
	return e, nil
}

// appendRecord appends the value of a 'P' or 'T' key. Only flags and payload
// are always there; a field whose flag is clear takes no byte:
//
//	flags      1 byte
//	instance   uvarint                               clear: 0
//	version    uvarint                               clear: 0
//	codec      length uvarint, name                  clear: json, or raw
//	time       seconds zigzag varint, counted from   clear: equals ordered
//	           the second of ordered; nanoseconds
//	           uvarint, below 1e9
//	metadata   correlation: length uvarint, bytes    clear: none
//	           cause: id uvarint, trimmable uvarint
//	           headers: count uvarint, then for each
//	             key: length uvarint, bytes          keys ascend
//	             value: length uvarint, bytes
//	payload    to the end
//
// A zero p.Time is recorded as ordered, in nanoseconds since 1970.
func appendRecord(dst []byte, p *messages.Prepared, ordered uint64) []byte {
	at := len(dst)
	dst = append(dst, 0)
	flags := byte(0)
	if p.Type.Persistence == messages.Trimmable {
		flags |= recordTrimmable
	}
	if p.Instance != 0 {
		flags |= recordInstance
		dst = binary.AppendUvarint(dst, uint64(p.Instance))
	}
	if p.Type.Version != 0 {
		flags |= recordVersion
		dst = binary.AppendUvarint(dst, uint64(p.Type.Version))
	}
	switch p.Codec {
	case codecJSON:
	case codecRaw:
		flags |= recordCodecRaw
	default:
		flags |= recordCodecNamed
		dst = appendBytes(dst, p.Codec)
	}
	if !p.Time.IsZero() && !p.Time.Equal(orderedTime(ordered)) {
		flags |= recordTime
		dst = binary.AppendVarint(dst, p.Time.Unix()-int64(ordered/1e9))
		dst = binary.AppendUvarint(dst, uint64(p.Time.Nanosecond()))
	}
	if p.Correlation != "" || p.Cause != (messages.Cause{}) || len(p.Headers) > 0 {
		flags |= recordMetadata
		dst = appendMetadata(dst, p)
	}
	dst[at] = flags
	return append(dst, p.Payload...)
}

func appendMetadata(dst []byte, p *messages.Prepared) []byte {
	dst = appendBytes(dst, p.Correlation)
	dst = binary.AppendUvarint(dst, uint64(p.Cause.ID))
	dst = binary.AppendUvarint(dst, uint64(p.Cause.TrimmableID))
	dst = binary.AppendUvarint(dst, uint64(len(p.Headers)))
	if len(p.Headers) == 0 {
		return dst
	}
	for _, key := range slices.Sorted(maps.Keys(p.Headers)) {
		dst = appendBytes(appendBytes(dst, key), p.Headers[key])
	}
	return dst
}

// decodeEntry fills e from the key and the value of an entry that is read from
// log. Payload points into value. It allocates for a correlation, headers and
// a codec not seen before only. Errors: [messages.CorruptError].
func decodeEntry(e *messages.Entry, log messages.Log, key entryKey, value []byte, types *dictionary) error {
	name, ok := types.name(key.typ)
	if !ok {
		return messages.Corrupt("entry", "%v/%v has type %d of %d", key.id, key.tid, key.typ, types.len())
	}
	if err := decodeRecord(e, key.ordered, value); err != nil {
		return fmt.Errorf("entry %v/%v: %w", key.id, key.tid, err)
	}
	if (key.id != 0) != (e.Type.Persistence == messages.Persistent) {
		return messages.Corrupt("entry", "%v/%v is %v", key.id, key.tid, e.Type.Persistence)
	}
	e.Log, e.ID, e.TrimmableID = log, key.id, key.tid
	e.Type.Module, e.Type.Kind = name.Module, name.Kind
	return nil
}

// decodeRecord sets all of e but what the key says: log, ids, module and kind.
// Payload points into record. Errors: [messages.CorruptError].
func decodeRecord(e *messages.Entry, ordered uint64, record []byte) error {
	*e = messages.Entry{Ordered: orderedTime(ordered)}
	e.Time = e.Ordered
	if len(record) == 0 || record[0]&recordUnknown != 0 {
		return messages.Corrupt("record", "%d bytes with unknown flags: %.1x", len(record), record)
	}
	flags, f := record[0], fields{what: "record", rest: record[1:]}
	if flags&recordTrimmable != 0 {
		e.Type.Persistence = messages.Trimmable
	}
	if flags&recordInstance != 0 {
		e.Instance = decodeUint32(&f)
	}
	if flags&recordVersion != 0 {
		e.Type.Version = decodeUint32(&f)
	}
	e.Codec = decodeCodec(&f, flags)
	if flags&recordTime != 0 {
		e.Time = decodeTime(&f, ordered)
	}
	if flags&recordMetadata != 0 {
		decodeMetadata(&f, e)
	}
	if f.bad {
		return messages.Corrupt("record", "its %d bytes do not fit its flags %#x", len(record), flags)
	}
	e.Payload = f.rest
	return nil
}

func orderedTime(ordered uint64) time.Time {
	return time.Unix(int64(ordered/1e9), int64(ordered%1e9)).UTC()
}

func decodeUint32(f *fields) uint32 {
	n := f.uvarint()
	if n > math.MaxUint32 {
		f.bad = true
		return 0
	}
	return uint32(n)
}

func decodeCodec(f *fields, flags byte) string {
	switch flags & (recordCodecRaw | recordCodecNamed) {
	case 0:
		return codecJSON
	case recordCodecRaw:
		return codecRaw
	case recordCodecNamed:
		if name := f.bytes(); 0 < len(name) && len(name) <= messages.MaxName {
			return codecNames.text(name)
		}
	}
	f.bad = true
	return ""
}

func decodeTime(f *fields, ordered uint64) time.Time {
	base := int64(ordered / 1e9)
	delta, nanos := f.varint(), f.uvarint()
	if delta < firstSecond-base || delta > lastSecond-base || nanos >= 1e9 {
		f.bad = true
		return time.Time{}
	}
	return time.Unix(base+delta, int64(nanos)).UTC()
}

func decodeMetadata(f *fields, e *messages.Entry) {
	e.Correlation = f.string()
	e.Cause.ID = messages.EventID(f.uvarint())
	e.Cause.TrimmableID = messages.TrimmableID(f.uvarint())
	count, last := f.uvarint(), ""
	for i := range count {
		key, value := f.string(), f.string()
		if f.bad || i > 0 && key <= last {
			f.bad = true
			return
		}
		if e.Headers == nil {
			e.Headers = make(map[string]string, min(count, 16))
		}
		e.Headers[key], last = value, key
	}
}

package join

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// What a joining follower keeps, beside the keys of its callback:
//
//	00 'm'                        -> id u64BE  clock  ordered        one
//	00 'i'  at  right u8  id u64BE -> flags u8  key  entry           per item
//
// A time is seconds u64BE since 1970 with the sign flipped, so that bytes sort
// as times do, and nanoseconds u32BE. at is the item's time, id the entry's
// place in the trimmable log, in the mark that of the last one joined. See
// appendItem for the rest.
var (
	markKey    = []byte{0, 'm'}
	itemPrefix = []byte{0, 'i'}
)

const timeSize = 12

func appendTime(dst []byte, t time.Time) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond()))
}

func readTime(src []byte) time.Time {
	seconds := int64(binary.BigEndian.Uint64(src) ^ 1<<63)
	return time.Unix(seconds, int64(binary.BigEndian.Uint32(src[8:]))).UTC()
}

// appendMark names the state: no two differ that have the same.
func (m *Matcher) appendMark(dst []byte, last messages.TrimmableID) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(last))
	return appendTime(appendTime(dst, m.clock), m.ordered)
}

// lastOf is the place of the last entry joined; 0 for no mark.
func lastOf(mark []byte) messages.TrimmableID {
	if mark == nil {
		return 0
	}
	return messages.TrimmableID(binary.BigEndian.Uint64(mark))
}

// appendKey appends the key under which an item is kept.
func appendKey(dst []byte, it *Item) []byte {
	dst = appendTime(append(dst, itemPrefix...), it.at)
	side := byte(0)
	if it.Right {
		side = 1
	}
	return binary.BigEndian.AppendUint64(append(dst, side), uint64(it.Entry.TrimmableID))
}

// load makes a matcher of what was kept. Errors: [messages.CorruptError], the
// database's.
func load(w Window, mark []byte, items iter.Seq2[followers.KeyValue, error]) (*Matcher, error) {
	m := NewMatcher(w)
	if mark != nil {
		if len(mark) != 8+2*timeSize {
			return nil, corrupt(markKey, fmt.Errorf("%d bytes", len(mark)))
		}
		m.clock, m.ordered = readTime(mark[8:]), readTime(mark[8+timeSize:])
	}
	for kv, err := range items {
		if err != nil {
			return nil, err
		}
		it, err := itemOf(kv)
		if err != nil {
			return nil, corrupt(kv.Key, err)
		}
		m.restore(it)
	}
	return m, nil
}

func itemOf(kv followers.KeyValue) (*Item, error) {
	if want := len(itemPrefix) + timeSize + 1 + 8; len(kv.Key) != want {
		return nil, fmt.Errorf("a key of %d bytes, want %d", len(kv.Key), want)
	}
	it := &Item{}
	if err := readItem(it, kv.Value); err != nil {
		return nil, err
	}
	rest := kv.Key[len(itemPrefix):]
	it.at, it.Right = readTime(rest), rest[timeSize] != 0
	return it, nil
}

func corrupt(key []byte, why error) error {
	return &messages.CorruptError{What: fmt.Sprintf("join state %x", key), Why: why.Error()}
}

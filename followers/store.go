package followers

import (
	"bytes"
	"iter"
	"slices"
	"strings"

	"github.com/retinue-go/retinue/messages"
)

const (
	// MaxKey is the longest key of a follower, in bytes; the shortest has 1.
	MaxKey = 64 << 10
	// MaxValue is the longest value of a follower, in bytes.
	MaxValue = 16 << 20
)

// Store is a follower's own keys as one turn sees them: with its own writes,
// in ascending order of the bytes. The host implements it on the database,
// [Memory] for tests. A [Turn] checks keys and values before it asks, so an
// implementation need not. It is not safe for concurrent use.
type Store interface {
	// Get returns a copy of the value: nil for an absent key, not nil but
	// empty for a present key with an empty value.
	Get(key []byte) ([]byte, error)
	// Set keeps neither key nor value; a nil value is an empty one.
	Set(key, value []byte) error
	// Delete does not keep key. Deleting an absent key is no error.
	Delete(key []byte) error
	// Scan yields the keys that begin with prefix, all for an empty one,
	// ascending, as they are when the loop begins: what the loop writes, it
	// does not see. Each key and value is valid until the loop's next step.
	// An error is yielded once, last, with a zero KeyValue.
	Scan(prefix []byte) iter.Seq2[KeyValue, error]
}

// KeyValue is one key with its value.
type KeyValue struct{ Key, Value []byte }

// Memory is a [Store] in memory, for unit tests of reactions. Writes are
// there at once, and nothing takes them back: leaving nothing of a failed
// turn is the host's work. It is not safe for concurrent use.
type Memory struct {
	values map[string][]byte
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{values: make(map[string][]byte)} }

// Get returns a copy of the key's value, nil where the key is absent.
func (m *Memory) Get(key []byte) ([]byte, error) {
	value, ok := m.values[string(key)]
	if !ok {
		return nil, nil
	}
	return copyOf(value), nil
}

// Set stores a copy of value.
func (m *Memory) Set(key, value []byte) error {
	m.values[string(key)] = copyOf(value)
	return nil
}

// Delete removes the key.
func (m *Memory) Delete(key []byte) error {
	delete(m.values, string(key))
	return nil
}

// Scan yields the keys that begin with prefix, ascending. As with the host's
// store, the bytes are valid until the loop's next step.
func (m *Memory) Scan(prefix []byte) iter.Seq2[KeyValue, error] {
	return func(yield func(KeyValue, error) bool) {
		var found []KeyValue
		for key, value := range m.values {
			if strings.HasPrefix(key, string(prefix)) {
				found = append(found, KeyValue{[]byte(key), value})
			}
		}
		slices.SortFunc(found, func(a, b KeyValue) int { return bytes.Compare(a.Key, b.Key) })
		var kv KeyValue
		for _, f := range found {
			// One buffer for all, so that a test shows who keeps what it may not.
			kv.Key = append(kv.Key[:0], f.Key...)
			kv.Value = append(kv.Value[:0], f.Value...)
			if !yield(kv, nil) {
				return
			}
		}
	}
}

// copyOf returns a copy that is never nil.
func copyOf(value []byte) []byte { return append([]byte{}, value...) }

func checkKey(key []byte) error {
	if len(key) == 0 || len(key) > MaxKey {
		return messages.Invalid("key", "%d bytes, want 1 to %d", len(key), MaxKey)
	}
	return nil
}

func checkValue(value []byte) error {
	if len(value) > MaxValue {
		return messages.Invalid("value", "%d bytes, over %d", len(value), MaxValue)
	}
	return nil
}

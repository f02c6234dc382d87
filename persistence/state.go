package persistence

import (
	"bytes"
	"iter"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// State is a key space with writes that are not committed yet on top: a
// follower's own keys, or the application's. It is used by one goroutine.
//
// Invariant: index, where indexed, maps every key of ops to its last operation,
// and is empty otherwise.
type State struct {
	store *Store
	from  pebble.Reader
	base  []byte // prefix of the space in the database
	ops   []operation
	arena []byte
	index map[string]int
	// indexed is true from the first read since the last commit.
	indexed bool
	// held is true where a view holds the database open for the state.
	held bool
}

type operation struct {
	key, value []byte // in arena
	deleted    bool
}

// KeyValue is one key of a state with its value; the bytes are the caller's.
type KeyValue struct{ Key, Value []byte }

// FollowerState returns the keys of a follower.
func (s *Store) FollowerState(number uint32) *State {
	return &State{store: s, from: s.db, base: s.keys.numbered(nil, spaceState, number)}
}

// ApplicationState returns the keys of the application.
func (s *Store) ApplicationState() *State {
	return &State{store: s, from: s.db, base: s.keys.application(nil, nil)}
}

// Get returns the value of key, nil where there is none.
func (s *State) Get(key []byte) ([]byte, error) {
	if i, ok := s.written(key); ok {
		if op := s.ops[i]; !op.deleted {
			return append(make([]byte, 0, len(op.value)), op.value...), nil
		}
		return nil, nil
	}
	if err := s.use(); err != nil {
		return nil, err
	}
	defer s.unuse()
	return get(s.from, append(slices.Clip(s.base), key...))
}

// Set writes a copy of value under key.
func (s *State) Set(key, value []byte) { s.push(operation{key: s.keep(key), value: s.keep(value)}) }

// Delete removes key.
func (s *State) Delete(key []byte) { s.push(operation{key: s.keep(key), deleted: true}) }

// Scan yields the keys that start with prefix, ascending. It must not be
// interleaved with writes.
func (s *State) Scan(prefix []byte) iter.Seq2[KeyValue, error] {
	return func(yield func(KeyValue, error) bool) {
		more := true
		err := s.scan(prefix, func(kv KeyValue) bool {
			more = yield(kv, nil)
			return more
		})
		if err != nil && more {
			yield(KeyValue{}, err)
		}
	}
}

// Mark returns a point to roll back to.
func (s *State) Mark() int { return len(s.ops) }

// Rollback forgets the writes since mark.
func (s *State) Rollback(mark int) {
	if mark < len(s.ops) {
		s.ops = s.ops[:mark]
		s.unindex()
	}
}

// Size returns the bytes of keys and values that wait for a commit.
func (s *State) Size() int { return len(s.arena) }

// Reset forgets all writes.
func (s *State) Reset() {
	s.ops, s.arena = s.ops[:0], s.arena[:0]
	s.unindex()
}

func (s *State) unindex() {
	if s.indexed {
		clear(s.index)
		s.indexed = false
	}
}

func (s *State) use() error {
	if s.held {
		return nil
	}
	return s.store.use()
}

func (s *State) unuse() {
	if !s.held {
		s.store.users.Done()
	}
}

func (s *State) keep(b []byte) []byte {
	start := len(s.arena)
	s.arena = append(s.arena, b...)
	return s.arena[start:len(s.arena):len(s.arena)]
}

func (s *State) push(op operation) {
	s.ops = append(s.ops, op)
	if s.indexed {
		s.index[string(op.key)] = len(s.ops) - 1
	}
}

// written finds the last operation on key. The index is built by the first
// read, so that a follower that only writes pays nothing for it.
func (s *State) written(key []byte) (int, bool) {
	if len(s.ops) == 0 {
		return 0, false
	}
	if !s.indexed {
		s.indexed = true
		if s.index == nil {
			s.index = make(map[string]int, len(s.ops))
		}
		for i, op := range s.ops {
			s.index[string(op.key)] = i
		}
	}
	i, ok := s.index[string(key)]
	return i, ok
}

func (s *State) scan(prefix []byte, yield func(KeyValue) bool) (err error) {
	if err := s.use(); err != nil {
		return err
	}
	defer s.unuse()
	lower := append(slices.Clip(s.base), prefix...)
	it, err := s.from.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: prefixEnd(lower)})
	if err != nil {
		return err
	}
	defer func() { err = closing(it, err) }() // also where the loop's body panics
	own := s.writtenBelow(prefix)
	more := true
	for valid := it.First(); more && (valid || len(own) > 0); {
		var stored []byte
		order := 1 // own write first
		if valid {
			stored = it.Key()[len(s.base):]
			order = -1
			if len(own) > 0 {
				order = bytes.Compare(stored, own[0].key)
			}
		}
		if order < 0 {
			value, err := it.ValueAndErr()
			if err != nil {
				return err
			}
			more = yield(KeyValue{bytes.Clone(stored), append([]byte{}, value...)})
			valid = it.Next()
			continue
		}
		if order == 0 {
			valid = it.Next()
		}
		if op := own[0]; !op.deleted {
			more = yield(KeyValue{bytes.Clone(op.key), append([]byte{}, op.value...)})
		}
		own = own[1:]
	}
	return nil
}

// writtenBelow returns the last operation on every key that starts with
// prefix, ascending.
func (s *State) writtenBelow(prefix []byte) []operation {
	s.written(nil)
	var own []operation
	for key, i := range s.index {
		if strings.HasPrefix(key, string(prefix)) {
			own = append(own, s.ops[i])
		}
	}
	slices.SortFunc(own, func(a, b operation) int { return bytes.Compare(a.key, b.key) })
	return own
}

// closing ends an iterator: exhaustion hides errors until it is asked.
func closing(it *pebble.Iterator, err error) error {
	if err == nil {
		err = it.Error()
	}
	if closeErr := it.Close(); err == nil {
		err = closeErr
	}
	return broken(err)
}

// View is a snapshot of application and followers' keys. It pins memory until
// it is closed.
type View struct {
	store *Store
	snap  *pebble.Snapshot
}

// NewView returns a snapshot of now. Errors: [messages.ErrClosed].
func (s *Store) NewView() (*View, error) {
	if err := s.use(); err != nil {
		return nil, err
	}
	return &View{store: s, snap: s.db.NewSnapshot()}, nil
}

// Application returns the application's keys.
func (v *View) Application() *State {
	return &State{store: v.store, from: v.snap, held: true, base: v.store.keys.application(nil, nil)}
}

// Follower returns a follower's keys..
func (v *View) Follower(number uint32) *State {
	return &State{store: v.store, from: v.snap, held: true, base: v.store.keys.numbered(nil, spaceState, number)}
}

// Close lets go of the snapshot.
func (v *View) Close() error {
	defer v.store.users.Done()
	return v.snap.Close()
}

// UserBatch collects what one turn writes into the program's own keys.
type UserBatch struct{ b *pebble.Batch }

// NewUserBatch returns an empty batch.
func (s *Store) NewUserBatch() *UserBatch { return &UserBatch{b: s.db.NewBatch()} }

// CopyBatch returns a batch with the writes of the program's own.
func (s *Store) CopyBatch(b *pebble.Batch) *UserBatch {
	u := s.NewUserBatch()
	check(u.b.Apply(b, nil))
	return u
}

// Add adds the writes of another batch behind those of this one.
func (u *UserBatch) Add(more *UserBatch) error { return u.b.Apply(more.b, nil) }

// Size returns the bytes that the batch takes in the write-ahead log.
func (u *UserBatch) Size() int { return u.b.Len() }

// Writer returns the batch without its Commit.
func (u *UserBatch) Writer() pebble.Writer { return struct{ pebble.Writer }{u.b} }

// MergeInto adds the writes to the writer's batch.
func (u *UserBatch) MergeInto(b *Batch) error { return b.Merge(u.b) }

package retinue

import (
	"context"
	"fmt"
	"iter"

	"github.com/retinue-go/retinue/actors"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Tx is what the closure of an Update works on. It belongs to the closure's
// goroutine and ends with it; after that its methods return
// [messages.ErrEnded].
type Tx struct{ t *actors.Transaction }

// Update reads, decides, writes the application's own keys and appends events
// as one serial transaction. It runs on the caller's goroutine while the
// writer waits for it: keep it short. An error, a panic or a runtime.Goexit
// rolls it back; the latter two go on in the caller. The receipt of a
// transaction without events has no ids.
//
// Every call on the bus from inside the closure but those of tx returns
// [messages.ErrReentrant]; from another goroutine that the closure waits for,
// it deadlocks until [Options.UpdateTimeout] poisons the transaction.
//
// Errors: what the closure returned; the first error of tx's writes and
// appends; [messages.ErrTimeout]; [messages.ErrClosed];
// [messages.FailedError]; ctx's error where the closure was not called,
// [messages.UncertainError] where ctx ended after it.
func (b *Bus) Update(ctx context.Context, do func(tx *Tx) error) (messages.Receipt, error) {
	return b.engine.Update(ctx, func(t *actors.Transaction) error { return do(&Tx{t}) })
}

// Get returns a copy of the application's value under key, nil where there is
// none. The transaction's own writes are visible.
func (tx *Tx) Get(key []byte) ([]byte, error) {
	s, err := tx.t.State()
	if err != nil {
		return nil, err
	}
	return s.Get(key)
}

// Set writes one of the application's keys; it keeps neither argument. Keys
// have 1 to [followers.MaxKey] bytes, values up to [followers.MaxValue].
// Errors: [messages.InvalidError], [messages.TooLargeError] over
// [Options.MaxAppendSize], remembered: the transaction cannot commit.
func (tx *Tx) Set(key, value []byte) error {
	s, err := tx.t.State()
	if err != nil {
		return err
	}
	if err := checkPair(key, value); err != nil {
		return tx.t.Fail(err)
	}
	s.Set(key, value)
	return tx.t.CheckSize()
}

// Delete removes one of the application's keys. Errors: those of Set.
func (tx *Tx) Delete(key []byte) error {
	s, err := tx.t.State()
	if err != nil {
		return err
	}
	if err := checkPair(key, nil); err != nil {
		return tx.t.Fail(err)
	}
	s.Delete(key)
	return tx.t.CheckSize()
}

// Scan yields the application's keys that start with prefix, ascending, with
// the transaction's own writes; what the loop writes, it does not see.
func (tx *Tx) Scan(prefix []byte) iter.Seq2[followers.KeyValue, error] {
	return func(yield func(followers.KeyValue, error) bool) {
		s, err := tx.t.State() // now: others' transactions may have the state later
		if err != nil {
			yield(followers.KeyValue{}, err)
			return
		}
		scan(s, prefix)(yield)
	}
}

// Follower returns the keys of a follower, to read. Errors:
// [messages.ErrUnknownFollower].
func (tx *Tx) Follower(name string) (*Keys, error) {
	s, err := tx.t.Follower(name)
	if err != nil {
		return nil, err
	}
	return &Keys{s, func() error { _, err := tx.t.State(); return err }}, nil
}

// Append adds events to the transaction; they get their ids when it commits.
// Errors: [messages.InvalidError], [messages.TooLargeError], remembered: the
// transaction cannot commit.
func (tx *Tx) Append(events ...messages.Event) error { return tx.t.Append(events) }

func checkPair(key, value []byte) error {
	if len(key) == 0 || len(key) > followers.MaxKey {
		return messages.Invalid("key", "%d bytes, want 1 to %d", len(key), followers.MaxKey)
	}
	if len(value) > followers.MaxValue {
		return messages.Invalid("value", "%d bytes, at most %d", len(value), followers.MaxValue)
	}
	return nil
}

// View is a consistent snapshot of the application's and the followers' keys.
// It may show at most one batch that is committed and not yet durable. It is
// valid during the call of [Bus.View], for one goroutine.
type View struct {
	Keys
	bus   *Bus
	view  *persistence.View
	ended bool
}

// View calls do with a snapshot. Errors: what do returned,
// [messages.ErrReentrant], [messages.ErrClosed].
func (b *Bus) View(do func(v *View) error) error {
	if err := b.engine.Readable("View"); err != nil {
		return err
	}
	view, err := b.store.NewView()
	if err != nil {
		return err
	}
	defer view.Close()
	defer b.engine.EnterView()()
	v := &View{bus: b, view: view}
	v.Keys = Keys{view.Application(), v.usable}
	defer func() { v.ended = true }()
	return do(v)
}

func (v *View) usable() error {
	if v.ended {
		return fmt.Errorf("view: %w", messages.ErrEnded)
	}
	return nil
}

// Follower returns the keys of a follower. Errors:
// [messages.ErrUnknownFollower], [messages.ErrEnded].
func (v *View) Follower(name string) (*Keys, error) {
	if err := v.usable(); err != nil {
		return nil, err
	}
	number, err := v.bus.engine.Number(name)
	if err != nil {
		return nil, err
	}
	return &Keys{v.view.Follower(number), v.usable}, nil
}

// Keys is a key space to read, as long as the transaction or the view that it
// came from lasts; after that its methods return [messages.ErrEnded].
type Keys struct {
	state  *persistence.State
	usable func() error
}

// Get returns a copy of the value under key, nil where there is none.
func (k *Keys) Get(key []byte) ([]byte, error) {
	if err := k.usable(); err != nil {
		return nil, err
	}
	return k.state.Get(key)
}

// Scan yields the keys that start with prefix, ascending.
func (k *Keys) Scan(prefix []byte) iter.Seq2[followers.KeyValue, error] {
	if err := k.usable(); err != nil {
		return failing(err)
	}
	return scan(k.state, prefix)
}

func scan(s *persistence.State, prefix []byte) iter.Seq2[followers.KeyValue, error] {
	return func(yield func(followers.KeyValue, error) bool) {
		for kv, err := range s.Scan(prefix) {
			if !yield(followers.KeyValue{Key: kv.Key, Value: kv.Value}, err) {
				return
			}
		}
	}
}

func failing(err error) iter.Seq2[followers.KeyValue, error] {
	return func(yield func(followers.KeyValue, error) bool) { yield(followers.KeyValue{}, err) }
}

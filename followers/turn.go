package followers

import (
	"context"
	"iter"

	"github.com/retinue-go/retinue/messages"
)

// Turn is one delivery. It gives the entry, the follower's own keys and a way
// to append; what it wrote and appended commits together with the cursor if
// the reaction returns nil, and not at all otherwise.
//
// The first error of any of its methods is remembered, and a turn with a
// remembered error fails even if the reaction returns nil: an error that was
// overlooked must not commit half of what was meant.
//
// It is valid until the reaction returns (with a raw behaviour: until it
// answers); afterwards its methods return [messages.ErrEnded]. The host uses
// one Turn for all turns of an incarnation, so it must not be kept. It is not
// safe for concurrent use.
//
// Invariant: appended holds the events of whole Append calls only.
type Turn struct {
	ctx      context.Context
	entry    *messages.Entry
	attempt  int
	live     bool
	store    Store
	limit    int
	appended []messages.Prepared
	err      error
	open     bool
	// passedOver: no reaction could read the entry, and [PassOver] let it be.
	passedOver bool
}

// maxEvent is the limit of a turn that was told none.
const maxEvent = 1 << 20

// NewTurn returns an open turn over entry, at its first attempt and live. It
// is how a reaction is tested without a bus; the host makes one per
// incarnation and calls [Turn.Begin] for each delivery.
func NewTurn(ctx context.Context, entry messages.Entry, store Store) *Turn {
	t := &Turn{store: store, limit: maxEvent}
	t.Begin(ctx, &entry, 1, true)
	return t
}

// Begin opens the turn for the next delivery and forgets everything of the
// last one. For the host, who has made the store ready before, and leaves
// entry alone until the next Begin. For a batch, entry is its last.
func (t *Turn) Begin(ctx context.Context, entry *messages.Entry, attempt int, live bool) {
	t.ctx, t.entry, t.attempt, t.live = ctx, entry, attempt, live
	clear(t.appended)
	t.appended = t.appended[:0]
	t.err = nil
	t.open, t.passedOver = true, false
}

// End closes the turn, for the host and for tests. It returns what the turn
// appended, or the first error that was remembered: such a turn cannot
// commit. The slice is the turn's and is valid until the next Begin; the
// events in it are not touched again. Errors: what the turn's methods
// returned, [messages.ErrEnded] where the turn had ended already.
func (t *Turn) End() ([]messages.Prepared, error) {
	if !t.open {
		return nil, messages.ErrEnded
	}
	t.open = false
	if t.err != nil {
		return nil, t.err
	}
	return t.appended, nil
}

// LimitEvents sets the largest [messages.Prepared.Size] that Append takes, in
// bytes, for this and all later turns; 1 MiB where it was not called, no limit
// for 0. For the host.
func (t *Turn) LimitEvents(bytes int) { t.limit = bytes }

// Context ends when the follower is stopped or paused and when its Timeout
// has passed. A reaction that waits for something must watch it.
func (t *Turn) Context() context.Context { return t.ctx }

// Entry returns the entry of the turn, the last one of a batch. It is valid
// until the turn ends; [messages.Entry.Clone] keeps it.
func (t *Turn) Entry() messages.Entry { return *t.entry }

// Attempt counts the deliveries of this entry, from 1: it is one more than the
// attempts that have failed, which are stored with the cursor, and a replay
// goes on counting where the entry was parked. An attempt that ended the
// process, or was under way when something else did, counts where it was marked
// on disk beforehand: with [Skip] and [Park], after a process that was not
// closed, and for an entry that has failed before. With [Halt] it never counts.
func (t *Turn) Attempt() int { return t.attempt }

// PassedOver reports whether no reaction could read the entry and [PassOver]
// let it be. For the host, who counts it, and for tests.
func (t *Turn) PassedOver() bool { return t.passedOver }

// Live reports whether the follower had caught up with the log when the turn
// was read; false while it works off what happened before.
func (t *Turn) Live() bool { return t.live }

// Store returns the store beneath the turn, for a host that offers more than
// the turn does. Its writes bypass the checks of Set and Delete.
func (t *Turn) Store() Store { return t.store }

// Get returns the value of a key of the follower, nil where the key is
// absent. The turn's own writes are seen. The bytes belong to the caller.
// Errors: [messages.InvalidError], [messages.ErrEnded], the database's.
func (t *Turn) Get(key []byte) ([]byte, error) {
	if !t.open {
		return nil, messages.ErrEnded
	}
	if err := checkKey(key); err != nil {
		return nil, t.remember(err)
	}
	value, err := t.store.Get(key)
	return value, t.remember(err)
}

// Set writes one of the follower's keys; key and value may be used again at
// once. Keys have 1 to [MaxKey] bytes, values up to [MaxValue]. Errors:
// [messages.InvalidError], [messages.ErrEnded], the database's.
func (t *Turn) Set(key, value []byte) error {
	if !t.open {
		return messages.ErrEnded
	}
	if err := checkKey(key); err != nil {
		return t.remember(err)
	}
	if err := checkValue(value); err != nil {
		return t.remember(err)
	}
	return t.remember(t.store.Set(key, value))
}

// Delete removes one of the follower's keys, if it is there. Errors:
// [messages.InvalidError], [messages.ErrEnded], the database's.
func (t *Turn) Delete(key []byte) error {
	if !t.open {
		return messages.ErrEnded
	}
	if err := checkKey(key); err != nil {
		return t.remember(err)
	}
	return t.remember(t.store.Delete(key))
}

// Scan yields the follower's keys that begin with prefix, all for an empty
// one, in ascending order and with the turn's own writes, those made before
// the loop began. Each key and value is valid until the loop's next step. An
// error comes last and once: [messages.ErrEnded], the database's.
func (t *Turn) Scan(prefix []byte) iter.Seq2[KeyValue, error] {
	return func(yield func(KeyValue, error) bool) {
		if !t.open {
			yield(KeyValue{}, messages.ErrEnded)
			return
		}
		for kv, err := range t.store.Scan(prefix) {
			if !yield(kv, t.remember(err)) {
				return
			}
		}
	}
}

// Append adds events to what the turn will commit. They are checked and
// encoded now, all or none of them, and placed with the commit; their cause
// is the turn's entry. Transient events are broadcast once it is durable.
// Errors: [messages.InvalidError] for no events and for one that is not fit
// to append, [messages.TooLargeError], [messages.ErrEnded].
func (t *Turn) Append(events ...messages.Event) error {
	if !t.open {
		return messages.ErrEnded
	}
	if len(events) == 0 {
		return t.remember(messages.Invalid("append", "no events"))
	}
	before := len(t.appended)
	for _, event := range events {
		p, err := messages.Prepare(event, t.limit)
		if err != nil {
			clear(t.appended[before:])
			t.appended = t.appended[:before]
			return t.remember(err)
		}
		p.Cause = messages.Cause{ID: t.entry.ID, TrimmableID: t.entry.TrimmableID}
		t.appended = append(t.appended, p)
	}
	return nil
}

// Appended returns what the turn has appended so far, also after its end. The
// slice is the turn's and is valid until the next Append or Begin.
func (t *Turn) Appended() []messages.Prepared { return t.appended }

func (t *Turn) remember(err error) error {
	if t.err == nil {
		t.err = err
	}
	return err
}

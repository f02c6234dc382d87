package actors

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Parked yields what a follower has set aside, ascending by id, skipped
// entries included. Errors: [messages.ErrUnknownFollower],
// [messages.CorruptError], [messages.ErrClosed].
func (e *Engine) Parked(name string) iter.Seq2[persistence.Parked, error] {
	return func(yield func(persistence.Parked, error) bool) {
		err := e.Readable("Parked")
		var t *tracker
		if err == nil {
			t, err = e.tracker(name)
		}
		if err != nil {
			yield(persistence.Parked{}, err)
			return
		}
		for p, err := range e.Store.ParkedEntries(t.number, 0) {
			p.Log = t.log
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// Replay gives parked or skipped entries to the follower once more, by
// ascending id: each in a turn of its own that deletes the parked record in
// the same commit and does not touch the cursor. It stops at the first
// failure, which is recorded. Errors: [messages.FollowerError] with what the
// reaction returned, [messages.ErrOutOfRange] for an entry that is not parked,
// [messages.InvalidError] for one with an earlier parked entry of its sequence
// key; those of Pause.
func (e *Engine) Replay(ctx context.Context, name string, at []messages.Position) error {
	t, ids, err := e.heldIDs(ctx, "Replay", name, at)
	if err != nil {
		return err
	}
	r, err := t.holdRun(ctx)
	if err != nil {
		return err
	}
	defer t.letGo()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.busy(cancel)
	defer t.busy(nil)
	if t.wanted.Load() > 0 || t.ended.Load() { // they came before they could see cancel
		cancel()
	}
	r.blockedBy = nil
	return r.replay(ctx, ids)
}

// Drop deletes parked or skipped records. Errors: [messages.ErrOutOfRange] for
// an entry that is not parked, and those of Pause.
func (e *Engine) Drop(ctx context.Context, name string, at []messages.Position) error {
	t, ids, err := e.heldIDs(ctx, "Drop", name, at)
	if err != nil {
		return err
	}
	if err := t.hold(ctx); err != nil {
		return err
	}
	defer t.letGo()
	for _, id := range ids {
		if _, err := t.parkedEntry(id); err != nil {
			return err
		}
	}
	err = e.control(true, func(w *writer) error {
		w.collect()
		for _, id := range ids {
			w.batch.DeleteParked(t.number, id)
		}
		return nil
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.present != nil {
		t.present.blockedBy = nil
	}
	return err
}

// heldIDs is the door of the commands on parked entries.
func (e *Engine) heldIDs(ctx context.Context, what, name string, at []messages.Position) (*tracker, []uint64, error) {
	t, err := e.commandable(ctx, what, name)
	if err != nil {
		return nil, nil, err
	}
	var ids []uint64
	for _, p := range at {
		id, _, err := messages.Span(p, t.log)
		if err != nil {
			return nil, nil, t.fault(err)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return t, slices.Compact(ids), nil
}

func (t *tracker) parkedEntry(id uint64) (*persistence.Parked, error) {
	p, err := t.engine.Store.ParkedEntry(t.number, id)
	if err == nil && p == nil {
		err = t.fault(fmt.Errorf("entry %d is not parked: %w", id, messages.ErrOutOfRange))
	}
	return p, err
}

// replay works off parked entries; the slot is held.
func (r *run) replay(ctx context.Context, ids []uint64) error {
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return r.tracker.fault(fmt.Errorf("before entry %d: %w", id, err))
		}
		p, err := r.tracker.parkedEntry(id)
		if err != nil {
			return err
		}
		if err := r.firstOfKey(p); err != nil {
			return err
		}
		entry, err := r.tracker.parkedPayload(p)
		if err != nil {
			return err
		}
		if err := r.again(ctx, p, entry); err != nil {
			return &messages.FollowerError{Follower: r.tracker.name, Entry: id, Type: entry.Type, Cause: err}
		}
	}
	return nil
}

// again is one turn over a parked entry.
func (r *run) again(ctx context.Context, p *persistence.Parked, e messages.Entry) error {
	if r.tracker.cursor.Next != r.committed {
		r.position = 0 // a Seek has moved the cursor: the next run reads from there
	}
	r.cursor = r.tracker.cursor
	r.committed = r.cursor.Next
	r.reset()
	call := r.react
	if r.plan.Batch != nil {
		call = func(t *followers.Turn) error { return r.plan.Batch(t, []messages.Entry{e}) }
	}
	r.earlier = p.Attempts
	defer func() { r.earlier = 0 }()
	err := r.attempt(ctx, &e, false, func(t *followers.Turn) error {
		return r.apart(func() error { return call(t) })
	})
	if err != nil && ctx.Err() != nil {
		r.reset()
		return err // an interruption is not a failure
	}
	job := &commitJob{tracker: r.tracker, incarnation: r.incarnation, expect: r.committed, cursor: r.cursor, sync: true}
	if err == nil {
		job.state, job.events, job.beside, job.unpark = r.state, r.events, r.beside, []uint64{p.ID}
	} else {
		now := time.Now().UTC()
		p.Attempts++
		p.Error, p.Last = errorText(err), now
		if p.First.IsZero() {
			p.First = now
		}
		job.park = []*persistence.Parked{p}
	}
	commitErr := r.tracker.engine.commit(job)
	r.reset()
	if err == nil {
		err = commitErr
	}
	return err
}

// firstOfKey refuses to replay an entry before an earlier one of its sequence
// key.
func (r *run) firstOfKey(p *persistence.Parked) error {
	if p.Key == "" {
		return nil
	}
	for earlier, err := range r.tracker.engine.Store.ParkedEntries(r.tracker.number, 0) {
		if err != nil {
			return err
		}
		if earlier.ID >= p.ID {
			return nil
		}
		if earlier.Key == p.Key && !earlier.Skipped {
			return messages.Invalid("replay", "entry %d of key %q is parked before entry %d", earlier.ID, p.Key, p.ID)
		}
	}
	return nil
}

// parkedPayload returns the entry: the copy of a trimmable one.
func (t *tracker) parkedPayload(p *persistence.Parked) (messages.Entry, error) {
	if p.Entry != nil {
		return *p.Entry, nil
	}
	return t.engine.Store.Entry(t.log, p.ID)
}

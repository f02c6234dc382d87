package actors

import (
	"context"
	"fmt"
	"iter"
	"slices"

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

// Drop deletes parked or skipped records. Errors: [messages.ErrOutOfRange] for
// an entry that is not parked, and those of Pause.
func (e *Engine) Drop(ctx context.Context, name string, at []messages.Position) error {
	t, err := e.commandable(ctx, "Drop", name)
	if err != nil {
		return err
	}
	ids, err := t.idsAt(at)
	if err != nil {
		return err
	}
	if err := t.hold(ctx); err != nil {
		return err
	}
	defer t.letGo()
	for _, id := range ids {
		p, err := e.Store.ParkedEntry(t.number, id)
		if err == nil && p == nil {
			err = t.notParked(id)
		}
		if err != nil {
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

// idsAt returns the ids of positions in the follower's log, ascending.
func (t *tracker) idsAt(at []messages.Position) ([]uint64, error) {
	var ids []uint64
	for _, p := range at {
		id, _, err := messages.Span(p, t.log)
		if err != nil {
			return nil, t.fault(err)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func (t *tracker) notParked(id uint64) error {
	return t.fault(fmt.Errorf("entry %d is not parked: %w", id, messages.ErrOutOfRange))
}

// parkedPayload returns the entry: the copy of a trimmable one.
func (t *tracker) parkedPayload(p *persistence.Parked) (messages.Entry, error) {
	if p.Entry != nil {
		return *p.Entry, nil
	}
	return t.engine.Store.Entry(t.log, p.ID)
}

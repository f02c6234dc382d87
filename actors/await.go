package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/retinue-go/retinue/messages"
)

// Await waits until a follower has reacted to the entries at a position,
// durably; it waits through retries. Errors: [messages.FollowerError] with
// cause [messages.ErrSkipped] or [messages.ErrParked] where an entry was put
// aside, [messages.ErrSkipped] where a Seek or a jump to the horizon passes it
// meanwhile, [messages.ErrPaused], [messages.ErrParked] or
// [messages.ErrUnknownFollower] where the follower does not run;
// [messages.ErrNotInLog], [messages.ErrReentrant], [messages.ErrClosed],
// [messages.FailedError]; at ctx's end its error joined with the follower's
// last one.
func (e *Engine) Await(ctx context.Context, name string, at messages.Position) error {
	t, err := e.commandable(ctx, "Await", name)
	if err != nil {
		return err
	}
	first, last, err := messages.Span(at, t.log)
	if err != nil {
		return t.fault(err)
	}
	if err := e.awaitCursor(ctx, t, first, last); err != nil {
		return err
	}
	return e.aside(t, first, last)
}

// CaughtUp waits until each of the followers has durably passed everything
// that was durable when CaughtUp was called. Errors: those of Await, but for
// entries put aside.
func (e *Engine) CaughtUp(ctx context.Context, names ...string) error {
	marks := e.Durable()
	for _, name := range names {
		t, err := e.commandable(ctx, "CaughtUp", name)
		if err != nil {
			return err
		}
		head := marks.Head(t.log)
		if err := e.awaitCursor(ctx, t, head, head-1); err != nil {
			return err
		}
	}
	return nil
}

// awaitCursor waits until the durable cursor is past last; from first on it
// may not be moved over an entry.
func (e *Engine) awaitCursor(ctx context.Context, t *tracker, first, last uint64) error {
	if t.durable.Load() > last {
		return nil
	}
	w := &waiter{first: first, last: last, done: make(chan error, 1)}
	t.mu.Lock()
	t.waiters[w] = struct{}{}
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		delete(t.waiters, w)
		t.mu.Unlock()
	}()
	// From here on a commit that passes last is synced; one that came before
	// is synced now.
	if t.applied.Load() > last {
		if err := e.syncFor(ctx, t); err != nil {
			return err
		}
		// Who was settled before the waiter was there is not settled again.
		if t.durable.Load() > last {
			return nil
		}
	} else if err := t.idle(); err != nil {
		return err
	}
	t.wake()
	select {
	case err := <-w.done:
		return err
	case <-e.Failed():
		return &messages.FailedError{Cause: e.Store.Fence().Cause()}
	case <-e.down:
		return messages.ErrClosed
	case <-ctx.Done():
		return errors.Join(ctx.Err(), t.lastError())
	}
}

// syncFor is Sync until ctx ends: an Update may hold the writer, or the disk
// not answer.
func (e *Engine) syncFor(ctx context.Context, t *tracker) error {
	j := &controlJob{do: nothing, sync: true}
	if err := e.post(j); err != nil {
		return err
	}
	select {
	case <-j.answered:
		return j.err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), t.lastError())
	}
}

// idle returns why the follower does not run, nil if it does.
func (t *tracker) idle() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.supervisor == nil:
		return t.fault(fmt.Errorf("not followed in this process: %w", messages.ErrUnknownFollower))
	case t.report.control.Parked:
		if t.report.lastErr == nil && t.report.control.Why != "" { // another process parked it
			return t.fault(fmt.Errorf("%w: %s", messages.ErrParked, t.report.control.Why))
		}
		return t.fault(parked(t.report.lastErr))
	case t.report.control.Paused:
		return t.fault(messages.ErrPaused)
	}
	return nil
}

// lastError returns the follower's last failure, nil where the cursor has
// moved since.
func (t *tracker) lastError() error {
	r := t.snapshot()
	if r.lastErr == nil || r.failures == 0 {
		return nil
	}
	return &messages.FollowerError{Follower: t.name, Entry: r.lastAt, Type: r.lastType, Cause: r.lastErr}
}

// aside tells of the first of the entries that was skipped or parked.
func (e *Engine) aside(t *tracker, first, last uint64) error {
	for p, err := range e.Store.ParkedEntries(t.number, first) {
		if err != nil {
			return err
		}
		if p.ID > last {
			break
		}
		cause := messages.ErrParked
		if p.Skipped {
			cause = messages.ErrSkipped
		}
		if p.Error != "" {
			cause = fmt.Errorf("%w: %s", cause, p.Error)
		}
		entry, err := t.parkedPayload(&p)
		if err != nil {
			return err
		}
		return &messages.FollowerError{Follower: t.name, Entry: p.ID, Type: entry.Type, Cause: cause}
	}
	return nil
}

package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Follow starts a follower: where its cursor stands, or where its Start says
// if it is new. Errors: [messages.ErrDuplicateFollower],
// [messages.ErrOtherLog], [messages.ErrOutOfRange], [messages.TrimmedError]
// for a start below the horizon, [messages.ErrClosed], [messages.FailedError].
func (e *Engine) Follow(plan *followers.Plan) error {
	if e.callers.inUpdate() {
		return fmt.Errorf("Follow from inside an Update: %w", messages.ErrReentrant)
	}
	if err := e.writable(); err != nil {
		return err
	}
	t, err := e.enrol(plan)
	if err != nil {
		return err
	}
	reply := make(chan *actor.PID, 1)
	e.root.Send(e.groups, &spawnSupervisor{tracker: t, plan: plan, reply: reply})
	select {
	case <-reply:
		return nil
	case <-e.Failed():
		return &messages.FailedError{Cause: e.Store.Fence().Cause()}
	case <-e.down:
		return messages.ErrClosed
	}
}

// enrol finds or writes the follower's cursor and claims its name.
func (e *Engine) enrol(plan *followers.Plan) (*tracker, error) {
	e.mu.Lock()
	t := e.trackers[plan.Name]
	e.mu.Unlock()
	if t == nil {
		cursor, err := e.firstCursor(plan)
		if err != nil {
			return nil, err
		}
		if t, err = e.register(cursor, plan.Start); err != nil {
			return nil, err
		}
	}
	if t.log != plan.Log {
		return nil, fmt.Errorf("follower %q stands in the %v log, not the %v: %w", t.name, t.log, plan.Log, messages.ErrOtherLog)
	}
	return t, e.claim(t)
}

// claim makes the tracker a followed one. Close ends those that it finds, so
// none may come later.
func (e *Engine) claim(t *tracker) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	followed := *e.followed.Load()
	switch {
	case e.mail.closed.Load():
		return messages.ErrClosed
	case slices.Contains(followed, t):
		return fmt.Errorf("%q: %w", t.name, messages.ErrDuplicateFollower)
	case e.trackers[t.name] != t:
		return t.fault(fmt.Errorf("forgotten meanwhile: %w", messages.ErrUnknownFollower))
	}
	all := append(slices.Clone(followed), t)
	e.followed.Store(&all)
	t.ended.Store(false)
	t.note(func(r *report) { r.caughtUp = false })
	return nil
}

// firstCursor is where a new follower begins.
func (e *Engine) firstCursor(plan *followers.Plan) (persistence.Cursor, error) {
	marks := e.Durable()
	low, head := marks.Low(plan.Log), marks.Head(plan.Log)
	c := persistence.Cursor{Name: plan.Name, Log: plan.Log, Started: plan.Start.String(), Next: low}
	var err error
	switch plan.Start.From() {
	case followers.FromLatest:
		c.Next = head
	case followers.FromPosition:
		c.Next, _, err = messages.Span(plan.Start.Position(), plan.Log)
		if err == nil {
			err = inRange(plan.Log, c.Next, low, head)
		}
	case followers.FromTime:
		c.Next, err = e.Store.SeekTime(plan.Log, plan.Start.Time(), low, head, nil)
	}
	return c, err
}

// inRange checks that a cursor may stand at id.
func inRange(log messages.Log, id, low, head uint64) error {
	if id < low {
		return &messages.TrimmedError{Wanted: messages.TrimmableID(id), Horizon: messages.TrimmableID(low)}
	}
	if id > head {
		return fmt.Errorf("%d is past the head %d of the %v log: %w", id, head, log, messages.ErrOutOfRange)
	}
	return nil
}

// register writes a new follower's cursor, with a number that is never used
// again.
func (e *Engine) register(c persistence.Cursor, start followers.Start) (*tracker, error) {
	var t *tracker
	err := e.control(true, func(w *writer) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if t = e.trackers[c.Name]; t != nil {
			return nil
		}
		if horizon := uint64(w.horizon); c.Log == messages.TrimmableLog && c.Next < horizon {
			if start.From() == followers.FromPosition { // trimmed since it was looked up
				return inRange(c.Log, c.Next, horizon, horizon)
			}
			c.Next = horizon
		}
		c.Number = w.nextFollower
		w.nextFollower++
		w.collect()
		w.batch.SetNextFollower(w.nextFollower)
		w.batch.SetCursor(&c)
		t = newTracker(e, c, persistence.Control{})
		e.trackers[c.Name] = t
		return nil
	})
	if err != nil { // as in begin
		return nil, err
	}
	return t, nil
}

// begin invalidates the incarnation before, and returns the number of the new
// one with the cursor that it starts from.
func (t *tracker) begin() (uint64, persistence.Cursor, error) {
	var incarnation uint64
	var cursor persistence.Cursor
	err := t.engine.control(false, func(*writer) error {
		t.incarnation++
		incarnation, cursor = t.incarnation, t.cursor
		return nil
	})
	if err != nil { // where nobody waits any more, the writer may still come to it
		return 0, persistence.Cursor{}, err
	}
	return incarnation, cursor, nil
}

// changeControl rewrites the control record, durably.
func (t *tracker) changeControl(change func(*persistence.Control)) error {
	return t.engine.control(true, func(w *writer) error {
		if t.forgotten {
			return t.fault(messages.ErrUnknownFollower)
		}
		control := t.control
		change(&control)
		if control == t.control {
			return nil
		}
		control.Since = orderedTime(w.clock.tick())
		t.control = control
		w.collect()
		w.batch.SetControl(t.number, control)
		t.blocked.Store(control.Paused || control.Parked)
		t.note(func(r *report) { r.control = control })
		return nil
	})
}

// Pause stops a follower until Resume, also over restarts of the process.
// When it returns, no reaction runs: the one under way was cancelled and has
// committed or rolled back. A pause is not counted as a failed attempt.
// Errors: [messages.ErrUnknownFollower], [messages.ErrReentrant],
// [messages.StuckError] and ctx's error where a reaction does not return
// (the pause is recorded all the same), [messages.FailedError].
func (e *Engine) Pause(ctx context.Context, name string) error {
	t, err := e.commandable(ctx, "Pause", name)
	if err != nil {
		return err
	}
	if err := t.changeControl(func(c *persistence.Control) { c.Paused = true }); err != nil {
		return err
	}
	defer t.failWaiters(t.fault(messages.ErrPaused))
	if err := t.hold(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	if t.present != nil {
		t.present.behind = true
	}
	t.mu.Unlock()
	t.letGo()
	return nil
}

// Resume lets a paused or parked follower go on. Errors:
// [messages.ErrUnknownFollower], [messages.ErrReentrant], [messages.FailedError].
func (e *Engine) Resume(ctx context.Context, name string) error {
	t, err := e.commandable(ctx, "Resume", name)
	if err != nil {
		return err
	}
	if err := t.changeControl(func(c *persistence.Control) { *c = persistence.Control{} }); err != nil {
		return err
	}
	t.note(func(r *report) { r.failures = 0 })
	t.mu.Lock()
	supervisor := t.supervisor
	t.mu.Unlock()
	if supervisor != nil {
		e.root.Send(supervisor, revive{})
	}
	t.wake()
	return nil
}

// commandable is the door of every command on a follower.
func (e *Engine) commandable(ctx context.Context, what, name string) (*tracker, error) {
	if e.callers.current() {
		return nil, fmt.Errorf("%s from inside a reaction or an Update: %w", what, messages.ErrReentrant)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.writable(); err != nil {
		return nil, err
	}
	return e.tracker(name)
}

// Seek moves a follower's cursor from expect to another place. Errors:
// [messages.ErrCursorMoved], [messages.ErrOutOfRange], [messages.TrimmedError],
// [messages.ErrNotInLog], [messages.ErrUnknownFollower],
// [messages.ErrReentrant], [messages.StuckError], [messages.FailedError].
func (e *Engine) Seek(ctx context.Context, name string, expect, to messages.Position) error {
	t, err := e.commandable(ctx, "Seek", name)
	if err != nil {
		return err
	}
	from, _, err := messages.Span(expect, t.log)
	if err != nil {
		return t.fault(err)
	}
	target, _, err := messages.Span(to, t.log)
	if err != nil {
		return t.fault(err)
	}
	if err := t.hold(ctx); err != nil {
		return err
	}
	defer t.letGo()
	var jumped []*waiter
	err = e.control(true, func(w *writer) error {
		if t.forgotten {
			return messages.ErrUnknownFollower
		}
		if t.cursor.Next != from {
			return fmt.Errorf("cursor is at %d, expected %d: %w", t.cursor.Next, from, messages.ErrCursorMoved)
		}
		marks := Marks{Heads: w.heads, Horizon: w.horizon}
		if err := inRange(t.log, target, marks.Low(t.log), marks.Head(t.log)); err != nil {
			return err
		}
		t.cursor.Next, t.cursor.Hint, t.cursor.Attempts, t.cursor.Running = target, 0, 0, false
		t.note(func(r *report) { r.cursor, r.failures = t.cursor, 0 })
		w.collect()
		w.batch.SetCursor(&t.cursor)
		w.moved = append(w.moved, t)
		jumped = t.jumped(from, target)
		return nil
	})
	if err != nil {
		return t.fault(err) // who was jumped over hears of the failed bus
	}
	for _, w := range jumped {
		w.done <- t.fault(fmt.Errorf("%w: Seek went from %d to %d", messages.ErrSkipped, from, target))
	}
	t.position.Store(target)
	return nil
}

// Unfollow stops a follower and keeps its cursor and keys. Errors:
// [messages.ErrUnknownFollower] also where it is not followed,
// [messages.ErrReentrant], [messages.StuckError] and ctx's error where a
// reaction does not return, or an actor does not stop: the follower ends once it
// does.
func (e *Engine) Unfollow(ctx context.Context, name string) error {
	t, err := e.commandable(ctx, "Unfollow", name)
	if err != nil {
		return err
	}
	t.mu.Lock()
	supervisor := t.supervisor
	t.mu.Unlock()
	if supervisor == nil {
		return &messages.FollowerError{Follower: name, Cause: messages.ErrUnknownFollower}
	}
	if err := t.hold(ctx); err != nil {
		return err
	}
	ended := e.endRuns(t, supervisor)
	t.letGo()
	if !ended {
		return &messages.FollowerError{Follower: name, Cause: messages.ErrUnknownFollower}
	}
	gone := make(chan struct{})
	e.root.Send(e.groups, &stopSupervisor{tracker: t, gone: gone})
	select {
	case <-gone:
	case <-e.ended:
	case <-ctx.Done():
		return errors.Join(&messages.StuckError{Names: []string{name}}, ctx.Err())
	}
	t.failWaiters(t.fault(messages.ErrUnknownFollower))
	t.turnOver()
	return nil
}

// endRuns ends the follower's runs for good, unless another Unfollow has come
// first: whoever follows it next is not to be ended.
func (e *Engine) endRuns(t *tracker, supervisor *actor.PID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.supervisor != supervisor {
		return false
	}
	t.ended.Store(true)
	return true
}

// Forget drops the cursor, the keys and the parked entries of a follower that
// is not followed. Errors: [messages.ErrUnknownFollower],
// [messages.ErrDuplicateFollower] while it is followed,
// [messages.ErrReentrant], [messages.FailedError].
func (e *Engine) Forget(ctx context.Context, name string) error {
	t, err := e.commandable(ctx, "Forget", name)
	if err != nil {
		return err
	}
	return e.control(true, func(w *writer) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, other := range *e.followed.Load() {
			if other == t {
				return fmt.Errorf("%q is followed: %w", name, messages.ErrDuplicateFollower)
			}
		}
		if e.trackers[name] != t {
			return t.fault(messages.ErrUnknownFollower)
		}
		delete(e.trackers, name)
		t.incarnation++
		t.forgotten = true
		w.collect()
		w.batch.Forget(t.number)
		return nil
	})
}

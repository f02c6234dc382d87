package actors

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

var (
	// errGoexit is the outcome of a run whose goroutine was ended.
	errGoexit = errors.New("actors: goroutine ended")
	// errDied is the failure of a turn that the process did not survive.
	errDied = errors.New("the process ended during the turn")
	// errBehaviourStopped is the failure of a turn whose behaviour is gone.
	errBehaviourStopped = errors.New("the behaviour was stopped")
)

// turns runs the page's turns until one fails or a command wants the slot.
func (r *run) turns(ctx context.Context, entries []messages.Entry, live bool) (outcome, error) {
	if r.plan.Batch != nil {
		return r.batch(ctx, entries, live)
	}
	for i := range entries {
		e := &entries[i]
		if !r.going(ctx) {
			return outcome{}, nil
		}
		behind, err := r.parkBehind(e)
		if err != nil {
			return r.failed(*e, err), nil
		}
		if !behind {
			if err := r.markAttempt(e); err != nil {
				return outcome{}, err
			}
			if err := r.attempt(ctx, entries[i:i+1], live, r.react); err != nil {
				if ctx.Err() != nil {
					return outcome{}, nil // an interruption is not a failure
				}
				return r.failed(*e, err), nil
			}
			r.passed(e, 1)
		}
		if err := r.commitDue(); err != nil {
			return outcome{}, err
		}
	}
	return outcome{}, nil
}

// commitDue commits what waits for that where it is long enough or enough.
func (r *run) commitDue() error {
	if r.due.Load() || r.waiting() >= commitBytes || len(r.events) >= roundEvents {
		return r.commit()
	}
	return nil
}

// waiting returns the bytes that wait for a commit.
func (r *run) waiting() int {
	size := r.state.Size() + r.eventBytes + r.parkBytes
	if r.beside != nil {
		size += r.beside.Size()
	}
	return size
}

// batch gives all entries to the batch handler at once; where it fails, it
// gets the halves, until the entry is found that it cannot handle.
func (r *run) batch(ctx context.Context, entries []messages.Entry, live bool) (outcome, error) {
	if len(entries) == 0 || !r.going(ctx) {
		return outcome{}, nil
	}
	switch n := r.blockedAt(entries); {
	case n == 0:
		if _, err := r.parkBehind(&entries[0]); err != nil {
			return r.failed(entries[0], err), nil
		}
		if err := r.commitDue(); err != nil {
			return outcome{}, err
		}
		return r.batch(ctx, entries[1:], live)
	case n < len(entries):
		if o, err := r.batch(ctx, entries[:n], live); err != nil || o.err != nil {
			return o, err
		}
		return r.batch(ctx, entries[n:], live)
	}
	last := &entries[len(entries)-1]
	if err := r.markAttempt(last); err != nil {
		return outcome{}, err
	}
	r.given = append(r.given[:0], entries...)
	err := r.attempt(ctx, entries, live, func(t *followers.Turn) error {
		return r.apart(func() error { return r.plan.Batch(t, r.given) })
	})
	switch {
	case err == nil:
		r.passed(last, len(entries))
		return outcome{}, r.commit()
	case ctx.Err() != nil:
		return outcome{}, nil
	case len(entries) == 1:
		return r.failed(*last, err), nil
	}
	half := len(entries) / 2
	if o, err := r.batch(ctx, entries[:half], live); err != nil || o.err != nil {
		return o, err
	}
	return r.batch(ctx, entries[half:], live)
}

// attempt runs one turn over its entries. What it wrote joins the commit only
// if it returns nil.
func (r *run) attempt(ctx context.Context, entries []messages.Entry, live bool, call func(*followers.Turn) error) (err error) {
	e := &entries[len(entries)-1]
	r.mark, r.eventsMark, r.stateMark = r.state.Mark(), len(r.events), r.state.Size()
	if r.plan.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.plan.Timeout, messages.ErrTimeout)
		defer cancel()
		defer r.overdueFrom(ctx)()
	}
	tried := 1 + r.earlier
	if id := idOf(r.tracker.log, e); id == r.cursor.Next {
		tried += int(r.cursor.Attempts)
	}
	r.countTurn(tried)
	ctx, endTrace := r.trace(ctx, entries, tried)
	defer func() { endTrace(err) }()
	r.turn.Begin(ctx, e, tried, live)
	err = errGoexit // if it does not come back
	err = r.safely(call)
	if r.plan.Timeout > 0 && context.Cause(ctx) == messages.ErrTimeout {
		err = overdue(r.plan.Timeout, err)
	}
	events, turnErr := r.turn.End()
	if err == nil {
		err = turnErr
	}
	if err == nil {
		err = r.admitEvents(events)
	}
	if err == nil {
		err = r.store.join(&r.beside)
	}
	if err != nil {
		r.rollback()
		return err
	}
	// What failed later, between two turns, leaves this one alone.
	r.mark, r.eventsMark = r.state.Mark(), len(r.events)
	return nil
}

// overdueFrom has Status call the turn stuck from the end of its context to
// its own.
func (r *run) overdueFrom(ctx context.Context) (returned func()) {
	stop := context.AfterFunc(ctx, func() { r.tracker.note(func(report *report) { report.overdue++ }) })
	return func() {
		if !stop() {
			r.tracker.note(func(report *report) { report.overdue-- })
		}
	}
}

// overdue is the failure of a turn whose time was up, whatever it returned.
func overdue(limit time.Duration, err error) error {
	if err == nil {
		return fmt.Errorf("turn took over %v: %w", limit, messages.ErrTimeout)
	}
	return fmt.Errorf("turn took over %v: %w: %w", limit, messages.ErrTimeout, err)
}

// safely turns a panic of the user's code into an error.
func (r *run) safely(call func(*followers.Turn) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &messages.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return call(r.turn)
}

func (r *run) react(t *followers.Turn) error {
	if r.child != nil {
		return r.deliver(t)
	}
	return r.plan.React(t)
}

// admitEvents collects what a turn appended. What it appended and wrote is
// within the limit of one append.
func (r *run) admitEvents(events []messages.Prepared) error {
	written := r.state.Size() - r.stateMark + r.store.size()
	if len(events) == 0 && written <= r.tracker.engine.MaxAppendSize {
		return nil
	}
	size := 0
	for i := range events {
		size += events[i].Size() + eventOverhead
	}
	r.eventBytes += size
	size += written
	if limit := r.tracker.engine.MaxAppendSize; size > limit {
		return &messages.TooLargeError{What: "append", Size: size, Limit: limit}
	}
	addTrace(events, r.tracker.engine.traceOf(r.turn.Context()))
	stamp(events, r.tracker.engine.Now())
	r.events = append(r.events, events...)
	return nil
}

// rollback forgets the turn under way.
func (r *run) rollback() {
	r.state.Rollback(r.mark)
	clear(r.events[r.eventsMark:])
	r.events = r.events[:r.eventsMark]
	r.store.drop()
}

// stopAt moves the cursor to an entry: what lies between was left out by the
// filter.
func (r *run) stopAt(e *messages.Entry) {
	next := idOf(r.tracker.log, e)
	if next != r.cursor.Next { // the attempts are those of another entry
		r.cursor.Attempts, r.cursor.Running = 0, false
	}
	r.cursor.Next = next
	if e.ID != 0 {
		r.cursor.Hint = e.ID
	}
}

// passed moves the cursor behind an entry, the last of n that were handled.
func (r *run) passed(e *messages.Entry, n int) {
	r.stopAt(e)
	r.cursor.Next++
	r.untold += n
	if r.turn.PassedOver() {
		r.cursor.Skipped += uint64(n)
	} else {
		r.cursor.Handled += uint64(n)
	}
	r.cursor.Attempts = 0
	r.careful = max(r.careful-n, 0)
}

func idOf(log messages.Log, e *messages.Entry) uint64 {
	if log == messages.Permanent {
		return uint64(e.ID)
	}
	return uint64(e.TrimmableID)
}

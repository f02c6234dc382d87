package actors

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
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
		if behind {
			continue
		}
		if err := r.markAttempt(e); err != nil {
			return outcome{}, err
		}
		if err := r.attempt(ctx, e, live, r.react); err != nil {
			if ctx.Err() != nil {
				return outcome{}, nil // an interruption is not a failure
			}
			return r.failed(*e, err), nil
		}
		r.passed(e, 1)
		if r.due.Load() || r.state.Size() >= commitBytes || len(r.events) >= roundEvents {
			if err := r.commit(); err != nil {
				return outcome{}, err
			}
		}
	}
	return outcome{}, nil
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
	err := r.attempt(ctx, last, live, func(t *followers.Turn) error {
		return r.apart(func() error { return r.plan.Batch(t, entries) })
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

// apart makes a call on a goroutine of its own: a Goexit in it must not end
// who has more to do, the halves of a batch or the record of a replay.
func (r *run) apart(call func() error) error {
	done := make(chan error, 1)
	go func() {
		err := error(&messages.PanicError{})
		leave := r.tracker.engine.callers.enterReaction()
		defer func() {
			if p := recover(); p != nil {
				err = &messages.PanicError{Value: p, Stack: debug.Stack()}
			}
			leave()
			done <- err
		}()
		err = call()
	}()
	return <-done
}

// attempt runs one turn. What it wrote joins the commit only if it returns
// nil.
func (r *run) attempt(ctx context.Context, e *messages.Entry, live bool, call func(*followers.Turn) error) error {
	r.mark, r.eventsMark, r.stateMark = r.state.Mark(), len(r.events), r.state.Size()
	if r.plan.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.plan.Timeout, messages.ErrTimeout)
		defer cancel()
	}
	tried := 1 + r.earlier
	if id := idOf(r.tracker.log, e); id == r.cursor.Next {
		tried += int(r.cursor.Attempts)
	}
	r.turn.Begin(ctx, *e, tried, live)
	err := r.safely(call)
	if context.Cause(ctx) == messages.ErrTimeout {
		err = overdue(r.plan.Timeout, err)
	}
	events, turnErr := r.turn.End()
	if err == nil {
		err = turnErr
	}
	if err == nil {
		err = r.admitEvents(events)
	}
	if err != nil {
		r.rollback()
		return err
	}
	if batch := r.store.take(); batch != nil {
		r.merges = append(r.merges, batch.MergeInto)
	}
	return nil
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
	size := r.state.Size() - r.stateMark
	for i := range events {
		size += events[i].Size() + eventOverhead
	}
	if limit := r.tracker.engine.MaxAppendSize; size > limit {
		return &messages.TooLargeError{What: "append", Size: size, Limit: limit}
	}
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
	r.cursor.Next = idOf(r.tracker.log, e)
	if e.ID != 0 {
		r.cursor.Hint = e.ID
	}
}

// passed moves the cursor behind an entry, the last of n that were handled.
func (r *run) passed(e *messages.Entry, n int) {
	r.stopAt(e)
	r.cursor.Next++
	r.cursor.Handled += uint64(n)
	r.cursor.Attempts = 0
	r.careful = max(r.careful-n, 0)
}

// suspicious reports whether the next entry is tried alone: it has failed
// before, or the process may have died of it.
func (r *run) suspicious() bool {
	return r.plan.Poison.Action != followers.Halt && (r.cursor.Attempts > 0 || r.careful > 0)
}

// markAttempt writes that an entry is about to be tried, so that one which
// kills the process counts.
func (r *run) markAttempt(e *messages.Entry) error {
	if !r.suspicious() {
		return nil
	}
	r.stopAt(e)
	r.cursor.Running = true
	return r.commitAs(true)
}

// autopsy counts a turn that was under way when the process ended.
func (r *run) autopsy() (outcome, bool) {
	if !r.cursor.Running {
		return outcome{}, false
	}
	e, err := r.tracker.engine.Store.Entry(r.tracker.log, r.cursor.Next)
	if err != nil {
		return r.broken(err), true
	}
	return r.failed(e, errDied), true
}

// failed ends the incarnation: the turns before the failure commit, and the
// cursor stops at the entry, or passes it where the policy says so.
func (r *run) failed(e messages.Entry, cause error) outcome {
	_, _ = r.turn.End() // a Goexit left it open
	r.rollback()
	t := r.tracker
	id := idOf(t.log, &e)
	if id != 0 {
		r.stopAt(&e)
		r.cursor.Attempts++
	}
	moved := r.cursor.Next != r.committed
	o := outcome{err: cause}
	t.note(func(report *report) {
		if moved {
			report.failures = 0
		}
		report.failures++
		report.lastErr, report.lastAt, report.lastType, report.lastTime = cause, id, e.Type, time.Now()
		attempts := int(r.cursor.Attempts)
		if id == 0 {
			attempts = 0
		}
		o.decision = r.plan.Decide(report.failures, attempts, rand.Float64())
	})
	failures := t.snapshot().failures
	if err := r.settle(e, id, o); err != nil {
		return r.broken(err)
	}
	if o.decision.Action == followers.Retry {
		t.note(func(report *report) { report.failures = failures })
	}
	return o
}

// settle commits what a failure leaves: the attempt, or the entry put aside.
func (r *run) settle(e messages.Entry, id uint64, o outcome) error {
	if o.decision.Action != followers.SkipEntry && o.decision.Action != followers.ParkEntry {
		return r.commit()
	}
	now := time.Now().UTC()
	p := &persistence.Parked{
		ID: id, Skipped: o.decision.Action == followers.SkipEntry, Error: o.err.Error(),
		Attempts: int(r.cursor.Attempts), First: now, Last: now,
	}
	if p.Skipped {
		r.cursor.Skipped++
	} else {
		r.cursor.Parked++
		r.block(&e, p)
	}
	if r.tracker.log == messages.TrimmableLog {
		clone := e.Clone()
		p.Entry = &clone
	}
	r.park = append(r.park, p)
	r.cursor.Next, r.cursor.Attempts = id+1, 0
	r.careful = max(r.careful-1, 0)
	return r.commit()
}

// broken is the outcome where not a turn failed but the bus: nothing where it
// has failed as a whole or this incarnation was replaced.
func (r *run) broken(err error) outcome {
	if errors.Is(err, errStale) || errors.Is(err, messages.ErrFailed) || errors.Is(err, messages.ErrClosed) {
		return outcome{}
	}
	o := outcome{err: err}
	r.tracker.note(func(report *report) {
		report.failures++
		report.lastErr, report.lastAt, report.lastType, report.lastTime = err, 0, messages.Type{}, time.Now()
		o.decision = r.plan.Decide(report.failures, 0, rand.Float64())
	})
	if errors.Is(err, messages.ErrTrimmed) {
		o.decision = followers.Decision{Action: followers.ParkFollower} // waiting brings nothing back
	}
	return o
}

func idOf(log messages.Log, e *messages.Entry) uint64 {
	if log == messages.Permanent {
		return uint64(e.ID)
	}
	return uint64(e.TrimmableID)
}

// turnStore is the follower's keys as a turn sees them.
type turnStore struct {
	run   *run
	batch *persistence.UserBatch
}

func (s *turnStore) Get(key []byte) ([]byte, error) { return s.run.state.Get(key) }

func (s *turnStore) Set(key, value []byte) error {
	s.run.state.Set(key, value)
	return nil
}

func (s *turnStore) Delete(key []byte) error {
	s.run.state.Delete(key)
	return nil
}

func (s *turnStore) Scan(prefix []byte) iter.Seq2[followers.KeyValue, error] {
	return func(yield func(followers.KeyValue, error) bool) {
		for kv, err := range s.run.state.Scan(prefix) {
			if !yield(followers.KeyValue{Key: kv.Key, Value: kv.Value}, err) {
				return
			}
		}
	}
}

// Batch returns the batch of the program's own database that commits with the
// turn. Errors: [messages.InvalidError] where the database is not shared.
func (s *turnStore) Batch() (*persistence.UserBatch, error) {
	if !s.run.tracker.engine.Store.Shared() {
		return nil, messages.Invalid("turn", "follower %q has no shared database", s.run.tracker.name)
	}
	if s.batch == nil {
		s.batch = s.run.tracker.engine.Store.NewUserBatch()
	}
	return s.batch, nil
}

func (s *turnStore) take() *persistence.UserBatch {
	batch := s.batch
	s.batch = nil
	return batch
}

func (s *turnStore) drop() { s.batch = nil }

func parked(why error) error {
	if why == nil {
		return messages.ErrParked
	}
	return fmt.Errorf("%w: %w", messages.ErrParked, why)
}

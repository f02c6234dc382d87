package actors

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

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
	if errors.Is(err, messages.ErrTrimmed) {
		r.cursor.Running, r.cursor.Attempts = false, 0 // reading on tells of it
		return outcome{}, false
	}
	if err != nil {
		return r.broken(err), true
	}
	return r.failed(e, errDied), true
}

// failed ends the incarnation: the turns before the failure commit, and the
// cursor stops at the entry, or passes it where the policy says so.
func (r *run) failed(e messages.Entry, cause error) outcome {
	r.rollback()
	t := r.tracker
	t.measured.failed.Add(1)
	id := idOf(t.log, &e)
	if id != 0 {
		r.stopAt(&e)
		if r.cursor.Attempts == 0 || r.cursor.First.IsZero() {
			r.cursor.First = time.Now().UTC()
		}
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
	p := &persistence.Parked{
		ID: id, Skipped: o.decision.Action == followers.SkipEntry, Error: errorText(o.err),
		Attempts: int(r.cursor.Attempts), First: r.cursor.First, Last: time.Now().UTC(),
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

// exited is the outcome of a run whose goroutine was ended by a Goexit:
// the turn's failure where one is open, else nobody's entry is to blame.
func (r *run) exited() outcome {
	e := r.turn.Entry()
	if _, err := r.turn.End(); errors.Is(err, messages.ErrEnded) {
		e = messages.Entry{}
	}
	return r.failed(e, &messages.PanicError{})
}

func parked(why error) error {
	if why == nil {
		return messages.ErrParked
	}
	return fmt.Errorf("%w: %w", messages.ErrParked, why)
}

// errorText asks a user's error for its text, which may panic: a nil pointer
// in an error is a classic.
func errorText(err error) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("%T, whose Error panicked", err)
		}
	}()
	return err.Error()
}

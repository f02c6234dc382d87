package actors

import (
	"context"
	"errors"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// catchUp walks the log up to the durable head. It ends early, without an
// error, when a command wants the slot or the incarnation is over.
func (r *run) catchUp(ctx context.Context) outcome {
	if err := r.resume(); err != nil {
		return r.broken(err)
	}
	if o, died := r.autopsy(); died {
		return o
	}
	r.awaitActor(ctx)
	for {
		head := r.tracker.engine.Durable().Head(r.tracker.log)
		lost, going := r.lostActor(), r.going(ctx)
		if lost != nil || !going || r.position >= head {
			if err := r.confirm(); err != nil {
				return r.broken(err)
			}
		}
		switch {
		case lost != nil && r.relieved: // told of already: the next one starts at once
			return outcome{err: lost}
		case lost != nil:
			return r.failed(messages.Entry{}, lost)
		case !going:
			return r.interrupted()
		case r.position >= head:
			return r.arrived(head)
		}
		o, err := r.step(ctx, head)
		if err != nil {
			return r.broken(err)
		}
		if o.err != nil {
			return o
		}
	}
}

// interrupted ends a run between two pages. What its turns left must not wait
// for the next run, which goes on from position.
func (r *run) interrupted() outcome {
	if err := r.commitTurns(); err != nil {
		return r.broken(err)
	}
	return outcome{}
}

// going reports whether the next turn may begin.
func (r *run) going(ctx context.Context) bool {
	return ctx.Err() == nil && r.tracker.wanted.Load() == 0
}

// resume takes up the cursor where the last run, or a command since, left it.
func (r *run) resume() error {
	cursor := r.tracker.cursor
	if r.position < cursor.Next || cursor.Next != r.committed {
		r.position, r.hint = cursor.Next, cursor.Hint
		r.tracker.position.Store(r.position)
		r.behind = true
	}
	r.cursor, r.committed, r.timing = cursor, cursor.Next, timing{}
	r.reset()
	if r.blockedBy == nil && r.plan.Key != nil {
		return r.loadParkedKeys()
	}
	return nil
}

// step reads one page, while the turns before it are committed, and runs its
// turns.
func (r *run) step(ctx context.Context, head uint64) (outcome, error) {
	limit, inMemory := pageEntries, tailEntries
	switch {
	case r.suspicious():
		limit, inMemory = 1, 1
	case r.plan.Batch != nil:
		limit, inMemory = batchEntries, batchEntries
	}
	err := r.tracker.engine.Store.ReadPage(&r.page, persistence.PageQuery{
		Log: r.tracker.log, From: r.position, To: head, Hint: r.hint, Selection: r.selection,
		MaxEntries: limit, MaxTail: inMemory, MaxBytes: pageBytes, MaxScan: pageScan,
	})
	if broken := r.confirm(); broken != nil {
		return outcome{}, broken
	}
	if err != nil {
		if trimmed, ok := errors.AsType[*messages.TrimmedError](err); ok && r.plan.Trimmed == followers.Jump {
			return outcome{}, r.jump(uint64(trimmed.Horizon))
		}
		return outcome{}, err
	}
	live := !r.behind
	if r.page.Next < head {
		r.behind = true
	}
	r.timing.since = ticks()
	o, err := r.turns(ctx, r.page.Entries, live)
	r.pauseTurns()
	if err != nil || o.err != nil {
		return o, err
	}
	if !r.going(ctx) {
		return o, r.commitTurns()
	}
	r.position, r.hint = r.page.Next, r.page.Hint
	r.tracker.position.Store(r.position)
	switch {
	case r.turned() && r.position >= head:
		return o, r.commitPosition()
	case r.turned() && r.untold >= commitTurns, r.position-r.committed >= lazyEntries:
		r.cursorAt(r.position, r.hint)
		return o, r.propose(r.plan.Sync)
	}
	return o, nil
}

// jump moves a follower that declared it to the horizon, and counts what it
// missed.
func (r *run) jump(horizon uint64) error {
	r.cursor.Missed += horizon - r.position
	r.position, r.hint = horizon, 0
	r.tracker.position.Store(horizon)
	return r.commitPosition()
}

// arrived ends a run that has read everything there is. A cursor that only
// passed over what the filter leaves out is stored at once where somebody
// waits for it, else within lazyFor.
func (r *run) arrived(head uint64) outcome {
	t := r.tracker
	if r.behind {
		r.behind = false
		t.note(func(report *report) { report.caughtUp = true })
		if err := r.tellCaughtUp(head); err != nil {
			return r.failed(messages.Entry{}, err)
		}
	}
	if r.position == r.committed {
		return outcome{}
	}
	if t.flush.Swap(false) || t.awaited(r.position) {
		if err := r.commitPosition(); err != nil {
			return r.broken(err)
		}
		return outcome{}
	}
	t.engine.timers.arm("settle "+t.name, lazyFor, func() {
		t.flush.Store(true)
		t.wake()
	})
	return outcome{}
}

// turned reports whether turns wait for their commit.
func (r *run) turned() bool { return r.cursor.Next != r.committed || r.marked }

// commitTurns commits the turns so far, where there are any.
func (r *run) commitTurns() error {
	if !r.turned() {
		return nil
	}
	return r.commit()
}

// commitPosition commits the turns so far and the cursor up to position.
func (r *run) commitPosition() error {
	r.cursorAt(r.position, r.hint)
	return r.commit()
}

func (r *run) cursorAt(next uint64, hint messages.EventID) {
	r.cursor.Next, r.cursor.Hint, r.cursor.Attempts, r.cursor.Running = next, hint, 0, false
}

// commit makes what the turns left and the cursor permanent together.
func (r *run) commit() error {
	r.cursor.Running = false
	return r.commitAs(r.plan.Sync)
}

func (r *run) commitAs(sync bool) error {
	if err := r.propose(sync); err != nil {
		return err
	}
	return r.confirm()
}

// propose hands a commit to the writer. Until confirm, nothing of the run that
// the commit holds may change.
func (r *run) propose(sync bool) error {
	r.endTurns()
	job := &commitJob{
		tracker: r.tracker, incarnation: r.incarnation, expect: r.committed, cursor: r.cursor,
		state: r.state, events: r.events, beside: r.beside, park: r.park, sync: sync, bytes: r.waiting(),
	}
	if err := r.tracker.engine.post(job); err != nil {
		return err
	}
	r.proposed = job
	return nil
}

// confirm waits for the commit that was proposed, where there is one.
func (r *run) confirm() error {
	job := r.proposed
	if job == nil {
		return nil
	}
	r.proposed = nil
	<-job.answered
	if job.err != nil {
		return job.err
	}
	r.committed, r.marked = job.cursor.Next, job.cursor.Running
	r.timing.since = job.tracker.measured.commit.endOf(r.timing.proposed)
	r.reset()
	return nil
}

// reset forgets what was committed, or was left of a run that was cut short.
func (r *run) reset() {
	r.state.Reset()
	clear(r.events)
	r.events, r.beside, r.park = r.events[:0], nil, nil
	r.mark, r.eventsMark, r.eventBytes, r.parkBytes, r.untold = 0, 0, 0, 0, 0
	if r.timer != nil {
		r.due.Store(false)
		r.timer.Reset(commitEvery)
	}
}

// loadParkedKeys finds the sequence keys behind which entries are parked.
func (r *run) loadParkedKeys() error {
	keys := make(map[string]bool)
	for p, err := range r.tracker.engine.Store.ParkedEntries(r.tracker.number, 0) {
		if err != nil {
			return err
		}
		if !p.Skipped && p.Key != "" {
			keys[p.Key] = true
		}
	}
	r.blockedBy = keys
	return nil
}

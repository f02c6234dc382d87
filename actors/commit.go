package actors

import (
	"errors"
	"fmt"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// errStale refuses what an incarnation commits after it was replaced. Its
// host ends without a word.
var errStale = errors.New("actors: commit of a replaced incarnation")

// commitJob makes turns and the cursor permanent together, or puts an entry
// aside, or works one off.
type commitJob struct {
	errand
	tracker     *tracker
	incarnation uint64
	// expect is the cursor that the turns started from.
	expect uint64
	cursor persistence.Cursor
	state  *persistence.State
	events []messages.Prepared
	beside *persistence.UserBatch // nil is none
	park   []*persistence.Parked
	unpark []uint64
	sync   bool

	bytes int
	err   error
	// jumped wait for an entry that the commit passes because it was trimmed.
	jumped []*waiter
}

func (j *commitJob) weight() weight { return weight{len(j.events), j.bytes} }

func (j *commitJob) run(w *writer) {
	t := j.tracker
	if j.incarnation != t.incarnation || j.expect != t.cursor.Next {
		j.err = errStale
		return
	}
	w.collect()
	if j.beside != nil {
		if j.err = j.beside.MergeInto(w.batch); j.err != nil {
			return
		}
	}
	if j.state != nil {
		w.batch.Write(j.state, 0)
	}
	for _, p := range j.park {
		w.batch.SetParked(t.number, p)
	}
	for _, id := range j.unpark {
		w.batch.DeleteParked(t.number, id)
	}
	moved := j.cursor.Next != t.cursor.Next
	if missed := j.cursor.Missed - t.cursor.Missed; missed > 0 {
		j.jumped = t.jumped(j.cursor.Next-missed, j.cursor.Next)
	}
	t.cursor = j.cursor
	t.note(func(r *report) {
		r.cursor = j.cursor
		if moved {
			r.failures = 0
		}
	})
	w.batch.SetCursor(&t.cursor)
	w.moved = append(w.moved, t)
	if len(j.events) > 0 {
		w.place(j.events)
		// Readers hear of what a turn appended only once it is durable, so it does
		// not wait for a later sync; cursor and reactions alone may.
		w.needSync = true
	}
	w.mustSync = w.mustSync || j.sync || len(j.jumped) > 0 || (moved && t.awaited(j.cursor.Next))
}

func (j *commitJob) finish(err error) {
	if err != nil {
		j.err = err // who was jumped over hears of the failed bus
		return
	}
	for _, w := range j.jumped {
		trimmed := &messages.TrimmedError{Wanted: messages.TrimmableID(w.first), Horizon: messages.TrimmableID(j.cursor.Next)}
		w.done <- j.tracker.fault(fmt.Errorf("%w: %w", messages.ErrSkipped, trimmed))
	}
}

// commit hands a commit to the writer and waits.
func (e *Engine) commit(j *commitJob) error {
	if err := e.post(j); err != nil {
		return err
	}
	<-j.answered
	return j.err
}

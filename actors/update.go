package actors

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Transaction is what the closure of an Update works on: the writer waits
// while it runs. It belongs to the closure's goroutine and ends with it.
type Transaction struct {
	engine *Engine
	// state is the writer's app, and shared with the Updates before in the same
	// round: what this one writes begins at operation mark and byte start.
	state       *persistence.State
	mark, start int
	events      []messages.Prepared
	trace       map[string]string
	bytes       int
	phase       *atomic.Int32
	err         error
}

// Phases of an update. The goroutine that moves it on by compare-and-swap
// decides: the caller or the writer.
const (
	updateWaiting   = iota // in the writer's queue
	updateGranted          // the closure runs, the writer waits
	updateReturned         // the closure has ended, the writer goes on
	updateWithdrawn        // the caller's ctx ended while waiting
	updatePoisoned         // the closure took too long, the writer went on
)

// State returns the application's keys. Errors: [messages.ErrTimeout] once
// the transaction is poisoned, [messages.ErrEnded] after its end.
func (t *Transaction) State() (*persistence.State, error) {
	switch t.phase.Load() {
	case updateGranted:
		return t.state, nil
	case updatePoisoned:
		return nil, fmt.Errorf("transaction took over %v: %w", t.engine.UpdateTimeout, messages.ErrTimeout)
	}
	return nil, fmt.Errorf("transaction: %w", messages.ErrEnded)
}

// Follower returns a follower's keys, to read. Errors: those of State,
// [messages.ErrUnknownFollower].
func (t *Transaction) Follower(name string) (*persistence.State, error) {
	if _, err := t.State(); err != nil {
		return nil, err
	}
	f, err := t.engine.tracker(name)
	if err != nil {
		return nil, err
	}
	return t.engine.Store.FollowerState(f.number), nil
}

// Append adds events to the transaction.
func (t *Transaction) Append(events []messages.Event) error {
	if _, err := t.State(); err != nil {
		return err
	}
	if len(events) == 0 {
		return t.Fail(messages.Invalid("append", "no events"))
	}
	prepared, err := t.engine.encode(events)
	if err != nil {
		return t.Fail(err)
	}
	addTrace(prepared, t.trace)
	stamp(prepared, t.engine.Now())
	t.events = append(t.events, prepared...)
	t.bytes += sizeOf(prepared)
	return t.CheckSize()
}

// CheckSize refuses a transaction that has become too large.
func (t *Transaction) CheckSize() error {
	if size := t.bytes + t.state.Size() - t.start; size > t.engine.MaxAppendSize {
		return t.Fail(&messages.TooLargeError{What: "append", Size: size, Limit: t.engine.MaxAppendSize})
	}
	return nil
}

// Fail remembers an error: the transaction cannot commit any more.
func (t *Transaction) Fail(err error) error {
	if t.err == nil {
		t.err = err
	}
	return err
}

// updateJob holds the writer while a closure runs on its caller's goroutine.
type updateJob struct {
	Ticket
	caller   uint64 // his goroutine, asked for while nobody waits for it
	phase    atomic.Int32
	tx       *Transaction
	granted  chan struct{} // closed by the writer
	returned chan struct{} // closed by the caller
	// outcome of the closure; written before returned is closed.
	outcome error
}

// Update runs do as one serial transaction. Errors: what do returned, the
// first error of Set, Delete or Append, [messages.ErrTimeout],
// [messages.TooLargeError], [messages.ErrReentrant], [messages.ErrClosed],
// [messages.FailedError]; ctx's error while do has not begun,
// [messages.UncertainError] after it ended.
func (e *Engine) Update(ctx context.Context, do func(*Transaction) error) (messages.Receipt, error) {
	caller := goroutine()
	if err := e.admissibleIn(ctx, e.callers.isUpdate(caller)); err != nil {
		return messages.Receipt{}, err
	}
	j := &updateJob{Ticket: Ticket{engine: e}, caller: caller, granted: make(chan struct{}), returned: make(chan struct{})}
	j.tx = &Transaction{engine: e, trace: e.traceOf(ctx), phase: &j.phase}
	if err := e.mail.offer(ctx, j, true); err != nil {
		return messages.Receipt{}, err
	}
	select {
	case <-j.granted:
	case <-j.answered: // the bus failed or closed
		return j.receipt, j.err
	case <-ctx.Done():
		if j.phase.CompareAndSwap(updateWaiting, updateWithdrawn) {
			return messages.Receipt{}, ctx.Err()
		}
		<-j.granted
	}
	if j.phase.Load() == updateWithdrawn { // the writer could not even begin
		return j.Wait(ctx)
	}
	j.call(do)
	if j.outcome != nil {
		ctx = context.WithoutCancel(ctx) // rolled back: nothing is uncertain
	}
	return j.Wait(ctx)
}

// call runs the closure. Error, panic and Goexit all roll back; the last two
// go on through the caller's own stack.
func (j *updateJob) call(do func(*Transaction) error) {
	j.outcome = errRolledBack
	j.engine.callers.enterUpdate(j.caller)
	defer func() {
		j.engine.callers.leaveUpdate(j.caller)
		j.phase.CompareAndSwap(updateGranted, updateReturned)
		close(j.returned)
	}()
	err := do(j.tx)
	if err == nil {
		err = j.tx.err
	}
	j.outcome = err
}

var errRolledBack = fmt.Errorf("retinue: transaction panicked")

// weight is that of one event, which leaves the queue when its turn comes: what
// the closure appends is not known before.
func (j *updateJob) weight() weight { return weight{events: 1} }

// run hands over, once the closure can see what this round holds so far.
func (j *updateJob) run(w *writer) {
	w.engine.mail.release(w.present, j.weight())
	if j.phase.Load() == updateWithdrawn {
		return
	}
	if err := w.reveal(); err != nil {
		j.err = err
		j.phase.Store(updateWithdrawn)
		close(j.granted)
		return
	}
	j.tx.state, j.tx.mark, j.tx.start = w.app, w.app.Mark(), w.app.Size()
	if !j.phase.CompareAndSwap(updateWaiting, updateGranted) {
		return
	}
	close(j.granted)
	defer w.engine.measured.update.since(ticks())
	if j.err = j.await(w); j.err != nil {
		return
	}
	if j.outcome != nil {
		w.app.Rollback(j.tx.mark)
		j.err = w.refuse(j.outcome)
		return
	}
	w.batch.Write(w.app, j.tx.mark)
	j.receipt = w.place(j.tx.events)
	w.needSync = true
}

// await waits for the closure. One that takes too long keeps the state that it
// may still use, and the next one gets another.
func (j *updateJob) await(w *writer) (err error) {
	timeout := time.NewTimer(w.engine.UpdateTimeout)
	defer timeout.Stop()
	select {
	case <-j.returned:
		return nil
	case <-timeout.C:
		err = fmt.Errorf("transaction took over %v: %w", w.engine.UpdateTimeout, messages.ErrTimeout)
	case <-w.engine.Failed(): // others wait behind this one for their answer
		err = &messages.FailedError{Cause: w.store.Fence().Cause()}
	}
	if !j.phase.CompareAndSwap(updateGranted, updatePoisoned) {
		<-j.returned
		return nil
	}
	w.app, w.opaque = nil, true
	return w.refuse(err)
}

func (j *updateJob) finish(err error) {
	if err != nil {
		j.receipt, j.err = messages.Receipt{}, err
	}
}

package actors

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// gatherYields is how often in a row the writer lets producers run in vain
// before it takes a round that is smaller than expected.
const gatherYields = 16

// mailbox is the writer's: jobs that wait together are handed over together,
// as one *round, in the order they came. Callers offer jobs, for which there
// must be room; the bus's own actors post them. It implements [actor.Mailbox].
//
// Invariants: a round in queue that is not its last takes no more jobs;
// running is true from the Schedule of process until it finds nothing to do;
// waiting is empty or its first does not fit into room.
type mailbox struct {
	fence *persistence.Fence

	mu        sync.Mutex
	queue     []any // *round, or a message that is no job
	system    []any
	suspended bool
	running   bool
	// closed refuses what callers offer. It is written with mu held.
	closed atomic.Bool
	// abandoned is why nobody will take what is queued any more; nil while the
	// writer runs.
	abandoned error
	room      room
	waiting   []*waitingJob
	// expected is how many waiting callers the next round may have: who was
	// answered tends to come back, and joins those who came meanwhile.
	expected int
	// spare and finished are the memory of answered rounds. The writer alone
	// has finished; it becomes the spare with the next answer.
	spare, finished []job

	waited latencies // of jobs for which there was no room

	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
}

// waitingJob is a job for which there was no room.
type waitingJob struct {
	job
	returns bool
	taken   chan struct{} // closed once the job is in the queue, or refused
	err     error         // why it is refused; written before taken is closed
}

func newMailbox(fence *persistence.Fence, most weight) *mailbox {
	return &mailbox{fence: fence, room: room{free: most, most: most}}
}

// offer takes a caller's job in, once there is room for it; returns says that
// the caller waits for the answer and then may come back. Errors, and then the
// job was not taken: [messages.ErrClosed], [messages.FailedError], or
// ctx's error.
func (m *mailbox) offer(ctx context.Context, j job, returns bool) error {
	if cause := m.fence.Cause(); cause != nil {
		return &messages.FailedError{Cause: cause}
	}
	m.mu.Lock()
	if err := m.refusal(); err != nil {
		m.mu.Unlock()
		return err
	}
	if len(m.waiting) == 0 {
		if reserved, ok := m.room.take(j.weight()); ok {
			m.enqueue(j, reserved, returns)
			m.schedule()
			return nil
		}
	}
	defer m.waited.since(ticks())
	w := &waitingJob{job: j, returns: returns, taken: make(chan struct{})}
	m.waiting = append(m.waiting, w)
	m.mu.Unlock()
	select {
	case <-w.taken:
		return w.err
	case <-m.fence.Tripped():
		return m.withdraw(w, &messages.FailedError{Cause: m.fence.Cause()})
	case <-ctx.Done():
		return m.withdraw(w, ctx.Err())
	}
}

// refusal says why callers' jobs are not taken; m is locked.
func (m *mailbox) refusal() error {
	if m.closed.Load() {
		return messages.ErrClosed
	}
	return m.abandoned
}

// withdraw takes a waiting job back and returns err, unless it was taken in
// that moment.
func (m *mailbox) withdraw(w *waitingJob, err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.waiting, w)
	if i < 0 {
		return w.err
	}
	m.waiting = slices.Delete(m.waiting, i, i+1)
	m.admit()
	return err
}

// admit takes in who waits, in order, as far as there is room, or refuses them
// where the bus has failed: room is then free of what failed; m is locked.
func (m *mailbox) admit() {
	if cause := m.fence.Cause(); cause != nil {
		m.turnAway(&messages.FailedError{Cause: cause})
		return
	}
	for len(m.waiting) > 0 {
		w := m.waiting[0]
		reserved, ok := m.room.take(w.weight())
		if !ok {
			return
		}
		m.waiting[0] = nil
		m.waiting = m.waiting[1:]
		m.enqueue(w.job, reserved, w.returns)
		close(w.taken)
	}
}

// turnAway refuses all who wait; m is locked.
func (m *mailbox) turnAway(err error) {
	for _, w := range m.waiting {
		w.err = err
		close(w.taken)
	}
	m.waiting = nil
}

// post takes a job of the bus's own actors in: it is answered, whatever
// happens.
func (m *mailbox) post(j job) {
	m.mu.Lock()
	if err := m.abandoned; err != nil {
		m.mu.Unlock()
		r := newRound(nil)
		r.add(j, weight{}, false)
		r.answer(err)
		return
	}
	m.enqueue(j, weight{}, false)
	m.schedule()
}

func (m *mailbox) enqueue(j job, reserved weight, returns bool) {
	var last *round
	if len(m.queue) > 0 {
		last, _ = m.queue[len(m.queue)-1].(*round)
	}
	if last == nil || last.full() {
		last = newRound(m.spare)
		m.spare = nil
		m.queue = append(m.queue, last)
	}
	last.add(j, reserved, returns)
}

// answer lets in who waits, and tells every job of a round how it ended. Who
// is expected back is known before anybody can be.
func (m *mailbox) answer(r *round, err error) {
	m.mu.Lock()
	m.room.give(r.reserved)
	m.admit()
	m.expected = r.returning
	if len(m.queue) > 0 {
		if next, ok := m.queue[0].(*round); ok {
			m.expected += next.returning
		}
	}
	m.spare, m.finished = m.finished, nil
	m.mu.Unlock()
	r.answer(err)
	clear(r.jobs)
	m.finished, r.jobs = r.jobs[:0], nil
}

// release gives back, before its end, what a job of a round has reserved.
func (m *mailbox) release(r *round, reserved weight) {
	m.mu.Lock()
	r.reserved.events -= reserved.events
	r.reserved.bytes -= reserved.bytes
	m.room.give(reserved)
	m.admit()
	m.mu.Unlock()
}

// close refuses what callers offer from now on, and those who wait.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed.Store(true)
	m.turnAway(messages.ErrClosed)
}

// abandon answers every job that is queued, and all to come, with err: the
// writer has ended.
func (m *mailbox) abandon(err error) {
	m.mu.Lock()
	m.abandoned = err
	queue := m.queue
	m.queue = nil
	m.turnAway(err)
	m.mu.Unlock()
	for _, message := range queue {
		if r, ok := message.(*round); ok {
			r.answer(err)
		}
	}
}

// PostUserMessage implements [actor.Mailbox].
func (m *mailbox) PostUserMessage(message any) {
	m.mu.Lock()
	m.queue = append(m.queue, message)
	m.schedule()
}

// PostSystemMessage implements [actor.Mailbox].
func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	m.schedule()
}

// schedule unlocks m.
func (m *mailbox) schedule() {
	start := !m.running && m.ready()
	if start {
		m.running = true
	}
	m.mu.Unlock()
	if start {
		m.dispatcher.Schedule(m.process)
	}
}

func (m *mailbox) ready() bool {
	return len(m.system) > 0 || (len(m.queue) > 0 && !m.suspended)
}

func (m *mailbox) process() {
	for m.step() {
	}
}

// step handles one message; it reports false once there is none.
func (m *mailbox) step() (more bool) {
	var message any
	defer func() {
		if r := recover(); r != nil {
			m.invoker.EscalateFailure(r, message)
			more = true
		}
	}()
	m.mu.Lock()
	if !m.ready() {
		m.running = false
		m.mu.Unlock()
		return false
	}
	if len(m.system) > 0 {
		message = m.system[0]
		m.system = m.system[1:]
		m.mu.Unlock()
		m.invokeSystem(message)
		return true
	}
	m.gather()
	message = m.queue[0]
	m.queue[0] = nil
	m.queue = m.queue[1:]
	m.mu.Unlock()
	m.invoker.InvokeUserMessage(message)
	return true
}

func (m *mailbox) invokeSystem(message any) {
	switch message.(type) {
	case *actor.SuspendMailbox:
		m.suspend(true)
	case *actor.ResumeMailbox:
		m.suspend(false)
	default:
		m.invoker.InvokeSystemMessage(message)
	}
}

func (m *mailbox) suspend(suspended bool) {
	m.mu.Lock()
	m.suspended = suspended
	m.mu.Unlock()
}

// gather lets the only round grow by those who were just answered: without it
// a closed loop of P producers settles at rounds of P/2. m is locked before
// and after.
func (m *mailbox) gather() {
	r, ok := m.queue[0].(*round)
	if !ok {
		return
	}
	for idle := 0; len(m.queue) == 1 && !r.full() && r.returning < m.expected && idle < gatherYields; {
		before := r.returning
		m.mu.Unlock()
		runtime.Gosched()
		m.mu.Lock()
		if idle++; r.returning > before {
			idle = 0
		}
	}
}

// RegisterHandlers implements [actor.Mailbox].
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker = invoker
	m.dispatcher = dispatcher
}

// Start implements [actor.Mailbox].
func (m *mailbox) Start() {}

// UserMessageCount implements [actor.Mailbox].
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue)
}

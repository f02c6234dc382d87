package actors

import (
	"runtime"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// A round takes at most about this much; what comes later goes into the next.
// Larger batches gain nothing in throughput and cost latency.
const (
	roundEvents = 1024
	roundBytes  = 256 << 10
	// gatherYields is how often in a row the writer lets producers run in vain
	// before it takes a round that is smaller than usual. Producers that were
	// just answered come back within that time; without it a closed loop of P
	// producers settles at rounds of P/2. A round of the usual size is taken
	// at the first yield that brings nothing.
	gatherYields = 16
)

// job is a message to the writer.
type job interface {
	// weight is what the job adds to its round's size.
	weight() (events, bytes int)
	// enlist tells the job the channel that is closed once it is answered;
	// every job that was enlisted is.
	enlist(answered <-chan struct{})
	// enlisted reports whether the job has reached the mailbox.
	enlisted() bool
	// run does the job's part of the round; called on the writer.
	run(w *writer)
	// finish answers the job: err is nil once what it asked for is on disk.
	finish(err error)
}

// errand is the part of a job that waits for its answer.
type errand struct{ answered <-chan struct{} }

func (e *errand) enlist(answered <-chan struct{}) { e.answered = answered }
func (e *errand) enlisted() bool                  { return e.answered != nil }

// round is a run of jobs that share one commit.
type round struct {
	jobs          []job
	events, bytes int
	answered      chan struct{}
	born          time.Duration // when its first job came
}

// answer tells every job how the round ended.
func (r *round) answer(err error) {
	for _, j := range r.jobs {
		j.finish(err)
	}
	close(r.answered)
}

func (r *round) full() bool { return r.events >= roundEvents || r.bytes >= roundBytes }

// mailbox is the writer's: jobs that wait together are handed over together,
// as one *round, in the order they came. It implements [actor.Mailbox].
//
// Invariant: a round in queue that is not its last takes no more jobs;
// running is true from the Schedule of process until it finds nothing to do.
type mailbox struct {
	mu        sync.Mutex
	queue     []any // *round, or a message that is no job
	system    []any
	suspended bool
	running   bool
	// abandoned is why nobody will take what is queued any more; nil while the
	// writer runs.
	abandoned error
	// usual is how many jobs a round has had lately.
	usual int

	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
}

func (m *mailbox) PostUserMessage(message any) {
	m.mu.Lock()
	j, ok := message.(job)
	if ok && m.abandoned != nil {
		r := &round{answered: make(chan struct{}), jobs: []job{j}}
		j.enlist(r.answered)
		m.mu.Unlock()
		r.answer(m.abandoned)
		return
	}
	if ok {
		m.enqueue(j)
	} else {
		m.queue = append(m.queue, message)
	}
	m.schedule()
}

// abandon answers every job that is queued, and all to come, with err: the
// writer has ended.
func (m *mailbox) abandon(err error) {
	m.mu.Lock()
	m.abandoned = err
	queue := m.queue
	m.queue = nil
	m.mu.Unlock()
	for _, message := range queue {
		if r, ok := message.(*round); ok {
			r.answer(err)
		}
	}
}

func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	m.schedule()
}

func (m *mailbox) enqueue(j job) {
	var last *round
	if len(m.queue) > 0 {
		last, _ = m.queue[len(m.queue)-1].(*round)
	}
	if last == nil || last.full() {
		last = &round{answered: make(chan struct{}), born: ticks()}
		m.queue = append(m.queue, last)
	}
	events, bytes := j.weight()
	last.events += events
	last.bytes += bytes
	last.jobs = append(last.jobs, j)
	j.enlist(last.answered)
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

// gather lets the only round grow to its usual size; m is locked before and
// after.
func (m *mailbox) gather() {
	r, ok := m.queue[0].(*round)
	if !ok {
		return
	}
	for idle := 0; len(m.queue) == 1 && !r.full() && idle < gatherYields; {
		if idle > 0 && len(r.jobs) >= m.usual {
			break
		}
		before := len(r.jobs)
		m.mu.Unlock()
		runtime.Gosched()
		m.mu.Lock()
		if idle++; len(r.jobs) > before {
			idle = 0
		}
	}
	m.usual = max(len(r.jobs), m.usual-1)
}

func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker = invoker
	m.dispatcher = dispatcher
}

func (m *mailbox) Start() {}

func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue)
}

package actors

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// fakeJob weighs what it says and remembers its round's channel.
type fakeJob struct {
	events, bytes int
	answered      <-chan struct{}
}

func (j *fakeJob) weight() weight  { return weight{j.events, j.bytes} }
func (j *fakeJob) enlist(r *round) { j.answered = r.answered }
func (j *fakeJob) run(*writer)     {}
func (j *fakeJob) finish(error)    {}

// manual is a dispatcher that runs the mailbox when the test says so, and an
// invoker that records what it is given.
type manual struct {
	pending  []func()
	user     []any
	system   []any
	failures []any
	react    func(message any)
}

func (m *manual) Schedule(f func())               { m.pending = append(m.pending, f) }
func (m *manual) Throughput() int                 { return 1 }
func (m *manual) InvokeSystemMessage(message any) { m.system = append(m.system, message) }
func (m *manual) EscalateFailure(reason, _ any)   { m.failures = append(m.failures, reason) }

func (m *manual) InvokeUserMessage(message any) {
	m.user = append(m.user, message)
	if m.react != nil {
		m.react(message)
	}
}

// work runs what was scheduled.
func (m *manual) work() {
	for len(m.pending) > 0 {
		f := m.pending[0]
		m.pending = m.pending[1:]
		f()
	}
}

func newManual() (*mailbox, *manual) {
	box, m := newMailbox(persistence.NewFence(), weight{3, 100}), &manual{}
	box.RegisterHandlers(m, m)
	box.Start()
	return box, m
}

// sizes returns how many jobs each round had; -1 is a message that is none.
func (m *manual) sizes() []int {
	var sizes []int
	for _, message := range m.user {
		if r, ok := message.(*round); ok {
			sizes = append(sizes, len(r.jobs))
		} else {
			sizes = append(sizes, -1)
		}
	}
	return sizes
}

func TestJobsThatWaitTogetherAreOneRound(t *testing.T) {
	box, m := newManual()
	var jobs []*fakeJob
	for range 10 {
		j := &fakeJob{events: 1, bytes: 1}
		jobs = append(jobs, j)
		box.post(j)
	}
	if len(m.pending) != 1 || box.UserMessageCount() != 1 {
		t.Errorf("%d runs scheduled, %d messages wait, want 1 and 1", len(m.pending), box.UserMessageCount())
	}
	m.work()
	if got := m.sizes(); !slices.Equal(got, []int{10}) {
		t.Fatalf("rounds = %v, want one of 10", got)
	}
	r := m.user[0].(*round)
	for i, j := range jobs {
		if r.jobs[i] != job(j) || j.answered != (<-chan struct{})(r.answered) {
			t.Errorf("job %d is not at its place in the round", i)
		}
	}
}

func TestARoundIsFullByEventsOrBytesAndOrderIsKept(t *testing.T) {
	for _, test := range []struct {
		name string
		job  fakeJob
		want []int
	}{
		{"events", fakeJob{events: roundEvents / 2, bytes: 1}, []int{2, 2, 1}},
		{"bytes", fakeJob{events: 1, bytes: roundBytes / 2}, []int{2, 2, 1}},
		{"one job over the limit", fakeJob{events: 1, bytes: roundBytes * 9}, []int{1, 1, 1, 1, 1}},
		{"small", fakeJob{events: 1, bytes: 1}, []int{5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			box, m := newManual()
			var want []job
			for range 5 {
				j := test.job
				want = append(want, &j)
				box.post(&j)
			}
			m.work()
			if got := m.sizes(); !slices.Equal(got, test.want) {
				t.Errorf("rounds = %v, want %v", got, test.want)
			}
			var got []job
			for _, message := range m.user {
				got = append(got, message.(*round).jobs...)
			}
			if !slices.Equal(got, want) {
				t.Error("jobs are out of order")
			}
		})
	}
}

func TestAMessageThatIsNoJobKeepsItsPlaceBetweenRounds(t *testing.T) {
	box, m := newManual()
	box.post(&fakeJob{events: 1})
	box.PostUserMessage("between")
	box.post(&fakeJob{events: 1})
	box.post(&fakeJob{events: 1})
	m.work()
	if got := m.sizes(); !slices.Equal(got, []int{1, -1, 2}) {
		t.Errorf("messages = %v, want a round, the message, a round of 2", got)
	}
}

func TestAJobThatComesWhileARoundIsHandledGoesIntoTheNext(t *testing.T) {
	box, m := newManual()
	m.react = func(any) {
		m.react = nil
		box.post(&fakeJob{events: 1})
		box.post(&fakeJob{events: 1})
	}
	box.post(&fakeJob{events: 1})
	m.work()
	if got := m.sizes(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("rounds = %v, want 1 and 2", got)
	}
	box.post(&fakeJob{events: 1})
	m.work()
	if got := m.sizes(); !slices.Equal(got, []int{1, 2, 1}) {
		t.Errorf("rounds = %v: a mailbox that fell asleep was not woken", got)
	}
}

func TestASuspendedMailboxHandlesSystemMessagesOnly(t *testing.T) {
	box, m := newManual()
	box.PostSystemMessage(&actor.SuspendMailbox{})
	box.post(&fakeJob{events: 1})
	box.PostSystemMessage(&actor.Stop{})
	m.work()
	if len(m.user) != 0 || len(m.system) != 1 {
		t.Errorf("handled %v and %v while suspended", m.user, m.system)
	}
	box.PostSystemMessage(&actor.ResumeMailbox{})
	m.work()
	if got := m.sizes(); !slices.Equal(got, []int{1}) {
		t.Errorf("rounds after the resumption = %v, want 1", got)
	}
}

func TestAPanicIsEscalatedAndTheMailboxGoesOn(t *testing.T) {
	box, m := newManual()
	m.react = func(message any) {
		if message == "bad" {
			panic("boom")
		}
	}
	box.PostUserMessage("bad")
	box.PostUserMessage("good")
	m.work()
	if len(m.failures) != 1 || m.failures[0] != "boom" || len(m.user) != 2 {
		t.Errorf("failures = %v, handled %v", m.failures, m.user)
	}
}

// offered makes jobs callers' and reports which were taken at once.
func offered(t *testing.T, box *mailbox, jobs ...*fakeJob) (taken []bool) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, j := range jobs {
		err := box.offer(ended, j, true)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("offer: %v", err)
		}
		taken = append(taken, err == nil)
	}
	return taken
}

func TestACallersJobWaitsForRoomAndThoseOfTheBusDoNot(t *testing.T) {
	box, m := newManual() // room for 3 events and 100 bytes
	small := func() *fakeJob { return &fakeJob{events: 1, bytes: 10} }
	if got := offered(t, box, small(), small(), small(), small()); !slices.Equal(got, []bool{true, true, true, false}) {
		t.Errorf("taken by events = %v, want three", got)
	}
	box.post(small())
	m.react = func(message any) { box.answer(message.(*round), nil) }
	m.work()
	if got := offered(t, box, &fakeJob{events: 1, bytes: 95}, small()); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("taken by bytes = %v, want the first", got)
	}
	m.work()
	if got := offered(t, box, &fakeJob{events: 9, bytes: 900}, small()); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("taken = %v: want a job that is larger than all room, alone", got)
	}
	m.work()
	if box.room.free != box.room.most {
		t.Errorf("room at rest is %+v of %+v", box.room.free, box.room.most)
	}
}

func TestJobsThatWaitForRoomAreTakenInOrder(t *testing.T) {
	box, m := newManual()
	m.react = func(message any) { box.answer(message.(*round), nil) }
	var jobs []*fakeJob
	errs := make(chan error, 5)
	if err := box.offer(t.Context(), &fakeJob{events: 3}, true); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		j := &fakeJob{events: 1 + i%2}
		jobs = append(jobs, j)
		go func() { errs <- box.offer(t.Context(), j, true) }()
		for waiting := 0; waiting <= i; {
			box.mu.Lock()
			waiting = len(box.waiting)
			box.mu.Unlock()
		}
	}
	var got []job
	m.react = func(message any) {
		got = append(got, message.(*round).jobs...)
		box.answer(message.(*round), nil)
	}
	m.work()
	for range jobs {
		if err := <-errs; err != nil {
			t.Errorf("offer: %v", err)
		}
	}
	for i, j := range jobs {
		if len(got) != 6 || got[i+1] != job(j) {
			t.Fatalf("job %d is not at its place among %d", i, len(got))
		}
	}
}

// fill fills the mailbox, and returns what the next job, which waits, is told.
func fill(t *testing.T, box *mailbox) (told <-chan error) {
	t.Helper()
	if err := box.offer(t.Context(), &fakeJob{events: 3}, true); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() { answer <- box.offer(t.Context(), &fakeJob{events: 1}, true) }()
	for waiting := 0; waiting == 0; {
		box.mu.Lock()
		waiting = len(box.waiting)
		box.mu.Unlock()
	}
	return answer
}

func TestAClosedMailboxRefusesCallersAndThoseWhoWaitAndServesTheBus(t *testing.T) {
	box, m := newManual()
	refused := fill(t, box)
	box.close()
	if err := <-refused; !errors.Is(err, messages.ErrClosed) {
		t.Errorf("who waited got %v, want ErrClosed", err)
	}
	if err := box.offer(t.Context(), &fakeJob{}, true); !errors.Is(err, messages.ErrClosed) {
		t.Errorf("who came later got %v, want ErrClosed", err)
	}
	box.post(&fakeJob{})
	m.work()
	if got := m.sizes(); !slices.Equal(got, []int{2}) {
		t.Errorf("rounds = %v, want one of the accepted job and the bus's own", got)
	}
}

func TestRoomThatAFailureFreesTakesNobodyIn(t *testing.T) {
	box, _ := newManual()
	refused := fill(t, box)
	box.mu.Lock() // the waiter, whom the failure wakes too, comes second
	go box.fence.Trip(errors.New("no disk"))
	<-box.fence.Tripped()
	box.room.give(weight{events: 3})
	box.admit()
	box.mu.Unlock()
	if err := <-refused; !errors.Is(err, messages.ErrFailed) {
		t.Errorf("who waited got %v, want ErrFailed", err)
	}
}

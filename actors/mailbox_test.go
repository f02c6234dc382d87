package actors

import (
	"slices"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
)

// fakeJob weighs what it says and remembers its round's channel.
type fakeJob struct {
	events, bytes int
	answered      <-chan struct{}
}

func (j *fakeJob) weight() (int, int)       { return j.events, j.bytes }
func (j *fakeJob) enlist(a <-chan struct{}) { j.answered = a }
func (j *fakeJob) enlisted() bool           { return true }
func (j *fakeJob) run(*writer)              {}
func (j *fakeJob) finish(error)             {}

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
	box, m := &mailbox{}, &manual{}
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
		box.PostUserMessage(j)
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
				box.PostUserMessage(&j)
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
	box.PostUserMessage(&fakeJob{events: 1})
	box.PostUserMessage("between")
	box.PostUserMessage(&fakeJob{events: 1})
	box.PostUserMessage(&fakeJob{events: 1})
	m.work()
	if got := m.sizes(); !slices.Equal(got, []int{1, -1, 2}) {
		t.Errorf("messages = %v, want a round, the message, a round of 2", got)
	}
}

func TestAJobThatComesWhileARoundIsHandledGoesIntoTheNext(t *testing.T) {
	box, m := newManual()
	m.react = func(any) {
		m.react = nil
		box.PostUserMessage(&fakeJob{events: 1})
		box.PostUserMessage(&fakeJob{events: 1})
	}
	box.PostUserMessage(&fakeJob{events: 1})
	m.work()
	if got := m.sizes(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("rounds = %v, want 1 and 2", got)
	}
	box.PostUserMessage(&fakeJob{events: 1})
	m.work()
	if got := m.sizes(); !slices.Equal(got, []int{1, 2, 1}) {
		t.Errorf("rounds = %v: a mailbox that fell asleep was not woken", got)
	}
}

func TestASuspendedMailboxHandlesSystemMessagesOnly(t *testing.T) {
	box, m := newManual()
	box.PostSystemMessage(&actor.SuspendMailbox{})
	box.PostUserMessage(&fakeJob{events: 1})
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

package retinuetest

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// Probe is an actor, or a follower that is a raw behaviour, which keeps what
// arrives until the test asks: with [Expect], [ExpectEvent], [ExpectNone] and
// [ExpectTerminated]. All are the test's to call; the probe is safe for concurrent use.
type Probe struct {
	// Answer, if not nil, is called for each delivery to the probe's follower,
	// in its actor, and says what the delivery is answered with. Set it before
	// the follower is followed.
	Answer func(*followers.Turn) error

	system *actor.ActorSystem
	pid    *actor.PID

	mu         sync.Mutex
	inbox      []any
	terminated map[string]bool // by the actor's id
	watched    map[string]bool
	behaviour  *actor.PID
}

// Delivered is what a probe keeps of a delivery to its follower.
type Delivered struct {
	// Entry is the caller's; Attempt and Live are the turn's.
	Entry   messages.Entry
	Attempt int
	Live    bool
}

// NewProbe starts a probe in the actor system of the bus; it stops with the
// test.
func NewProbe(t TB, bus *retinue.Bus) *Probe {
	t.Helper()
	p := &Probe{
		system:     System(t, bus),
		terminated: make(map[string]bool), watched: make(map[string]bool),
	}
	p.pid = p.system.Root.Spawn(actor.PropsFromFunc(p.receive))
	t.Cleanup(func() {
		gone := make(chan struct{})
		p.system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
			switch c.Message().(type) {
			case *actor.Started:
				c.Watch(p.pid)
				c.Stop(p.pid)
			case *actor.Terminated:
				c.Stop(c.Self())
			case *actor.Stopped:
				close(gone)
			}
		}))
		<-gone
	})
	return p
}

// PID is the probe's address, to be given to the actors under test.
func (p *Probe) PID() *actor.PID { return p.pid }

// Send sends a message with the probe as its sender.
func (p *Probe) Send(to *actor.PID, message any) {
	p.system.Root.RequestWithCustomSender(to, message, p.pid)
}

// Watch has [ExpectTerminated] know of an actor.
func (p *Probe) Watch(pid *actor.PID) {
	p.mu.Lock()
	p.watched[pid.Id] = true
	delete(p.terminated, pid.Id)
	p.mu.Unlock()
	p.system.Root.Send(p.pid, &watch{pid})
}

type watch struct{ pid *actor.PID }

// Follower returns a follower that is a raw behaviour: it keeps deliveries, as
// [Delivered], and each [followers.CaughtUp], and answers as Answer says.
func (p *Probe) Follower(name string, log messages.Log) followers.Follower {
	return followers.Follower{Name: name, Log: log, Props: actor.PropsFromProducer(func() actor.Actor {
		return actor.ReceiveFunc(p.behave)
	})}
}

// Behaviour is the actor of the probe's follower that started last, nil where
// none did. The probe watches it.
func (p *Probe) Behaviour() *actor.PID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.behaviour
}

func (p *Probe) receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started, *actor.Stopping, *actor.Stopped:
	case *watch:
		c.Watch(m.pid)
	case *actor.Terminated:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.terminated[m.Who.Id] = true
	default:
		p.keep(m)
	}
}

func (p *Probe) behave(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		p.mu.Lock()
		p.behaviour = c.Self()
		p.mu.Unlock()
		p.Watch(c.Self())
	case *actor.Stopping, *actor.Stopped:
	case *followers.Deliver:
		p.keep(Delivered{m.Turn.Entry().Clone(), m.Turn.Attempt(), m.Turn.Live()})
		var err error
		if p.Answer != nil {
			err = p.Answer(m.Turn)
		}
		c.Respond(m.Done(err))
	default:
		p.keep(m)
	}
}

func (p *Probe) keep(message any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inbox = append(p.inbox, message)
}

// next takes the oldest message.
func (p *Probe) next() (message any, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inbox) == 0 {
		return nil, false
	}
	message, p.inbox = p.inbox[0], p.inbox[1:]
	return message, true
}

// Expect waits for the next message of the probe, which must be a T, and
// returns it. It fails the test, with what did arrive, otherwise.
func Expect[T any](t TB, p *Probe) T {
	t.Helper()
	want := reflect.TypeFor[T]()
	message := p.await(t, want)
	m, ok := message.(T)
	if !ok {
		t.Fatalf("expected %v, but there arrived\n%s", want, p.tell(message))
	}
	return m
}

// ExpectEvent is Expect for a [Delivered] entry that is an E.
func ExpectEvent[E messages.Event](t TB, p *Probe) E {
	t.Helper()
	want := reflect.TypeFor[E]()
	var event E
	message := p.await(t, want)
	err := messages.ErrDecode
	if d, ok := message.(Delivered); ok {
		event, err = messages.Decode[E](d.Entry)
	}
	if err != nil {
		t.Fatalf("expected %v, but there arrived\n%s", want, p.tell(message))
	}
	return event
}

// await takes the next message.
func (p *Probe) await(t TB, want reflect.Type) (message any) {
	t.Helper()
	if !until(func() (ok bool) { message, ok = p.next(); return ok }, nil) {
		t.Fatalf("expected %v, but nothing arrived", want)
	}
	return message
}

// ExpectNone fails the test if anything has arrived that was not expected
// yet, or does within d.
func ExpectNone(t TB, p *Probe, d time.Duration) {
	t.Helper()
	if !settle() && d == 0 {
		d = 10 * time.Millisecond
	}
	time.Sleep(d)
	settle()
	if message, ok := p.next(); ok {
		t.Errorf("expected nothing, but there arrived\n%s", p.tell(message))
	}
}

// ExpectTerminated waits until an actor that the probe watches has stopped.
// Messages in between are kept. It fails the test, with what did arrive,
// otherwise.
func ExpectTerminated(t TB, p *Probe, pid *actor.PID) {
	t.Helper()
	state := func() (watched, gone bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.watched[pid.Id], p.terminated[pid.Id]
	}
	if watched, _ := state(); !watched {
		t.Fatalf("the probe does not watch %s", pid.Id)
	}
	if !until(func() bool { _, gone := state(); return gone }, nil) {
		t.Fatalf("expected the end of %s, but it lives; there arrived\n%s", pid.Id, p.tell())
	}
}

// tell lists messages, and those that are still kept.
func (p *Probe) tell(first ...any) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := append(first, p.inbox...)
	if len(all) == 0 {
		return "  nothing"
	}
	var b strings.Builder
	for i, m := range all {
		if d, ok := m.(Delivered); ok {
			fmt.Fprintf(&b, "  %d: entry %v, %s, attempt %d\n", i+1, d.Entry.Position(), sketch(d.Entry), d.Attempt)
		} else {
			fmt.Fprintf(&b, "  %d: %T %+v\n", i+1, m, m)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

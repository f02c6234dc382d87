package retinuetest

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// Follow starts a follower on the bus, with the kit's gate around each of its
// turns. After a [Crash] or [Reopen] it is followed again. It fails the test where the bus
// refuses the follower.
//
// A raw behaviour must answer with its actor's context (c.Respond, c.Send), as
// is usual, for the gate to see it.
func Follow(t TB, bus *retinue.Bus, f followers.Follower) {
	t.Helper()
	if err := kitOf(t, bus, "follow").follow(f); err != nil {
		t.Fatalf("follow %q: %v", f.Name, err)
	}
}

func (k *kit) follow(f followers.Follower) error {
	plan, err := f.Plan()
	if err != nil {
		return err
	}
	s := k.station(f.Name)
	k.mu.Lock()
	bus, l := k.bus, k.life
	k.mu.Unlock()
	if err := bus.Follow(s.wrap(plan, bus, l)); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s.declared = f
	k.followed = append(slices.DeleteFunc(k.followed, func(name string) bool { return name == f.Name }), f.Name)
	return nil
}

func (k *kit) follows(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.followed, name)
}

// running returns the stations of the followers that are followed now.
func (k *kit) running() (all []*station) {
	status := k.bus.Status()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range k.followed {
		for _, f := range status.Followers {
			if f.Name == name && f.State != "not followed" {
				all = append(all, k.stations[name])
			}
		}
	}
	return all
}

// station is the gate around one follower's turns. It outlives crashes.
type station struct {
	name     string
	declared followers.Follower // guarded by kit.mu

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something below changes
	log     messages.Log
	held    bool
	permits int // turns that Step lets through
	// waiting is true while a turn waits at the gate, standing while a fault
	// keeps one; released ends the latter.
	waiting, standing bool
	released          chan struct{}
	turns             int        // that have begun
	ended             []Delivery // by themselves
	faults            []Fault
	// after is the fault that follows the commit of the entry with id afterID.
	after   *Fault
	afterID uint64
	pending *pending // delivery to a raw behaviour that is not answered yet
}

func (k *kit) station(name string) *station {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.stations[name]
	if s == nil {
		s = &station{name: name, changed: make(chan struct{}), released: make(chan struct{})}
		k.stations[name] = s
	}
	return s
}

// kept reports whether the test keeps a follower from going on.
func (k *kit) kept(name string) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	s := k.stations[name]
	k.mu.Unlock()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing || s.waiting && s.permits == 0
}

// notify wakes who waits for a change of what mu guards.
func (s *station) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// wrap returns the follower of plan with the gate around its body.
func (s *station) wrap(plan *followers.Plan, bus *retinue.Bus, l *life) followers.Follower {
	f := plan.Follower
	s.mu.Lock()
	s.log = f.Log
	s.mu.Unlock()
	switch batch := f.Batch; {
	case f.Props != nil:
		f.Props = s.wrapProps(f.Props, bus, l)
	case batch != nil:
		f.Batch = func(t *followers.Turn, entries []messages.Entry) error {
			return s.turn(bus, l, t, entries, func() error { return batch(t, entries) })
		}
	default:
		f.Filter, f.Reactions, f.Unknown, f.Raw = plan.Wants(), nil, followers.FailTurn, nil
		f.Every = func(t *followers.Turn) error {
			return s.turn(bus, l, t, []messages.Entry{t.Entry()}, func() error { return plan.React(t) })
		}
	}
	return f
}

// turn runs one turn through the gate.
func (s *station) turn(bus *retinue.Bus, l *life, t *followers.Turn, entries []messages.Entry, body func() error) (err error) {
	ctx := t.Context()
	d, fault, err := s.begin(bus, l, t, entries)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		p := recover()
		if !returned {
			err = &messages.PanicError{Value: p, Stack: debug.Stack()}
		}
		s.end(ctx, d, fault, err)
		if p != nil {
			panic(p)
		}
	}()
	if fault.at(Before) {
		err = s.play(ctx, l, fault)
	}
	if err == nil {
		err = body()
	}
	if err == nil && fault.at(BeforeCommit) {
		err = s.play(ctx, l, fault)
	}
	returned = true
	return err
}

// begin waits until the turn may begin, and returns the fault that is planned
// for it, which may be nil. An error is the turn's.
func (s *station) begin(bus *retinue.Bus, l *life, t *followers.Turn, entries []messages.Entry) (Delivery, *Fault, error) {
	if err := s.settleLast(t.Context(), bus, t.Entry()); err != nil {
		return Delivery{}, nil, err
	}
	granted, err := s.pass(t.Context(), l)
	if err != nil {
		return Delivery{}, nil, err
	}
	d := Delivery{Follower: s.name, Attempt: t.Attempt(), Live: t.Live(), Begun: time.Now(), granted: granted}
	for _, e := range entries {
		d.Entries = append(d.Entries, e.Clone())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns++
	d.Turn = s.turns
	return d, s.planned(), nil
}

// pass waits at the gate, and reports whether a Step let the turn through.
// After the end of its life a turn waits there until it is interrupted: a
// process without power does nothing more.
func (s *station) pass(ctx context.Context, l *life) (granted bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l.ended() || s.held && s.permits == 0 {
		s.waiting = true
		s.notify()
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		s.mu.Lock()
		s.waiting = false
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
	if s.held {
		s.permits--
	}
	return s.held, nil
}

// end notes how a turn ended. One that was interrupted is not over: it comes
// again.
func (s *station) end(ctx context.Context, d Delivery, fault *Fault, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.notify()
	if err != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), messages.ErrTimeout) {
		if s.held && d.granted {
			s.permits++
		}
		return
	}
	d.Err = err
	s.ended = append(s.ended, d)
	if err == nil && fault.at(AfterCommit) {
		s.after, s.afterID = fault, d.last(s.log)
	}
}

func idIn(log messages.Log, e messages.Entry) uint64 {
	if log == messages.Permanent {
		return uint64(e.ID)
	}
	return uint64(e.TrimmableID)
}

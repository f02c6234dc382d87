package retinuetest

import (
	"context"
	"errors"
	"runtime"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// ErrInjected is what a fault fails with that was given no error of its own.
var ErrInjected = errors.New("injected failure")

// Do says what a fault does to a turn.
type Do uint8

const (
	// Fail returns the fault's error.
	Fail Do = iota
	// Panic panics with the fault's error.
	Panic
	// Goexit ends the goroutine, as t.FailNow in a reaction does.
	Goexit
	// Stall stands still until [Release], or until the turn's context ends,
	// as a reaction does that waits for a slow machine and watches its
	// context. Released, the turn goes on as if nothing had been.
	Stall
	// Hang stands still until Release, a crash or the end of the test, and
	// ignores the turn's context: such a follower is stuck.
	Hang
)

// When says at which point of the turn a fault strikes.
type When uint8

const (
	// Before the follower's code: it is not called.
	Before When = iota
	// BeforeCommit is after the follower's code, where that has returned nil:
	// what it wrote and appended must not stay.
	BeforeCommit
	// AfterCommit is once the turn has committed, before the follower's code
	// is called for the next one: so it strikes when there is a next one,
	// and its entry takes the blame.
	AfterCommit
)

// Fault is a plan for some turns of a follower.
type Fault struct {
	// Follower, by name; it may be followed later.
	Follower string
	// Turn that it strikes first: how many turns the follower has begun,
	// retries included, since its first [Follow] in this test. 0 means the
	// next one.
	Turn int
	// Times is how many turns it strikes, one after the other, if [Heal] does
	// not end it before; 0 means one.
	Times int
	// Do and When say what happens, and at which point.
	Do   Do
	When When
	// Err to fail or to panic with; nil means [ErrInjected].
	Err error
}

// Inject plans a fault. Where several are planned for one turn, the first one
// counts. It fails the test where the turn has begun already.
func Inject(t TB, bus *retinue.Bus, f Fault) {
	t.Helper()
	s := kitOf(t, bus, "inject").station(f.Follower)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case f.Turn < 0 || f.Times < 0 || f.Do > Hang || f.When > AfterCommit:
		t.Fatalf("inject: %+v makes no sense", f)
	case f.Turn == 0:
		f.Turn = s.turns + 1
	case f.Turn <= s.turns:
		t.Fatalf("inject: turn %d of %q is over or under way: %d turns have begun", f.Turn, f.Follower, s.turns)
	}
	s.faults = append(s.faults, f)
}

// Heal forgets the faults that are planned for a follower's later turns, and
// releases it as [Release] does.
func Heal(t TB, bus *retinue.Bus, follower string) {
	t.Helper()
	s := kitOf(t, bus, "heal").station(follower)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.after = nil, nil
	s.release()
}

func (f *Fault) at(w When) bool { return f != nil && f.When == w }

// planned returns the fault of the turn that has just been counted. What
// follows the commit of the last turn comes first.
func (s *station) planned() *Fault {
	if s.after != nil {
		f := *s.after
		f.When = Before
		s.after = nil
		return &f
	}
	for _, f := range s.faults {
		if s.turns >= f.Turn && s.turns < f.Turn+max(f.Times, 1) {
			return &f
		}
	}
	return nil
}

// settleLast sees to it that a turn with a fault after its commit has
// committed. It has the next turn, which stands before its begin, interrupted:
// that makes the host commit what it has, and begin again.
func (s *station) settleLast(ctx context.Context, bus *retinue.Bus, next messages.Entry) error {
	s.mu.Lock()
	waiting, id := s.after != nil, s.afterID
	log := s.log
	s.mu.Unlock()
	if !waiting {
		return nil
	}
	if f, _ := statusOf(bus, s.name); f.Cursor > id {
		return nil
	}
	if idIn(log, next) <= id { // it was refused at its end, and comes again
		s.mu.Lock()
		defer s.mu.Unlock()
		s.after = nil
		return nil
	}
	go commit(context.Background(), bus, s.name)
	<-ctx.Done()
	return ctx.Err()
}

// commit has a follower commit the turns that it has done, durably. The turn
// under way is interrupted.
func commit(ctx context.Context, bus *retinue.Bus, follower string) error {
	return bus.Drop(ctx, follower)
}

// play lets a fault happen to a turn. Where it returns nil, the turn goes on.
func (s *station) play(ctx context.Context, l *life, f *Fault) error {
	err := f.Err
	if err == nil {
		err = ErrInjected
	}
	switch f.Do {
	case Panic:
		panic(err)
	case Goexit:
		runtime.Goexit()
	case Stall:
		return s.stand(ctx, ctx.Done(), l)
	case Hang:
		return s.stand(ctx, nil, l)
	}
	return err
}

// stand keeps a turn until it is released, or interrupted, or its life ends.
func (s *station) stand(ctx context.Context, interrupted <-chan struct{}, l *life) error {
	s.mu.Lock()
	s.standing = true
	s.notify()
	released := s.released
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.standing = false
		s.notify()
	}()
	select {
	case <-released:
		return nil
	case <-interrupted:
	case <-l.over:
		<-ctx.Done()
	}
	return ctx.Err()
}

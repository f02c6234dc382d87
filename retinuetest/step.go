package retinuetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Delivery is one turn of a follower, as the kit's gate saw it.
type Delivery struct {
	Follower string
	// Turn counts the turns of the follower since its first [Follow], from 1,
	// as [Fault] does.
	Turn int
	// Entries of the turn: one, or a batch. They are the caller's.
	Entries []messages.Entry
	// Attempt and Live as the turn told them.
	Attempt int
	Live    bool
	// Begun is when the follower's code was called.
	Begun time.Time
	// Err is why the turn failed, [messages.PanicError] for a panic; nil
	// where it committed.
	Err error

	granted bool // by Step
}

// last returns the id of the last entry.
func (d Delivery) last(log messages.Log) uint64 { return idIn(log, d.Entries[len(d.Entries)-1]) }

// Turns returns the turns of a follower that have ended since its first
// [Follow], replays included, in order. Err is what the follower's code
// returned; that of a turn which was refused at its end is nil. Those that were
// interrupted are not among them: they come again.
func Turns(t TB, bus *retinue.Bus, follower string) []Delivery {
	t.Helper()
	s := kitOf(t, bus, "turns").station(follower)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ended)
}

// Hold keeps a follower before its next turn: from now on it goes on by [Step]
// only, until [Release]. It may be held before it is followed. A turn that is
// under way ends as usual.
//
// The time that a turn is held counts against [followers.Follower.Timeout].
func Hold(t TB, bus *retinue.Bus, follower string) {
	t.Helper()
	s := kitOf(t, bus, "hold").station(follower)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.permits = true, 0
	s.notify()
}

// Release lets a follower go on that [Hold] or a fault keeps.
func Release(t TB, bus *retinue.Bus, follower string) {
	t.Helper()
	s := kitOf(t, bus, "release").station(follower)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release()
}

// release is Release; mu is held.
func (s *station) release() {
	s.held, s.permits = false, 0
	close(s.released)
	s.released = make(chan struct{})
	s.notify()
}

// Step lets a follower take exactly one turn, and returns it when it is over:
// committed and durable, or failed with all that follows - the attempt
// counted, the entry set aside, the follower backing off or parked. It holds
// the follower first and leaves it held. A backoff is waited out before the
// turn.
//
// It fails the test where the follower has nothing to read, is paused or
// parked, or the turn does not end.
func Step(t TB, bus *retinue.Bus, follower string) Delivery {
	t.Helper()
	k := kitOf(t, bus, "step")
	s := k.station(follower)
	if !k.follows(follower) {
		t.Fatalf("step %q: it was not followed through retinuetest.Follow\n%s", follower, describe(bus))
	}
	Hold(t, bus, follower)
	if why := s.awaitTurn(bus); why != "" {
		t.Fatalf("step %q: %s\n%s", follower, why, describe(bus))
	}
	s.mu.Lock()
	before := len(s.ended)
	s.permits = 1
	s.notify()
	s.mu.Unlock()
	d, ok := s.over(bus, before)
	if !ok {
		t.Fatalf("step %q: the turn does not end\n%s", follower, describe(bus))
	}
	if d.Err != nil {
		return d
	}
	ctx, cancel := patiently(t)
	defer cancel()
	if err := commit(ctx, bus, follower); err != nil {
		t.Fatalf("step %q: the turn does not commit: %v\n%s", follower, err, describe(bus))
	}
	f, _ := statusOf(bus, follower)
	if f.Cursor <= d.last(f.Log) { // refused at its end: a remembered error, a timeout
		d.Err = f.LastError
	}
	return d
}

// awaitTurn waits until a turn stands at the gate; otherwise it tells why none
// will.
func (s *station) awaitTurn(bus *retinue.Bus) (why string) {
	var f retinue.FollowerStatus
	arrived := until(func() bool {
		if s.atGate() {
			return true
		}
		var known bool
		if f, known = statusOf(bus, s.name); !known {
			why = "there is no such follower"
		} else if f.State != "backing off" && resting(f) && !s.atGate() {
			why = fmt.Sprintf("there is no turn to take: the follower is %s", f.State)
		}
		return why != ""
	}, func() time.Duration { return untilRetry(f) })
	if !arrived {
		why = "no turn begins"
	}
	return why
}

// untilRetry is how long a follower still waits, 0 where it does not.
func untilRetry(f retinue.FollowerStatus) time.Duration {
	if f.State != "backing off" {
		return 0
	}
	return max(time.Until(f.RetryAt), 0)
}

func (s *station) atGate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// over waits until the turn after the first finished ones has ended and what
// follows from it is done.
func (s *station) over(bus *retinue.Bus, finished int) (d Delivery, ok bool) {
	ok = until(func() bool {
		f, _ := statusOf(bus, s.name)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.ended) == finished {
			return false
		}
		d = s.ended[len(s.ended)-1]
		return s.waiting || resting(f)
	}, nil)
	return d, ok
}

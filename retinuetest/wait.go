package retinuetest

import (
	"context"
	"fmt"
	"strings"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// How long the kit waits for what does not come: in a bubble, and outside.
const (
	patience     = 10 * time.Minute
	realPatience = 30 * time.Second
)

// settle waits until nothing in the bubble can go on before time passes, and
// reports whether there is a bubble; where there is none it does nothing.
func settle() (bubble bool) {
	defer func() {
		if p := recover(); p != nil && !strings.Contains(fmt.Sprint(p), "not in a bubble") {
			panic(p)
		}
	}()
	synctest.Wait()
	return true
}

// until waits for done, which is asked when all has settled; false: it is in
// vain. pause tells how long to wait before it is asked again, 0 leaves that
// to until; nil always does.
func until(done func() bool, pause func() time.Duration) bool {
	limit, longest := realPatience, 5*time.Millisecond
	if settle() {
		limit, longest = patience, time.Second
	}
	deadline := time.Now().Add(limit)
	for usual := time.Millisecond; !done(); usual = min(2*usual, longest) {
		if !time.Now().Before(deadline) {
			return false
		}
		d := usual
		if pause != nil && pause() > 0 {
			d = pause()
		}
		time.Sleep(d)
		settle()
	}
	return true
}

// patiently is a context that ends when the kit loses its patience.
func patiently(t TB) (context.Context, context.CancelFunc) {
	limit := realPatience
	if settle() {
		limit = patience
	}
	return context.WithTimeout(t.Context(), limit)
}

// Await waits until the follower has reacted to the entries at a position,
// durably and through retries. It fails the test, with the follower's status,
// where that does not happen.
func Await(t TB, bus *retinue.Bus, follower string, at messages.Position) {
	t.Helper()
	ctx, cancel := patiently(t)
	defer cancel()
	if err := bus.Await(ctx, follower, at); err != nil {
		t.Fatalf("await %q: %v\n%s", follower, err, describe(bus))
	}
}

// RunUntilIdle waits until nothing is left to do before time passes or the log
// grows: every follower has caught up, is paused, is parked, or waits out a
// backoff. One that is kept by [Hold] or by a fault counts as idle too. A
// reaction that sleeps is waited for. It fails the test, with the status of
// all followers, where they do not come to rest.
func RunUntilIdle(t TB, bus *retinue.Bus) {
	t.Helper()
	if !until(func() bool { return idle(bus) }, nil) {
		t.Fatalf("the followers do not come to rest\n%s", describe(bus))
	}
}

// idle asks twice: a follower that was seen running may have appended what
// another, seen idle before, has to read.
func idle(bus *retinue.Bus) bool {
	first, ok := atRest(bus)
	if !ok {
		return false
	}
	second, ok := atRest(bus)
	return ok && first == second
}

func atRest(bus *retinue.Bus) (heads [2]uint64, ok bool) {
	k := find(bus)
	s := bus.Status()
	for _, f := range s.Followers {
		if !resting(f) && !k.kept(f.Name) {
			return heads, false
		}
	}
	return [2]uint64{s.Permanent.Head, s.Trimmable.Head}, true
}

// resting reports whether a follower waits for time or for the log. One that
// was just started is called idle before its first run.
func resting(f retinue.FollowerStatus) bool {
	switch f.State {
	case "idle":
		return f.CaughtUp
	case "paused", "parked", "backing off", "not followed":
		return true
	}
	return false
}

// StatusOf returns the status of one follower; it fails the test where there
// is none of that name.
func StatusOf(t TB, bus *retinue.Bus, follower string) retinue.FollowerStatus {
	t.Helper()
	f, ok := statusOf(bus, follower)
	if !ok {
		t.Fatalf("there is no follower %q\n%s", follower, describe(bus))
	}
	return f
}

func statusOf(bus *retinue.Bus, follower string) (retinue.FollowerStatus, bool) {
	for _, f := range bus.Status().Followers {
		if f.Name == follower {
			return f, true
		}
	}
	return retinue.FollowerStatus{}, false
}

// describe tells how all followers fare, one a line.
func describe(bus *retinue.Bus) string {
	s := bus.Status()
	k := find(bus)
	var b strings.Builder
	if s.Failed != nil {
		fmt.Fprintf(&b, "the bus: %v\n", s.Failed)
	}
	if len(s.Followers) == 0 {
		b.WriteString("there are no followers\n")
	}
	for _, f := range s.Followers {
		fmt.Fprintf(&b, "%q: %s (%s), cursor %d of %d in the %v log", f.Name, f.State, f.Why, f.Cursor, f.Head, f.Log)
		if f.Failures > 0 {
			fmt.Fprintf(&b, ", %d failures, the last at entry %d: %v", f.Failures, f.LastEntry, f.LastError)
		}
		if k.kept(f.Name) {
			b.WriteString(", kept by the test: Step or Release it")
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

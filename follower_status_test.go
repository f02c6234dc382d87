package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/retinuetest"
)

func TestStatusTellsHowAFollowerFares(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		reached(t, bus, "f", putTexts(t, bus, "a"))
		synctest.Wait()
		s := statusOf(t, bus, "f")
		if s.State != "idle" || s.Lag != 0 || s.LagTime != 0 || !s.CaughtUp || s.Handled != 1 || s.Cursor != 2 || s.Head != 2 {
			t.Errorf("status = %+v, want idle", s)
		}
		putTexts(t, bus, "bad", "b")
		time.Sleep(200 * time.Millisecond)
		before := time.Now()
		time.Sleep(9 * time.Second)
		s = statusOf(t, bus, "f")
		if s.State != "backing off" || s.Why == "" || s.Cursor != 2 || s.Lag != 2 || s.Head != 4 {
			t.Errorf("status = %+v, want backing off before entry 2", s)
		}
		if s.LagTime < 9*time.Second || s.LagTime > 10*time.Second {
			t.Errorf("lag time = %v, want that of entry 2", s.LagTime)
		}
		if s.Attempts < 5 || s.Failures != s.Attempts || s.Restarts != s.Attempts-1 {
			t.Errorf("attempts %d, failures %d, restarts %d", s.Attempts, s.Failures, s.Restarts)
		}
		if !errors.Is(s.LastError, errRefused) || s.LastEntry != 2 || s.LastType.Kind != "note" || s.LastTime.Before(before) {
			t.Errorf("last error = %v at %d (%v) %v", s.LastError, s.LastEntry, s.LastType, s.LastTime)
		}
		if !s.RetryAt.After(time.Now()) {
			t.Errorf("retry at %v, now is %v", s.RetryAt, time.Now())
		}
	})
}

func TestStatusShowsTheTreeOfActors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, &retinue.Options{Name: "tree"})
		var j journal
		for _, f := range []followers.Follower{
			noting("typed", &j), noting("gone", &j), noting("paused", &j), refusing("waiting", followers.Poison{}),
			raw("raw", func(rawContext, *followers.Deliver) error { return nil }),
		} {
			retinuetest.Follow(t, bus, f)
		}
		if err := errors.Join(bus.Unfollow(t.Context(), "gone"), bus.Pause(t.Context(), "paused")); err != nil {
			t.Fatal(err)
		}
		retinuetest.Append(t, bus, note{"bad"})
		retinuetest.RunUntilIdle(t, bus)
		retinuetest.WantTree(t, bus, `
			retinue-tree #1 running
			├─ writer #1 running
			├─ trimmer #1 running
			└─ followers #1 running
			   ├─ paused #1 paused
			   │  └─ host #1 paused
			   ├─ raw #1 idle
			   │  └─ host #1 idle
			   │     └─ actor #1 idle
			   ├─ typed #1 idle
			   │  └─ host #1 idle
			   └─ waiting #1 backing off
		`)
	})
}

func TestStatusRightAfterFollowIsNotABackoff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		for i := range 50 {
			name := fmt.Sprint(i)
			mustFollow(t, bus, noting(name, &j))
			if s := statusOf(t, bus, name); s.State == "backing off" {
				t.Fatalf("state = %s: %s", s.State, s.Why)
			}
		}
	})
}

// A follower that is followed anew has neither failed nor caught up.
func TestAFollowerThatIsFollowedAgainWasNotRestarted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, noting("f", &j))
		reached(t, bus, "f", putTexts(t, bus, "a"))
		synctest.Wait()
		if s := statusOf(t, bus, "f"); !s.CaughtUp {
			t.Fatal("not caught up, the test needs it")
		}
		if err := bus.Unfollow(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		putTexts(t, bus, "b")
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
			<-turn.Context().Done()
			return turn.Context().Err()
		}})
		synctest.Wait()
		if s := statusOf(t, bus, "f"); s.CaughtUp || s.Restarts != 0 {
			t.Errorf("caught up %v, %d restarts, want neither", s.CaughtUp, s.Restarts)
		}
	})
}

// atFailure calls itself where a follower's failure is logged.
type atFailure func()

func (atFailure) Enabled(context.Context, slog.Level) bool { return true }

func (f atFailure) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "follower failed" {
		f()
	}
	return nil
}

func (f atFailure) WithAttrs([]slog.Attr) slog.Handler { return f }

func (f atFailure) WithGroup(string) slog.Handler { return f }

// Who waits until a follower is idle counts its failures then.
func TestAFollowerIsNotIdleBeforeItsFailureIsLogged(t *testing.T) {
	var bus *retinue.Bus
	states := make(chan string, 1)
	opts := inMemory()
	opts.Logger = slog.New(atFailure(func() { states <- string(bus.Status().Followers[0].State) }))
	bus = openBus(t, opts)
	mustFollow(t, bus, refusing("f", followers.Poison{Action: followers.Park, After: 1}))
	putTexts(t, bus, "bad")
	if s := <-states; s != "running" {
		t.Errorf("state = %q where the failure is logged, want running", s)
	}
}

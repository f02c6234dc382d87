package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// blocking is a follower whose reaction waits for its context, and then for
// release, before it returns the context's error.
func blocking(name string, j *journal, release <-chan struct{}) followers.Follower {
	return followers.Follower{Name: name, Every: func(t *followers.Turn) error {
		j.add("in %d attempt %d", t.Entry().ID, t.Attempt())
		if err := t.Set([]byte("k"), []byte("v")); err != nil {
			return err
		}
		<-t.Context().Done()
		<-release
		j.add("out")
		return t.Context().Err()
	}}
}

func released() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestWhenPauseReturnsNoReactionRuns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		var j journal
		mustFollow(t, bus, blocking("f", &j, released()))
		put(t, bus, note{"a"})
		synctest.Wait()
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		j.want(t, "in 1 attempt 1", "out")
		wantKeys(t, bus, "f")
		put(t, bus, note{"b"})
		time.Sleep(time.Hour)
		j.want(t, "in 1 attempt 1", "out")
		s := statusOf(t, bus, "f")
		if s.State != "paused" || s.Attempts != 0 || s.Failures != 0 || s.Restarts != 0 || s.LastError != nil {
			t.Errorf("status = %+v, want paused without a failure", s)
		}
		closeBus(t, bus)

		bus = openBus(t, opts)
		mustFollow(t, bus, blocking("f", &j, released()))
		time.Sleep(time.Hour)
		j.want(t, "in 1 attempt 1", "out")
		if s := statusOf(t, bus, "f"); s.State != "paused" {
			t.Errorf("state = %s after reopening", s.State)
		}
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		j.want(t, "in 1 attempt 1", "out", "in 1 attempt 1")
		if s := statusOf(t, bus, "f"); s.State != "running" {
			t.Errorf("state = %s after Resume", s.State)
		}
	})
}

func TestPauseOfAReactionThatIgnoresItsContextIsStuck(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		release := make(chan struct{})
		mustFollow(t, bus, blocking("f", &j, release))
		put(t, bus, note{"a"})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := bus.Pause(ctx, "f")
		wantError(t, err, messages.ErrStuck, context.DeadlineExceeded)
		var stuck *messages.StuckError
		if !errors.As(err, &stuck) || fmt.Sprint(stuck.Names) != "[f]" {
			t.Errorf("error = %v, want it to name the follower", err)
		}
		if s := statusOf(t, bus, "f"); s.State != "stuck" || s.Why == "" {
			t.Errorf("state = %s, because %q", s.State, s.Why)
		}
		wantError(t, bus.Await(t.Context(), "f", messages.EventID(1)), messages.ErrPaused)
		close(release)
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		j.want(t, "in 1 attempt 1", "out")
		if s := statusOf(t, bus, "f"); s.State != "paused" {
			t.Errorf("state = %s after the reaction has returned", s.State)
		}
	})
}

// A command that gave up has interrupted the run: it must go on by itself.
func TestAFollowerGoesOnAfterACommandThatGaveUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		release := make(chan struct{})
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
			<-release
			j.add("%v", turn.Context().Err())
			return turn.Context().Err()
		}})
		put(t, bus, note{"a"})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantError(t, bus.Seek(ctx, "f", messages.EventID(1), messages.EventID(2)), messages.ErrStuck)
		wantError(t, bus.Unfollow(ctx, "f"), context.DeadlineExceeded)
		close(release)
		synctest.Wait()
		j.want(t, "context canceled", "<nil>")
		wantCursor(t, bus, "f", 2)
	})
}

func TestSeekComparesAndSets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, noting("f", &j))
		at := putTexts(t, bus, "a", "b", "c")
		reached(t, bus, "f", at)
		for name, c := range map[string]struct {
			expect, to messages.Position
			want       error
		}{
			"cursor elsewhere": {messages.EventID(3), messages.EventID(1), messages.ErrCursorMoved},
			"past the head":    {messages.EventID(4), messages.EventID(5), messages.ErrOutOfRange},
			"other log":        {messages.EventID(4), messages.TrimmableID(1), messages.ErrNotInLog},
			"expect other log": {messages.TrimmableID(4), messages.EventID(1), messages.ErrNotInLog},
			"no place":         {messages.EventID(4), messages.EventID(0), messages.ErrNotInLog},
		} {
			if err := bus.Seek(t.Context(), "f", c.expect, c.to); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		wantError(t, bus.Seek(t.Context(), "nobody", messages.EventID(1), messages.EventID(1)), messages.ErrUnknownFollower)
		wantCursor(t, bus, "f", 4)
		if err := bus.Seek(t.Context(), "f", statusOf(t, bus, "f").Position(), messages.EventID(2)); err != nil {
			t.Fatal(err)
		}
		reached(t, bus, "f", at)
		j.want(t, "a", "b", "c", "b", "c")
	})
}

func TestSeekBelowTheHorizonIsTrimmed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		opts.Trim = retinue.Trim{MinEntries: 1, MinAge: time.Nanosecond, Hold: time.Minute}
		bus := openBus(t, opts)
		var j journal
		f := followers.Follower{Name: "f", Log: messages.TrimmableLog,
			Every: func(t *followers.Turn) error { j.add("%d", t.Entry().TrimmableID); return nil }}
		mustFollow(t, bus, f)
		var at messages.Receipt
		for range 5 {
			at = put(t, bus, hint{"x"})
		}
		reached(t, bus, "f", at)
		time.Sleep(time.Hour)
		if _, err := bus.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		horizon := bus.Status().Trimmable.Horizon
		if horizon < 2 {
			t.Fatalf("horizon = %d, the test needs a trimmed log", horizon)
		}
		err := bus.Seek(t.Context(), "f", messages.TrimmableID(6), messages.TrimmableID(1))
		var trimmed *messages.TrimmedError
		if !errors.As(err, &trimmed) || trimmed.Wanted != 1 || uint64(trimmed.Horizon) != horizon {
			t.Errorf("seek below the horizon: %v", err)
		}
		if err := bus.Seek(t.Context(), "f", messages.TrimmableID(6), messages.TrimmableID(horizon)); err != nil {
			t.Error(err)
		}
	})
}

func TestSeekOverABadEntryGoesOnAndForgetsItsFailures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		put(t, bus, note{"bad"})
		at := put(t, bus, note{"good"})
		time.Sleep(3 * time.Second)
		if s := statusOf(t, bus, "f"); s.Attempts < 3 || s.Failures != s.Attempts {
			t.Errorf("attempts %d, failures %d after three seconds", s.Attempts, s.Failures)
		}
		if err := bus.Seek(t.Context(), "f", messages.EventID(1), messages.EventID(2)); err != nil {
			t.Fatal(err)
		}
		if s := statusOf(t, bus, "f"); s.Attempts != 0 || s.Failures != 0 {
			t.Errorf("attempts %d, failures %d after the seek", s.Attempts, s.Failures)
		}
		reached(t, bus, "f", at)
		wantKeys(t, bus, "f", "good=done")
	})
}

func TestSeekWhileRunningInterruptsTheTurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, blocking("f", &j, released()))
		putTexts(t, bus, "a", "b", "c")
		synctest.Wait()
		if err := bus.Seek(t.Context(), "f", messages.EventID(1), messages.EventID(3)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		j.want(t, "in 1 attempt 1", "out", "in 3 attempt 1")
		wantKeys(t, bus, "f")
	})
}

func TestUnfollowKeepsTheCursorAndTheKeys(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		f := refusing("f", followers.Poison{})
		mustFollow(t, bus, f)
		reached(t, bus, "f", putTexts(t, bus, "a"))
		if err := bus.Unfollow(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if s := statusOf(t, bus, "f"); s.State != "not followed" {
			t.Errorf("state = %s", s.State)
		}
		wantError(t, bus.Unfollow(t.Context(), "f"), messages.ErrUnknownFollower)
		at := putTexts(t, bus, "b")
		synctest.Wait()
		wantKeys(t, bus, "f", "a=done")
		mustFollow(t, bus, f)
		reached(t, bus, "f", at)
		wantKeys(t, bus, "f", "a=done", "b=done")
		if s := statusOf(t, bus, "f"); s.Handled != 2 {
			t.Errorf("handled = %d, want 2", s.Handled)
		}
	})
}

func TestConcurrentUnfollowsAllReturn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		for range 20 {
			mustFollow(t, bus, noting("f", &j))
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if err := bus.Unfollow(t.Context(), "f"); err != nil && !errors.Is(err, messages.ErrUnknownFollower) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
	})
}

func TestForgetDropsCursorKeysAndParkedEntries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		f := refusing("f", followers.Poison{Action: followers.Park, After: 1})
		mustFollow(t, bus, f)
		putTexts(t, bus, "a", "bad")
		at := putTexts(t, bus, "b")
		reached(t, bus, "f", at)
		wantError(t, bus.Forget(t.Context(), "f"), messages.ErrDuplicateFollower)
		if err := bus.Unfollow(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if err := bus.Forget(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		wantError(t, bus.Forget(t.Context(), "f"), messages.ErrUnknownFollower)
		wantError(t, bus.View(func(v *retinue.View) error { _, err := v.Follower("f"); return err }), messages.ErrUnknownFollower)
		closeBus(t, bus)

		bus = openBus(t, opts)
		if n := len(bus.Status().Followers); n != 0 {
			t.Errorf("%d followers are known after Forget", n)
		}
		f.Start = followers.At(messages.EventID(3))
		f.Log = messages.Permanent
		mustFollow(t, bus, f)
		reached(t, bus, "f", at)
		wantKeys(t, bus, "f", "b=done")
		if got := parkedIDs(t, bus, "f"); len(got) != 0 {
			t.Errorf("parked entries %v of the forgotten follower", got)
		}
		if s := statusOf(t, bus, "f"); s.Handled != 1 || s.Parked != 0 || s.Started != "at 3" {
			t.Errorf("status = %+v, want a new follower's", s)
		}
	})
}

func TestAForgottenNameMayFollowTheOtherLog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		f := noting("f", &j)
		mustFollow(t, bus, f)
		if err := errors.Join(bus.Unfollow(t.Context(), "f"), bus.Forget(t.Context(), "f")); err != nil {
			t.Fatal(err)
		}
		f.Log = messages.TrimmableLog
		mustFollow(t, bus, f)
		reached(t, bus, "f", putTexts(t, bus, "a"))
		j.want(t, "a")
	})
}

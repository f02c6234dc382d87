package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// refusing is a follower that fails at every note that says "bad".
func refusing(name string, policy followers.Poison) followers.Follower {
	return followers.Follower{Name: name, Poison: policy, Reactions: []followers.Reaction{
		followers.On(func(t *followers.Turn, n note) error {
			if n.Text == "bad" {
				return errRefused
			}
			return t.Set([]byte(n.Text), []byte("done"))
		}),
	}}
}

// wantFollowerError asks for a [messages.FollowerError] about an entry.
func wantFollowerError(t testing.TB, err error, name string, entry uint64, targets ...error) {
	t.Helper()
	var fault *messages.FollowerError
	if !errors.As(err, &fault) || fault.Follower != name || fault.Entry != entry {
		t.Errorf("error = %v, want one of follower %q at entry %d", err, name, entry)
	}
	wantError(t, err, targets...)
}

func TestAwaitWaitsThroughRetries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(t *followers.Turn) error {
			j.add("%d", t.Attempt())
			if t.Attempt() < 4 {
				return errRefused
			}
			return nil
		}})
		at := putTexts(t, bus, "a")
		before := time.Now()
		reached(t, bus, "f", at)
		if d := time.Since(before); d < 560*time.Millisecond || d > 840*time.Millisecond {
			t.Errorf("await returned after %v, want 0.1 + 0.2 + 0.4 s", d)
		}
		j.want(t, "1", "2", "3", "4")
	})
}

func TestAwaitTellsAtOnceOfASkippedOrParkedEntry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		for name, c := range map[string]struct {
			action followers.Action
			want   error
		}{
			"skips": {followers.Skip, messages.ErrSkipped},
			"parks": {followers.Park, messages.ErrParked},
		} {
			mustFollow(t, bus, refusing(name, followers.Poison{Action: c.action, After: 1}))
			first := put(t, bus, note{"good"})
			bad := put(t, bus, note{"bad"})
			last := put(t, bus, note{"good"})
			wantFollowerError(t, bus.Await(t.Context(), name, bad), name, uint64(bad.FirstEvent), c.want)
			reached(t, bus, name, first)
			reached(t, bus, name, last)
			if err := bus.CaughtUp(t.Context(), name); err != nil {
				t.Errorf("caught up: %v", err)
			}
			mixed := put(t, bus, note{"good"}, note{"bad"}, note{"good"})
			wantFollowerError(t, bus.Await(t.Context(), name, mixed), name, uint64(mixed.FirstEvent)+1, c.want)
		}
	})
}

func TestAwaitOfAFollowerThatDoesNotRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		f := refusing("f", followers.Poison{})
		f.Restart = followers.Restart{Budget: 1}
		mustFollow(t, bus, f)
		passed := put(t, bus, note{"good"})
		reached(t, bus, "f", passed)
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		at := put(t, bus, note{"bad"})
		wantFollowerError(t, bus.Await(t.Context(), "f", at), "f", 0, messages.ErrPaused)
		reached(t, bus, "f", passed)
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		wantFollowerError(t, bus.Await(t.Context(), "f", at), "f", 0, messages.ErrParked, errRefused)
		wantFollowerError(t, bus.Await(t.Context(), "f", at), "f", 0, messages.ErrParked, errRefused)
		closeBus(t, bus)

		bus = openBus(t, opts)
		wantFollowerError(t, bus.Await(t.Context(), "f", at), "f", 0, messages.ErrUnknownFollower)
		reached(t, bus, "f", passed)
		mustFollow(t, bus, f)
		err := bus.Await(t.Context(), "f", at)
		wantFollowerError(t, err, "f", 0, messages.ErrParked)
		wantFollowerError(t, bus.Await(t.Context(), "nobody", at), "nobody", 0, messages.ErrUnknownFollower)
	})
}

func TestAwaitIsAnsweredWhenTheFollowerIsPausedOrUnfollowedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		at := put(t, bus, note{"bad"})
		awaited := make(chan error, 1)
		await := func() { awaited <- bus.Await(t.Context(), "f", at) }
		go await()
		synctest.Wait()
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		wantError(t, <-awaited, messages.ErrPaused)
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		go await()
		synctest.Wait()
		if err := bus.Unfollow(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		wantError(t, <-awaited, messages.ErrUnknownFollower)
	})
}

func TestAwaitIsAnsweredWhenTheBusCloses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		at := put(t, bus, note{"bad"})
		awaited := make(chan error, 1)
		go func() { awaited <- bus.Await(t.Context(), "f", at) }()
		synctest.Wait()
		closeBus(t, bus)
		wantError(t, <-awaited, messages.ErrClosed)
	})
}

func TestAwaitOfAPositionOfTheOtherLogIsNotInLog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		trimmable := put(t, bus, hint{"a"})
		for _, at := range []messages.Position{trimmable, messages.TrimmableID(1), messages.EventID(0), nil} {
			wantError(t, bus.Await(t.Context(), "f", at), messages.ErrNotInLog)
		}
	})
}

func TestAwaitJoinsItsContextsErrorWithTheLastFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		at := put(t, bus, note{"bad"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := bus.Await(ctx, "f", at)
		wantError(t, err, context.DeadlineExceeded, errRefused)
		var fault *messages.FollowerError
		if !errors.As(err, &fault) || fault.Entry != 1 || fault.Type.Kind != "note" {
			t.Errorf("error = %v, want the entry and its type", err)
		}
	})
}

func TestAwaitedReactionsAreOnDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: fs})
		mustFollow(t, bus, refusing("f", followers.Poison{Action: followers.Park, After: 1}))
		for i := range 5 {
			name := fmt.Sprint(i)
			reached(t, bus, "f", put(t, bus, note{name}))
			cut := openBus(t, &retinue.Options{FS: powerCut(fs)})
			wantCursor(t, cut, "f", uint64(i)+2)
			if got := followerKeys(t, cut, "f"); len(got) != i+1 {
				t.Errorf("keys after a power cut = %q, want %d", got, i+1)
			}
			closeBus(t, cut)
		}
	})
}

// The reaction has run and its commit is applied, not yet synced, when Await
// comes: it asks for the sync.
func TestAwaitOfAReactionThatRanLongAgoIsOnDiskToo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: fs})
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		at := put(t, bus, note{"a"})
		synctest.Wait()
		wantCursor(t, bus, "f", 2)
		before := time.Now()
		reached(t, bus, "f", at)
		if d := time.Since(before); d != 0 {
			t.Errorf("await took %v", d)
		}
		cut := openBus(t, &retinue.Options{FS: powerCut(fs)})
		wantCursor(t, cut, "f", 2)
		wantKeys(t, cut, "f", "a=done")
		closeBus(t, cut)
		time.Sleep(time.Hour)
		reached(t, bus, "f", at)
		reached(t, bus, "f", messages.EventID(1))
	})
}

func TestAwaitOfSeveralEventsWaitsForTheLast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		at := put(t, bus, note{"a"}, hint{"-"}, note{"b"}, note{"c"})
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		reached(t, bus, "f", at)
		wantKeys(t, bus, "f", "a=done", "b=done", "c=done")
	})
}

func TestCaughtUpWaitsForAllFollowers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		if err := bus.CaughtUp(t.Context()); err != nil {
			t.Error(err)
		}
		slow := func(name string, d time.Duration) followers.Follower {
			return followers.Follower{Name: name, Every: func(*followers.Turn) error { time.Sleep(d); return nil }}
		}
		mustFollow(t, bus, slow("one", time.Second))
		mustFollow(t, bus, slow("three", 3*time.Second))
		if err := bus.CaughtUp(t.Context(), "one", "three"); err != nil {
			t.Errorf("of an empty log: %v", err)
		}
		putTexts(t, bus, "a", "b")
		before := time.Now()
		if err := bus.CaughtUp(t.Context(), "one", "three"); err != nil {
			t.Error(err)
		}
		if d := time.Since(before); d != 6*time.Second {
			t.Errorf("it took %v, want the slowest's 6 s", d)
		}
		wantError(t, bus.CaughtUp(t.Context(), "one", "nobody"), messages.ErrUnknownFollower)
	})
}

func TestCallsThatWouldWaitForThemselvesAreRefusedInsideAReaction(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		ctx := t.Context()
		calls := []struct {
			name string
			call func() error
		}{
			{"Await", func() error { return bus.Await(ctx, "f", messages.EventID(1)) }},
			{"CaughtUp", func() error { return bus.CaughtUp(ctx, "f") }},
			{"Pause", func() error { return bus.Pause(ctx, "f") }},
			{"Resume", func() error { return bus.Resume(ctx, "f") }},
			{"Seek", func() error { return bus.Seek(ctx, "f", messages.EventID(1), messages.EventID(1)) }},
			{"Unfollow", func() error { return bus.Unfollow(ctx, "f") }},
			{"Replay", func() error { return replay(ctx, bus, "f", messages.EventID(1)) }},
			{"Drop", func() error { return bus.Drop(ctx, "f", messages.EventID(1)) }},
			{"Close", func() error { return bus.Close() }},
		}
		inside := make(chan error, len(calls))
		tryAll := func(*followers.Turn) error {
			for _, c := range calls {
				inside <- c.call()
			}
			return nil
		}
		want := func() {
			t.Helper()
			for _, c := range calls {
				if err := <-inside; !errors.Is(err, messages.ErrReentrant) {
					t.Errorf("%s = %v, want %v", c.name, err, messages.ErrReentrant)
				}
			}
		}
		put(t, bus, note{"a"})
		mustFollow(t, bus, followers.Follower{Name: "f", Every: tryAll})
		want()
		mustFollow(t, bus, followers.Follower{Name: "batch", Batch: func(turn *followers.Turn, _ []messages.Entry) error {
			return tryAll(turn)
		}})
		want()
		mustFollow(t, bus, raw("raw", func(_ rawContext, d *followers.Deliver) error { return tryAll(d.Turn) }))
		want()
	})
}

func TestAReactionMayAppendAndReadThroughTheBus(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, followers.Follower{Name: "f", Reactions: []followers.Reaction{
			followers.On(func(turn *followers.Turn, n note) error {
				if n.Text != "a" {
					return nil
				}
				_, err := bus.Append(turn.Context(), note{"b"})
				return errors.Join(err, bus.View(func(*retinue.View) error { return nil }))
			})}})
		put(t, bus, note{"a"})
		reached(t, bus, "f", messages.EventID(2))
	})
}

// Who is there while a Seek jumps over an entry hears that nothing reacted to
// it; who waits for what is behind, or for the cursor alone, waits on.
func TestAwaitIsToldOfASeekThatJumpsOverItsEntry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		blocked := make(chan struct{})
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
			select {
			case <-blocked:
				return nil
			case <-turn.Context().Done():
				return turn.Context().Err()
			}
		}})
		putTexts(t, bus, "a", "b", "c")
		await := func(f func() error) chan error {
			done := make(chan error, 1)
			go func() { done <- f() }()
			return done
		}
		at := func(id messages.EventID) func() error {
			return func() error { return bus.Await(t.Context(), "f", id) }
		}
		first, second, third := await(at(1)), await(at(2)), await(at(3))
		caught := await(func() error { return bus.CaughtUp(t.Context(), "f") })
		synctest.Wait()
		if err := bus.Seek(t.Context(), "f", messages.EventID(1), messages.EventID(3)); err != nil {
			t.Fatal(err)
		}
		for _, done := range []chan error{first, second} {
			wantFollowerError(t, <-done, "f", 0, messages.ErrSkipped)
		}
		close(blocked)
		for _, done := range []chan error{third, caught} {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		reached(t, bus, "f", messages.EventID(2)) // the follower is past it
	})
}

func TestAwaitTellsWhyAFollowerWasParkedAlsoAfterReopening(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		f := followers.Follower{Name: "f", Restart: followers.Restart{Budget: 1},
			Every: func(*followers.Turn) error { return errRefused }}
		mustFollow(t, bus, f)
		at := putTexts(t, bus, "a")
		wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked, errRefused)
		closeBus(t, bus)

		bus = openBus(t, opts)
		mustFollow(t, bus, f)
		err := bus.Await(t.Context(), "f", at)
		wantError(t, err, messages.ErrParked)
		if !strings.Contains(err.Error(), errRefused.Error()) {
			t.Errorf("error = %v, want it to say %q", err, errRefused)
		}
	})
}

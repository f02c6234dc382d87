package retinuetest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

func TestReopenKeepsAllAndFollowsAgain(t *testing.T) {
	eachForm(t, func(t *testing.T, f followers.Follower, j *journal) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Turn: 3})
		retinuetest.Follow(t, bus, f)
		retinuetest.Append(t, bus, paid{1})
		retinuetest.RunUntilIdle(t, bus)
		retinuetest.Hold(t, bus, "f")
		before := bus
		bus = retinuetest.Reopen(t, bus)
		if c := retinuetest.StatusOf(t, bus, "f").Cursor; c != 2 {
			t.Errorf("cursor = %d, want 2: what was not synced is on disk too", c)
		}
		if _, err := before.Append(t.Context(), paid{2}); !errors.Is(err, messages.ErrClosed) {
			t.Errorf("append to the old bus = %v, want ErrClosed", err)
		}
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.Reopen(t, before) }), "the one before Crash or Reopen")
		retinuetest.Append(t, bus, paid{2}, paid{3})
		retinuetest.RunUntilIdle(t, bus)
		j.want(t, "1")
		retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "f", Times: 1, Reason: retinuetest.ErrInjected}, func() {
			retinuetest.Release(t, bus, "f")
			retinuetest.RunUntilIdle(t, bus)
			retinuetest.Append(t, bus, paid{4}) // a batch follower's third turn
		})
		retinuetest.Await(t, bus, "f", messages.EventID(4))
		j.want(t, "1 2 3 4")
	})
}

func TestReopenSaysWhyItDoesNot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		begun, release := make(chan struct{}), make(chan struct{})
		retinuetest.Follow(t, bus, followers.Follower{Name: "f", Every: func(*followers.Turn) error {
			close(begun)
			<-release
			return nil
		}})
		retinuetest.Append(t, bus, paid{1})
		<-begun
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.Reopen(t, bus) }), "reopen: close:", `does not return: ["f"]`)
		close(release)
	})
}

func TestTurnsTellsWhatAFollowerWasGiven(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		f := refusing("f")
		f.Poison = followers.Poison{Action: followers.Park, After: 2}
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Turn: 1, Do: retinuetest.Panic})
		retinuetest.Follow(t, bus, f)
		start := time.Now()
		retinuetest.Append(t, bus, paid{1})
		time.Sleep(time.Minute) // what the second attempt left is on disk within a second
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
		if _, err := bus.Replay(t.Context(), "f", retinue.Replay{All: true}); !errors.Is(err, errRefused) {
			t.Errorf("replay = %v", err)
		}
		turns := retinuetest.Turns(t, bus, "f")
		if len(turns) < 3 {
			t.Fatalf("turns = %+v, want two attempts and a replay", turns)
		}
		first, last := turns[0], turns[len(turns)-1]
		if first.Turn != 1 || first.Attempt != 1 || !first.Begun.Equal(start) || first.Entries[0].ID != 1 ||
			!errors.As(first.Err, new(*messages.PanicError)) {
			t.Errorf("first = %+v", first)
		}
		if last.Attempt != 3 || !errors.Is(last.Err, errRefused) {
			t.Errorf("last = %+v, want the replay", last)
		}
		if got := retinuetest.Failures(t, bus)[0].Time; !got.Equal(start) {
			t.Errorf("the first failure was noticed at %v, want %v", got, start)
		}
		if none := retinuetest.Turns(t, bus, "nobody"); len(none) != 0 {
			t.Errorf("turns of nobody = %+v", none)
		}
	})
}

func TestHealEndsWhatWasPlanned(t *testing.T) {
	for _, do := range []retinuetest.Do{retinuetest.Fail, retinuetest.Stall, retinuetest.Hang} {
		eachForm(t, func(t *testing.T, f followers.Follower, j *journal) {
			bus := retinuetest.Open(t, nil)
			retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Times: 100, Do: do})
			retinuetest.Follow(t, bus, f)
			at := retinuetest.Append(t, bus, paid{1})
			retinuetest.RunUntilIdle(t, bus)
			j.want(t, "")
			retinuetest.Heal(t, bus, "f")
			retinuetest.Await(t, bus, "f", at)
			j.want(t, "1")
		})
	}
}

func TestRunUntilIdleTakesPausedAndParkedForIdle(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		parked := refusing("parked")
		parked.Restart.Budget = 1
		for _, f := range []followers.Follower{noting("paused", &j), parked, noting("gone", &j)} {
			retinuetest.Follow(t, bus, f)
		}
		if err := errors.Join(bus.Pause(t.Context(), "paused"), bus.Unfollow(t.Context(), "gone")); err != nil {
			t.Fatal(err)
		}
		retinuetest.Append(t, bus, paid{1})
		time.Sleep(time.Minute)
		start := time.Now()
		retinuetest.RunUntilIdle(t, bus)
		if d := time.Since(start); d != 0 {
			t.Errorf("it took %v", d)
		}
		for name, want := range map[string]string{"paused": "paused", "parked": "parked", "gone": "not followed"} {
			if s := retinuetest.StatusOf(t, bus, name); string(s.State) != want || s.Lag != 1 {
				t.Errorf("status = %+v, want %q and a lag of 1", s, want)
			}
		}
		j.want(t, "")
	})
}

package retinue_test

import (
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// The first failure of a parked entry is that of its first attempt, which
// other incarnations and another process have made.
func TestAParkedEntryTellsWhenItsFirstAttemptFailed(t *testing.T) {
	for name, again := range map[string]func(retinuetest.TB, *retinue.Bus) *retinue.Bus{
		"closed": retinuetest.Reopen,
		"power cut": func(t retinuetest.TB, bus *retinue.Bus) *retinue.Bus {
			return retinuetest.Crash(t, bus, retinuetest.Cut{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				f := refusing("f", followers.Poison{Action: followers.Park, After: 2})
				f.Restart = followers.Restart{Initial: time.Hour, Max: time.Hour}
				retinuetest.Hold(t, bus, "f")
				retinuetest.Follow(t, bus, f)
				first := time.Now().UTC()
				at := putTexts(t, bus, "bad")
				retinuetest.Step(t, bus, "f")
				time.Sleep(time.Minute)
				if s := retinuetest.StatusOf(t, bus, "f"); s.Attempts != 1 {
					t.Fatalf("%d attempts, the test needs one", s.Attempts)
				}

				bus = again(t, bus)
				time.Sleep(time.Minute)
				last := time.Now().UTC()
				retinuetest.Step(t, bus, "f")
				wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)
				wantTimes(t, bus, 2, first, last)

				retinuetest.Release(t, bus, "f")
				time.Sleep(time.Minute)
				wantError(t, replay(t.Context(), bus, "f", at), errRefused)
				wantTimes(t, bus, 3, first, time.Now().UTC())
			})
		})
	}
}

// Another entry's attempts have a first of their own.
func TestTheFirstFailureIsTheEntrysOwn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		f := refusing("f", followers.Poison{Action: followers.Park, After: 2})
		f.Restart = followers.Restart{Initial: time.Minute}
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f"})
		retinuetest.Follow(t, bus, f)
		retinuetest.Await(t, bus, "f", putTexts(t, bus, "fails once"))
		time.Sleep(5 * time.Minute)
		first := time.Now().UTC()
		wantError(t, bus.Await(t.Context(), "f", putTexts(t, bus, "bad")), messages.ErrParked)
		wantTimes(t, bus, 2, first, time.Now().UTC())
	})
}

// wantTimes compares what the one parked entry of "f" tells of its attempts.
func wantTimes(t *testing.T, bus *retinue.Bus, attempts int, first, last time.Time) {
	t.Helper()
	n := 0
	for p, err := range bus.Parked("f") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if p.Attempts != attempts || !p.First.Equal(first) || !p.Last.Equal(last) {
			t.Errorf("%d attempts, first %v, last %v; want %d, %v, %v", p.Attempts, p.First, p.Last, attempts, first, last)
		}
	}
	if n != 1 {
		t.Errorf("%d entries are parked, want 1", n)
	}
}

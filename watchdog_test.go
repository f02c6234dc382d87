package retinue_test

import (
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
)

// watched returns options whose stalls go to a list.
func watched(stalls *[]retinue.FollowerStatus) *retinue.Options {
	opts := inMemory()
	opts.StallAfter = 10 * time.Minute
	opts.OnStall = func(f retinue.FollowerStatus) { *stalls = append(*stalls, f) }
	return opts
}

func TestAFollowerThatDoesNotMoveIsReportedOncePerStall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var stalls []retinue.FollowerStatus
		bus := openBus(t, watched(&stalls))
		healthy := false
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(*followers.Turn) error {
			if healthy {
				return nil
			}
			return errRefused
		}})
		for round := 1; round <= 2; round++ {
			healthy = false
			at := put(t, bus, note{"a"})
			time.Sleep(time.Hour)
			if len(stalls) != round || stalls[round-1].Name != "f" || stalls[round-1].Lag != 1 || !stalls[round-1].Stalled {
				t.Fatalf("round %d: stalls %+v, want one more of f with a lag of 1", round, stalls)
			}
			if f := bus.Status().Followers[0]; !f.Stalled {
				t.Errorf("round %d: status %+v is not stalled", round, f)
			}
			healthy = true
			if err := bus.Await(t.Context(), "f", at); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			if f := bus.Status().Followers[0]; f.Stalled {
				t.Errorf("round %d: status %+v is stalled after it moved on", round, f)
			}
		}
	})
}

func TestAFollowerThatRestsIsNotStalled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var stalls []retinue.FollowerStatus
		bus := openBus(t, watched(&stalls))
		for _, name := range []string{"idle", "paused"} {
			mustFollow(t, bus, followers.Follower{Name: name, Every: func(*followers.Turn) error { return nil }})
		}
		if err := bus.Pause(t.Context(), "paused"); err != nil {
			t.Fatal(err)
		}
		if err := bus.Await(t.Context(), "idle", put(t, bus, note{"a"})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if len(stalls) > 0 {
			t.Errorf("stalls %+v, want none: one has nothing to read, one is paused", stalls)
		}
	})
}

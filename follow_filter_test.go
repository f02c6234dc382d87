package retinue_test

import (
	"sync/atomic"
	"testing"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestAttemptsOfAnEntryThatAFilterNowLeavesOutAreNotTheNextOnes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		put(t, bus, note{"a"})
		at := put(t, bus, hint{"b"})
		var j journal
		var attempts atomic.Int32
		f := followers.Follower{Name: "f", Log: messages.TrimmableLog, Poison: followers.Poison{Action: followers.Skip, After: 4},
			Every: func(turn *followers.Turn) error {
				j.add("%d attempt %d", turn.Entry().TrimmableID, turn.Attempt())
				if attempts.Add(1); attempts.Load() == 5 {
					return nil
				}
				return errRefused
			}}
		f.Restart.Budget = 2
		mustFollow(t, bus, f)
		wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)
		if err := bus.Unfollow(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		f.Filter = messages.Filter{Kinds: []string{"hint"}}
		mustFollow(t, bus, f)
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if err := bus.Await(t.Context(), "f", at); err != nil {
			t.Errorf("after %v: %v", j.all(), err)
		}
		j.want(t, "1 attempt 1", "1 attempt 2", "1 attempt 3", "2 attempt 1", "2 attempt 2")
	})
}

package retinue_test

import (
	"testing"
	"testing/synctest"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestAwaitIsToldOfAJumpToTheHorizonOverItsEntry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := openTrimming(t, retinue.Trim{MinEntries: 1, MinAge: -1, Hold: day})
		let := make(chan struct{})
		mustFollow(t, b.Bus, followers.Follower{Name: "f", Log: messages.TrimmableLog, Trimmed: followers.Jump,
			Every: func(turn *followers.Turn) error {
				if turn.Entry().TrimmableID == 1 {
					<-let
				}
				return nil
			}})
		b.fill(t, 1)
		synctest.Wait() // its page ends here
		b.fill(t, 5)
		b.clock.Advance(2 * day)
		b.wantPass(t, retinue.Trimmed{Entries: 5, Horizon: 6})
		told := make(map[messages.TrimmableID]chan error)
		for id := messages.TrimmableID(1); id <= 6; id++ {
			told[id] = make(chan error, 1)
			answer := told[id]
			go func() { answer <- b.Await(t.Context(), "f", id) }()
		}
		synctest.Wait()
		close(let)
		for id, err := range told {
			if err := <-err; id == 1 || id == 6 {
				if err != nil {
					t.Errorf("entry %d, which was reacted to: %v", id, err)
				}
			} else {
				wantError(t, err, messages.ErrSkipped, messages.ErrTrimmed)
			}
		}
	})
}

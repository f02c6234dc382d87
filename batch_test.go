package retinue_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// A handler that sorts, or clears, what it was given has moved nothing but
// its own slice.
func TestABatchHandlerMayReorderItsEntries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		put(t, bus, note{"1"}, note{"2"}, note{"3"}, note{"4"})
		broken := true
		mustFollow(t, bus, followers.Follower{Name: "f", Batch: func(turn *followers.Turn, entries []messages.Entry) error {
			j.add("%d-%d", entries[0].ID, entries[len(entries)-1].ID)
			slices.Reverse(entries)
			if broken {
				broken = false
				return errors.New("the first whole batch fails")
			}
			if last := turn.Entry().ID; last != entries[0].ID {
				t.Errorf("the turn's entry is %v, want the last, %v", last, entries[0].ID)
			}
			clear(entries)
			return nil
		}})
		reached(t, bus, "f", messages.EventID(4))
		j.want(t, "1-4", "1-2", "3-4")
	})
}

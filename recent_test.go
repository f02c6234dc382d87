package retinue_test

import (
	"slices"
	"testing"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// Blocks of ids are passed over in memory by the types that they hold: no
// entry of a rare kind may be, wherever in a block it stands, and whatever part
// of its block was there before the store was opened.
func TestARareKindIsFoundInFewBlocksOfWhatWasNotFlushed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		rare := []messages.EventID{7, 1100, 2048, 6143, 9999, 10_240, 16_383}
		head := messages.EventID(1)
		fill := func(to messages.EventID) {
			for head < to {
				var events []messages.Event
				for id := head; id < min(head+300, to); id++ {
					if slices.Contains(rare, id) {
						events = append(events, remark{"rare"})
					} else {
						events = append(events, note{"often"})
					}
				}
				head = put(t, bus, events...).NextEvent
			}
		}
		fill(1400)
		closeBus(t, bus)
		bus = openBus(t, opts)
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "f", Reactions: []followers.Reaction{
			followers.On(func(turn *followers.Turn, _ remark) error { j.add("%d", turn.Entry().ID); return nil }),
		}})
		fill(16_500)
		reached(t, bus, "f", messages.EventID(16_499))
		j.want(t, "7", "1100", "2048", "6143", "9999", "10240", "16383")

		find := func(from, to messages.EventID) (found []messages.EventID, looked uint64) {
			var stats retinue.ReadStats
			query := retinue.Query{From: from, To: to, Filter: messages.Filter{Kinds: []string{"remark"}}, Stats: &stats}
			for e, err := range bus.Entries(t.Context(), query) {
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, e.ID)
			}
			return found, stats.Entries
		}
		bounds := []messages.EventID{1, 7, 8, 1100, 1101, 1399, 1400, 2047, 2048, 2049, 4096, 6143, 6144, 9999, 10_000, 16_383, 16_384, 16_500}
		for i, from := range bounds {
			for _, to := range bounds[i+1:] {
				var want []messages.EventID
				for _, id := range rare {
					if from <= id && id < to {
						want = append(want, id)
					}
				}
				if found, _ := find(from, to); !slices.Equal(found, want) {
					t.Errorf("[%d, %d): found %v, want %v", from, to, found, want)
				}
			}
		}
		// From 2048 on the blocks of 2048, 6143, 9999, 10240 and 16383, and the
		// last, which is not finished.
		if _, looked := find(2048, 16_500); looked > 5*1024+116 {
			t.Errorf("looked at %d of 14,452 entries, want those of 5 blocks and 116", looked)
		}
	})
}

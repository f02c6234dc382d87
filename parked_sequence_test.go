package retinue_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// byLetter is a sequence key: the text's last byte.
func byLetter(e messages.Entry) string {
	text := strings.TrimSuffix(string(e.Payload), `"}`)
	return text[len(text)-1:]
}

func TestASequenceIsParkedBehindItsFirstAndReplayedInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		var healed atomic.Bool
		f := picky("f", &j, &healed)
		f.Key = byLetter
		retinuetest.Follow(t, bus, f)
		putHints(t, bus, "1 x", "bad x", "1 y", "2 x", "bad y", "3 x", "1 z")
		caughtUp(t, bus, "f")
		j.want(t, "1 x 1", "1 y 1", "1 z 1")
		wantParked(t, bus, "f", 2, 4, 5, 6)
		for p := range bus.Parked("f") {
			behind := p.ID == 4 || p.ID == 6
			if p.Key != map[bool]string{true: "y", false: "x"}[p.ID == 5] || (p.Attempts == 0) != behind || (p.Error == "") != behind {
				t.Errorf("parked = %+v", p)
			}
		}

		bus = retinuetest.Reopen(t, bus)
		putHints(t, bus, "4 x", "2 z")
		caughtUp(t, bus, "f")
		j.want(t, "1 x 1", "1 y 1", "1 z 1", "2 z 1")
		healed.Store(true)
		wantError(t, replay(t.Context(), bus, "f", messages.TrimmableID(4)), messages.ErrInvalid)
		if err := replay(t.Context(), bus, "f", messages.TrimmableID(5)); err != nil {
			t.Error(err)
		}
		var at []messages.Position
		for _, id := range parkedIDs(t, bus, "f") {
			at = append(at, messages.TrimmableID(id))
		}
		slices.Reverse(at)
		if err := replay(t.Context(), bus, "f", at...); err != nil {
			t.Fatal(err)
		}
		putHints(t, bus, "5 x", "2 y")
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f")
		j.want(t, "1 x 1", "1 y 1", "1 z 1", "2 z 1", "bad y 2", "bad x 2", "2 x 1", "3 x 1", "4 x 1", "5 x 1", "2 y 1")
	})
}

func TestASequenceOfABatchFollowerIsParkedBehindItsFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		putHints(t, bus, "1 x", "bad x", "1 y", "2 x", "2 y", "3 x", "3 y")
		var healed atomic.Bool
		retinuetest.Follow(t, bus, followers.Follower{Name: "f", Log: messages.TrimmableLog, Key: byLetter,
			Poison: followers.Poison{Action: followers.Park, After: 1},
			Batch: func(_ *followers.Turn, entries []messages.Entry) error {
				var all []string
				for _, e := range entries {
					if all = append(all, text(t, e)); strings.HasPrefix(text(t, e), "bad") && !healed.Load() {
						return errRefused
					}
				}
				j.add("%s", strings.Join(all, ","))
				return nil
			}})
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f", 2, 4, 6)
		j.want(t, "1 x", "1 y", "2 y", "3 y")
		s := retinuetest.StatusOf(t, bus, "f")
		if s.Parked != 3 || s.Handled != 4 {
			t.Errorf("parked %d, handled %d", s.Parked, s.Handled)
		}
	})
}

func TestTheEmptyKeyIsInNoSequence(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		var healed atomic.Bool
		f := picky("f", &j, &healed)
		f.Key = func(messages.Entry) string { return "" }
		retinuetest.Follow(t, bus, f)
		putHints(t, bus, "bad", "a")
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f", 1)
		j.want(t, "a 1")
	})
}

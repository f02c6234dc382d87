package join_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/join"
	"github.com/retinue-go/retinue/retinuetest"
)

// TestFollowerDecidesWhatTwoLoopsFind has a follower join a log that grows,
// while turns fail, it is paused, and the power is cut. Each result must be
// there once, and be what two loops over the log as it is find.
func TestFollowerDecidesWhatTwoLoopsFind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		rapid.Check(plainTB{t}, func(t *rapid.T) {
			w := windows(t)
			log := rapid.SampledFrom([]messages.Log{messages.Permanent, messages.TrimmableLog}).Draw(t, "log")
			bus := retinuetest.Open(t, nil)
			var fail atomic.Int32
			do := func(turn *followers.Turn, r join.Result[started]) error {
				if fail.Add(-1) == 0 {
					return errNoPaper
				}
				return decide(turn, r)
			}
			follow(t, bus, w, log, do)
			for range rapid.IntRange(1, 25).Draw(t, "steps") {
				switch rapid.IntRange(0, 19).Draw(t, "what") {
				case 0:
					bus = retinuetest.Crash(t, bus, retinuetest.Cut{
						Unsynced: rapid.IntRange(0, 100).Draw(t, "unsynced"), Seed: rapid.Uint64().Draw(t, "seed")})
					follow(t, bus, w, log, do)
				case 1:
					fail.Store(int32(rapid.IntRange(1, 3).Draw(t, "fail")))
				case 2:
					if err := bus.Pause(t.Context(), follower); err != nil {
						t.Fatal(err)
					}
				case 3:
					if err := bus.Resume(t.Context(), follower); err != nil {
						t.Fatal(err)
					}
				case 4, 5, 6:
					time.Sleep(time.Duration(rapid.IntRange(0, 15_000).Draw(t, "ms")) * time.Millisecond)
				default:
					retinuetest.Append(t, bus, drawn(t))
				}
			}
			if err := bus.Resume(t.Context(), follower); err != nil {
				t.Fatal(err)
			}
			time.Sleep(w.Within + w.Lateness + time.Minute) // rapid ends after a day
			retinuetest.RunUntilIdle(t, bus)

			steps, end := stepsOf(t, bus)
			want, got := naive(w, steps, end), decisions(t, bus)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%+v\nlog %+v\ngot  %q\nwant %q", w, steps, got, want)
			}
		})
	})
}

// plainTB keeps rapid from asking for a deadline, which a bubble has not.
type plainTB struct{ rapid.TB }

func drawn(t *rapid.T) messages.Event {
	key := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
	e := rapid.SampledFrom([]messages.Event{started{key}, succeeded{Payment: key}, failed{Payment: key}}).Draw(t, "event")
	happened := time.Now().Add(-time.Duration(rapid.IntRange(-1000, 8000).Draw(t, "delay")) * time.Millisecond)
	return messages.Draft{Event: e, Time: happened}
}

// stepsOf reads the log as the naive join takes it: the position is the id.
func stepsOf(t retinuetest.TB, bus *retinue.Bus) (steps []step, end time.Duration) {
	for e, err := range bus.Entries(t.Context(), retinue.Query{Log: messages.TrimmableLog}) {
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		s := step{happened: e.Time.Sub(noon), placed: e.Ordered.Sub(noon), id: uint64(e.ID)}
		switch e.Type.Kind {
		case "started":
			left, _ := messages.Decode[started](e)
			s.key = left.Payment
		case "succeeded":
			r, _ := messages.Decode[succeeded](e)
			s.key, s.right = r.Payment, true
		case "failed":
			r, _ := messages.Decode[failed](e)
			s.key, s.right = r.Payment, true
		case "tick", "tick-trimmable":
		default:
			continue
		}
		steps, end = append(steps, s), s.placed
	}
	return steps, end
}

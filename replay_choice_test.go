package retinue_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// wantReplayed compares what became of a replay.
func wantReplayed(t testing.TB, got, want retinue.Replayed) {
	t.Helper()
	if got != want {
		t.Errorf("replayed %+v, want %+v", got, want)
	}
}

// parkedSequences is a bus whose follower "f" has parked the sequences x (1, 2,
// 5), y (3, 4), and 6 and 7, which are in none.
func parkedSequences(t *testing.T, j *journal, healed *atomic.Bool) *retinue.Bus {
	t.Helper()
	bus := retinuetest.Open(t, nil)
	f := picky("f", j, healed)
	f.Key = func(e messages.Entry) string { return strings.TrimSpace(strings.Trim(byLetter(e), "-")) }
	retinuetest.Follow(t, bus, f)
	putHints(t, bus, "bad x", "2 x", "bad y", "4 y", "5 x", "bad 6-", "bad 7-")
	caughtUp(t, bus, "f")
	wantParked(t, bus, "f", 1, 2, 3, 4, 5, 6, 7)
	j.want(t)
	return bus
}

func TestReplayOfASequenceWorksItOffInOrderAndLeavesTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		var healed atomic.Bool
		bus := parkedSequences(t, &j, &healed)
		cursor := retinuetest.StatusOf(t, bus, "f").Cursor
		healed.Store(true)
		done, err := bus.Replay(t.Context(), "f", retinue.Replay{Key: "x"})
		if err != nil {
			t.Fatal(err)
		}
		wantReplayed(t, done, retinue.Replayed{Found: 3, Done: 3})
		j.want(t, "bad x 2", "2 x 1", "5 x 1")
		wantParked(t, bus, "f", 3, 4, 6, 7)
		if got := retinuetest.StatusOf(t, bus, "f").Cursor; got != cursor {
			t.Errorf("the replay has moved the cursor from %d to %d", cursor, got)
		}
		done, err = bus.Replay(t.Context(), "f", retinue.Replay{Key: "x"})
		if err != nil {
			t.Error(err)
		}
		wantReplayed(t, done, retinue.Replayed{})
	})
}

func TestAReplayThatFailsLeavesItsSequenceAndGoesOnWithTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		bus := retinuetest.Open(t, nil)
		healed := map[string]bool{}
		err := bus.Follow(followers.Follower{Name: "f", Log: messages.TrimmableLog, Key: byLetter,
			Poison: followers.Poison{Action: followers.Park, After: 1},
			Every: func(turn *followers.Turn) error {
				s := text(t, turn.Entry())
				if strings.HasPrefix(s, "bad") && !healed[s] {
					return errRefused
				}
				j.add("%s", s)
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		putHints(t, bus, "bad x", "2 x", "bad y", "4 y", "bad z")
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f", 1, 2, 3, 4, 5)
		healed["bad y"] = true

		done, err := bus.Replay(t.Context(), "f", retinue.Replay{All: true})
		wantFollowerError(t, err, "f", 1, errRefused)
		wantReplayed(t, done, retinue.Replayed{Found: 5, Done: 2, Failed: 2})
		j.want(t, "bad y", "4 y")
		wantParked(t, bus, "f", 1, 2, 5)
		for p := range bus.Parked("f") {
			if want := map[uint64]int{1: 2, 2: 0, 5: 2}[p.ID]; p.Attempts != want {
				t.Errorf("entry %d: %d attempts, want %d", p.ID, p.Attempts, want)
			}
		}
		putHints(t, bus, "6 x", "7 y")
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f", 1, 2, 5, 6)
		j.want(t, "bad y", "4 y", "7 y")
	})
}

func TestReplayStopsAtItsLimitAndGoesOnFromThere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		var healed atomic.Bool
		bus := parkedSequences(t, &j, &healed)
		healed.Store(true)
		for _, want := range []retinue.Replayed{{Found: 7, Done: 3}, {Found: 4, Done: 3}, {Found: 1, Done: 1}, {}} {
			done, err := bus.Replay(t.Context(), "f", retinue.Replay{All: true, Limit: 3})
			if err != nil {
				t.Fatal(err)
			}
			wantReplayed(t, done, want)
		}
		j.want(t, "bad x 2", "2 x 1", "bad y 2", "4 y 1", "5 x 1", "bad 6- 2", "bad 7- 2")
	})
}

// What fails counts for the limit, and what is behind it does not.
func TestALimitedReplayOfAFailingSequenceComesToTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		var healed atomic.Bool
		bus := parkedSequences(t, &j, &healed)
		done, err := bus.Replay(t.Context(), "f", retinue.Replay{All: true, Limit: 3})
		wantFollowerError(t, err, "f", 1, errRefused)
		wantReplayed(t, done, retinue.Replayed{Found: 7, Failed: 3})
		for p := range bus.Parked("f") {
			if want := map[uint64]int{1: 2, 3: 2, 6: 2, 7: 1}[p.ID]; p.Attempts != want {
				t.Errorf("entry %d: %d attempts, want %d", p.ID, p.Attempts, want)
			}
		}
	})
}

func TestAPreviewCountsAndRunsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		var healed atomic.Bool
		bus := parkedSequences(t, &j, &healed)
		healed.Store(true)
		preview := func(choice retinue.Replay, want int) {
			t.Helper()
			choice.Preview = true
			done, err := bus.Replay(t.Context(), "f", choice)
			if err != nil {
				t.Error(err)
			}
			wantReplayed(t, done, retinue.Replayed{Found: want})
		}
		for _, followed := range []bool{true, false} {
			preview(retinue.Replay{All: true}, 7)
			preview(retinue.Replay{All: true, Limit: 2}, 7)
			preview(retinue.Replay{Key: "y"}, 2)
			preview(retinue.Replay{Key: "nobody's"}, 0)
			preview(retinue.Replay{At: []messages.Position{messages.TrimmableID(2), messages.TrimmableID(1)}}, 2)
			if followed {
				if err := bus.Unfollow(t.Context(), "f"); err != nil {
					t.Fatal(err)
				}
			}
		}
		j.want(t)
		wantParked(t, bus, "f", 1, 2, 3, 4, 5, 6, 7)
	})
}

// A list of ids that came out empty must not replay everything.
func TestAReplayChoosesInExactlyOneWay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		var healed atomic.Bool
		bus := parkedSequences(t, &j, &healed)
		healed.Store(true)
		at := func(ids ...messages.TrimmableID) (at []messages.Position) {
			for _, id := range ids {
				at = append(at, id)
			}
			return at
		}
		for _, preview := range []bool{false, true} {
			for _, c := range []struct {
				choice retinue.Replay
				want   error
			}{
				{retinue.Replay{}, messages.ErrInvalid},
				{retinue.Replay{At: at()}, messages.ErrInvalid},
				{retinue.Replay{All: true, Key: "x"}, messages.ErrInvalid},
				{retinue.Replay{Key: "x", At: at(1)}, messages.ErrInvalid},
				{retinue.Replay{All: true, Limit: -1}, messages.ErrInvalid},
				{retinue.Replay{At: at(3, 5, 1)}, messages.ErrInvalid}, // 2 is before 5
				{retinue.Replay{At: at(1, 8)}, messages.ErrOutOfRange},
				{retinue.Replay{At: []messages.Position{messages.EventID(1)}}, messages.ErrNotInLog},
			} {
				c.choice.Preview = preview
				done, err := bus.Replay(t.Context(), "f", c.choice)
				wantError(t, err, c.want)
				wantReplayed(t, done, retinue.Replayed{})
			}
		}
		j.want(t)
		wantParked(t, bus, "f", 1, 2, 3, 4, 5, 6, 7)
	})
}

func TestSkippedEntriesAreReplayedByNameOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		var healed atomic.Bool
		f := picky("f", &j, &healed)
		f.Poison.Action = followers.Skip
		retinuetest.Follow(t, bus, f)
		putHints(t, bus, "bad", "a")
		caughtUp(t, bus, "f")
		healed.Store(true)
		done, err := bus.Replay(t.Context(), "f", retinue.Replay{All: true})
		if err != nil {
			t.Fatal(err)
		}
		wantReplayed(t, done, retinue.Replayed{})
		if err := replay(t.Context(), bus, "f", messages.TrimmableID(1)); err != nil {
			t.Fatal(err)
		}
		j.want(t, "a 1", "bad 2")
		wantParked(t, bus, "f")
	})
}

// A behaviour whose replay failed remembers a turn that never was: a fresh one
// takes its place at once, and neither its budget nor its backoff is spent.
func TestAFailedReplayOfARawBehaviourGoesOnWithAFreshOne(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				var healed atomic.Bool
				fresh := func(f followers.Follower) followers.Follower {
					f.Poison = followers.Poison{Action: followers.Park, After: 1}
					f.Restart = followers.Restart{Initial: time.Hour, Max: time.Hour, Budget: 2}
					return f
				}
				retinuetest.Follow(t, bus, fresh(raw("f", func(_ rawContext, d *followers.Deliver) error {
					if healed.Load() {
						return d.Turn.Set(fmt.Appendf(nil, "%d", d.Turn.Entry().ID), nil)
					}
					return fault()
				})))
				for i := range 6 {
					retinuetest.Append(t, bus, note{fmt.Sprint(i)})
				}
				caughtUp(t, bus, "f")
				synctest.Wait() // for the incarnation after the last failure
				before, start := retinuetest.StatusOf(t, bus, "f"), time.Now()
				done, err := bus.Replay(t.Context(), "f", retinue.Replay{All: true})
				if err == nil {
					t.Error("no failure")
				}
				wantReplayed(t, done, retinue.Replayed{Found: 6, Failed: 6})
				healed.Store(true)
				if done, err = bus.Replay(t.Context(), "f", retinue.Replay{All: true}); err != nil {
					t.Fatal(err)
				}
				wantReplayed(t, done, retinue.Replayed{Found: 6, Done: 6})
				wantKeys(t, bus, "f", "1=", "2=", "3=", "4=", "5=", "6=")
				after := retinuetest.StatusOf(t, bus, "f")
				if after.Restarts != before.Restarts+6 || after.Failures != 0 {
					t.Errorf("%d restarts and %d failures, want %d and none", after.Restarts, after.Failures, before.Restarts+6)
				}
				if d := time.Since(start); d != 0 {
					t.Errorf("the replays took %v, want no backoff", d)
				}
				retinuetest.Await(t, bus, "f", retinuetest.Append(t, bus, note{"more"}))
			})
		})
	}
}

func TestAReplayThatIsInterruptedTellsWhatWasDone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		retinuetest.Follow(t, bus, followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 1},
			Every: func(turn *followers.Turn) error {
				switch {
				case turn.Attempt() == 1:
					return errRefused
				case turn.Entry().ID == 3:
					cancel()
					<-turn.Context().Done()
					return turn.Context().Err()
				}
				return nil
			}})
		putTexts(t, bus, "a", "b", "c", "d")
		caughtUp(t, bus, "f")
		done, err := bus.Replay(ctx, "f", retinue.Replay{All: true})
		wantFollowerError(t, err, "f", 3, context.Canceled)
		wantReplayed(t, done, retinue.Replayed{Found: 4, Done: 2})
		wantParked(t, bus, "f", 3, 4)
		for p := range bus.Parked("f") {
			if p.Attempts != 1 {
				t.Errorf("entry %d: %d attempts, an interruption is none", p.ID, p.Attempts)
			}
		}
	})
}

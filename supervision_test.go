package retinue_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// ways are how the kit has a turn fail.
var ways = map[string]retinuetest.Do{"error": retinuetest.Fail, "panic": retinuetest.Panic, "Goexit": retinuetest.Goexit}

// wantGaps compares the times between events with delays of +-20 %.
func wantGaps(t testing.TB, times []time.Time, want ...time.Duration) {
	t.Helper()
	if len(times) != len(want)+1 {
		t.Fatalf("%d times, want %d: %v", len(times), len(want)+1, times)
	}
	for i, d := range want {
		if got := times[i+1].Sub(times[i]); got < d*8/10 || got > d*12/10 {
			t.Errorf("delay %d = %v, want %v +- 20 %%", i+1, got, d)
		}
	}
}

// begun is when the turns of "f" began.
func begun(t testing.TB, bus *retinue.Bus) (times []time.Time) {
	t.Helper()
	for _, turn := range retinuetest.Turns(t, bus, "f") {
		times = append(times, turn.Begun)
	}
	return times
}

// failed is when incarnations failed.
func failed(t testing.TB, bus *retinue.Bus) (times []time.Time) {
	t.Helper()
	for _, f := range retinuetest.Failures(t, bus) {
		times = append(times, f.Time)
	}
	return times
}

func TestBackoffDoublesUpToItsCap(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Follow(t, bus, refusing("f", followers.Poison{}))
		retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "f", Times: 13, Reason: errRefused}, func() {
			retinuetest.Append(t, bus, note{"bad"})
		})
		ms, s := time.Millisecond, time.Second
		wantGaps(t, begun(t, bus), 100*ms, 200*ms, 400*ms, 800*ms, 1600*ms, 3200*ms, 6400*ms, 12800*ms, 25600*ms, 30*s, 30*s, 30*s)
	})
}

func TestBackoffFollowsTheDeclaredPolicy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Times: 5, Do: retinuetest.Panic})
		f := refusing("f", followers.Poison{})
		f.Restart = followers.Restart{Initial: time.Second, Max: 3 * time.Second}
		retinuetest.Follow(t, bus, f)
		retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "f", Times: 5, Reason: retinuetest.ErrInjected}, func() {
			retinuetest.Append(t, bus, note{"a"})
		})
		wantGaps(t, begun(t, bus), time.Second, 2*time.Second, 3*time.Second, 3*time.Second)
	})
}

func TestBackoffStartsOverWhenTheCursorHasMoved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		for _, turn := range []int{1, 6} { // 4 and 5 are the first and the second entry's
			retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Turn: turn, Times: 3})
		}
		var j journal
		retinuetest.Follow(t, bus, noting("f", &j))
		retinuetest.Await(t, bus, "f", putTexts(t, bus, "fails", "does not", "fails too"))
		ms := time.Millisecond
		wantGaps(t, begun(t, bus), 100*ms, 200*ms, 400*ms, 0, 0, 100*ms, 200*ms, 400*ms)
		j.want(t, "fails", "does not", "fails too")
		if s := retinuetest.StatusOf(t, bus, "f"); s.Failures != 0 || s.Restarts != 6 {
			t.Errorf("failures %d, restarts %d, want 0 and 6", s.Failures, s.Restarts)
		}
	})
}

func TestPanicRestartsFollowerAndKeepsItsPlace(t *testing.T) {
	for name, do := range ways {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				var j, sibling journal
				retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Turn: 2, Do: do, When: retinuetest.BeforeCommit})
				retinuetest.Follow(t, bus, noting("f", &j))
				retinuetest.Follow(t, bus, noting("sibling", &sibling))
				retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Times: 1}, func() { putTexts(t, bus, "a", "b", "c") })
				for _, name := range []string{"f", "sibling"} {
					retinuetest.Await(t, bus, name, messages.EventID(3))
				}
				j.want(t, "a", "b", "b", "c")
				sibling.want(t, "a", "b", "c")
				s := retinuetest.StatusOf(t, bus, "f")
				if s.Restarts != 1 || s.LastEntry != 2 || s.LastError == nil {
					t.Errorf("restarts %d, last error %v at %d", s.Restarts, s.LastError, s.LastEntry)
				}
				retinuetest.RunUntilIdle(t, bus)
				retinuetest.WantTree(t, bus, `
					retinue-store #1 running
					├─ writer #1 running
					├─ trimmer #1 running
					└─ followers #1 running
					   ├─ f #1 idle
					   │  └─ host #2 idle
					   └─ sibling #1 idle
					      └─ host #1 idle
				`)
			})
		})
	}
}

func TestASpentBudgetParksTheFollowerAndNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		f := refusing("f", followers.Poison{})
		f.Restart = followers.Restart{Budget: 3}
		retinuetest.Follow(t, bus, f)
		retinuetest.Follow(t, bus, noting("sibling", &j))
		budget := retinuetest.Expected{Follower: "f", Times: 4, Reason: errRefused}
		retinuetest.ExpectFailures(t, bus, budget, func() {
			retinuetest.Append(t, bus, note{"bad"})
			time.Sleep(time.Hour)
		})
		s := retinuetest.StatusOf(t, bus, "f")
		if s.State != "parked" || s.Why != errRefused.Error() || s.Lag != 1 || s.Cursor != 1 || s.LastError == nil {
			t.Errorf("status = %+v, want parked with its reason", s)
		}
		retinuetest.Await(t, bus, "sibling", retinuetest.Append(t, bus, note{"b"}))
		j.want(t, "bad", "b")

		bus = retinuetest.Reopen(t, bus)
		retinuetest.ExpectFailures(t, bus, retinuetest.Expected{}, func() { time.Sleep(time.Hour) })
		if s := retinuetest.StatusOf(t, bus, "f"); s.State != "parked" || s.Why != errRefused.Error() {
			t.Errorf("status = %+v, want it still parked", s)
		}
		retinuetest.ExpectFailures(t, bus, budget, func() {
			if err := bus.Resume(t.Context(), "f"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		})
		for i, f := range retinuetest.Failures(t, bus) {
			if last := i%4 == 3; last != (f.Verdict == "park follower") {
				t.Errorf("failure %d: %v", i+1, f)
			}
		}
	})
}

func TestAPoisonousEntryIsSetAsideAfterItsAttempts(t *testing.T) {
	for _, action := range []followers.Action{followers.Skip, followers.Park} {
		for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
			t.Run(fmt.Sprintf("%v in the %v log", action, log), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := retinuetest.Open(t, nil)
					f := refusing("f", followers.Poison{Action: action, After: 3})
					f.Log = log
					retinuetest.Follow(t, bus, f)
					retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "f", Times: 3, Reason: errRefused}, func() {
						putTexts(t, bus, "a", "b", "bad", "c", "d")
					})
					ms := time.Millisecond
					wantGaps(t, begun(t, bus), 0, 0, 100*ms, 200*ms, 0, 0)
					wantKeys(t, bus, "f", "a=done", "b=done", "c=done", "d=done")
					retinuetest.Await(t, bus, "f", retinuetest.Append(t, bus, note{"e"}))
					s := retinuetest.StatusOf(t, bus, "f")
					skipped, parked := uint64(1), uint64(0)
					if action == followers.Park {
						skipped, parked = parked, skipped
					}
					if s.Skipped != skipped || s.Parked != parked || s.Handled != 5 || s.Failures != 0 {
						t.Errorf("status = %+v", s)
					}
					for p, err := range bus.Parked("f") {
						if err != nil || p.ID != 3 || p.Attempts != 3 || p.Error != errRefused.Error() ||
							p.Skipped != (action == followers.Skip) || (p.Entry != nil) != (log == messages.TrimmableLog) {
							t.Errorf("parked = %+v, %v", p, err)
						}
					}
					wantParked(t, bus, "f", 3)
				})
			})
		}
	}
}

// batches is a batch handler that refuses every batch with a text "bad".
func batches(t testing.TB, fault func() error) func(*followers.Turn, []messages.Entry) error {
	return func(turn *followers.Turn, entries []messages.Entry) error {
		if last := entries[len(entries)-1]; turn.Entry().ID != last.ID {
			t.Errorf("the turn's entry is %d, the last of the batch %d", turn.Entry().ID, last.ID)
		}
		for _, e := range entries {
			if err := turn.Set(fmt.Appendf(nil, "%02d", e.ID), []byte("x")); err != nil {
				return err
			}
			if string(e.Payload) == `{"Text":"bad"}` {
				return fault()
			}
		}
		return nil
	}
}

// wantBatches compares what "f" was given, as "first-last".
func wantBatches(t testing.TB, bus *retinue.Bus, want ...string) {
	t.Helper()
	var got []string
	for _, turn := range retinuetest.Turns(t, bus, "f") {
		got = append(got, fmt.Sprintf("%d-%d", turn.Entries[0].ID, turn.Entries[len(turn.Entries)-1].ID))
	}
	if !slices.Equal(got, want) {
		t.Errorf("batches = %q, want %q", got, want)
	}
}

func TestAFailingBatchIsTriedInHalvesUntilOneEntryIsToBlame(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				at := putTexts(t, bus, "a", "b", "c", "d", "e", "bad", "g", "h")
				retinuetest.Follow(t, bus, followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 2},
					Batch: batches(t, fault)})
				wantError(t, bus.Await(t.Context(), "f", messages.EventID(6)), messages.ErrParked)
				retinuetest.Await(t, bus, "f", at.LastEvent)
				wantBatches(t, bus, "1-8", "1-4", "5-8", "5-6", "5-5", "6-6", "6-6", "7-8")
				wantKeys(t, bus, "f", "01=x", "02=x", "03=x", "04=x", "05=x", "07=x", "08=x")
				wantParked(t, bus, "f", 6)
			})
		})
	}
}

func TestABatchThatHaltsLosesNothing(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				putTexts(t, bus, "a", "b", "bad", "d")
				retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "f", Times: 9}, func() {
					retinuetest.Follow(t, bus, followers.Follower{Name: "f", Batch: batches(t, fault)})
				})
				wantCursor(t, bus, "f", 3)
				wantKeys(t, bus, "f", "01=x", "02=x")
				if s := retinuetest.StatusOf(t, bus, "f"); s.LastEntry != 3 || s.Attempts != 9 {
					t.Errorf("status = %+v, want entry 3 to blame", s)
				}
			})
		})
	}
}

func TestAPanicOfASequenceKeyHurtsItsFollowerOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		f := refusing("f", followers.Poison{Action: followers.Park, After: 1})
		f.Key = func(e messages.Entry) string {
			if string(e.Payload) == `{"Text":"worse"}` {
				panic("no key")
			}
			return "k"
		}
		retinuetest.Follow(t, bus, f)
		retinuetest.Follow(t, bus, noting("sibling", &j))
		at := putTexts(t, bus, "bad", "worse", "good")
		retinuetest.Await(t, bus, "sibling", at)
		retinuetest.RunUntilIdle(t, bus)
		wantParked(t, bus, "f", 1, 2, 3)
	})
}

func TestAttemptsAreKeptOverACleanRestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Hold(t, bus, "f")
		retinuetest.Follow(t, bus, refusing("f", followers.Poison{Action: followers.Park, After: 5}))
		at := retinuetest.Append(t, bus, note{"bad"})
		for attempt := 1; attempt <= 5; attempt++ {
			if d := retinuetest.Step(t, bus, "f"); d.Attempt != attempt || !errors.Is(d.Err, errRefused) {
				t.Errorf("turn = %+v, want attempt %d refused", d, attempt)
			}
			if attempt != 3 {
				continue
			}
			bus = retinuetest.Reopen(t, bus)
			if s := retinuetest.StatusOf(t, bus, "f"); s.Attempts != 3 {
				t.Errorf("attempts = %d after reopening, want 3", s.Attempts)
			}
		}
		wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)
	})
}

// The first end of the process shows only that it may have been an entry's
// doing: from then on entries are tried one by one, each marked before.
func TestAnEntryThatKillsTheProcessIsParkedInTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		putTexts(t, bus, "a", "bad", "c")
		retinuetest.Follow(t, bus, followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 3},
			Reactions: []followers.Reaction{followers.On(func(turn *followers.Turn, n note) error {
				if n.Text == "bad" { // it ends with the process
					<-turn.Context().Done()
				}
				return increment(turn, "n")
			})}})
		deaths := 0
		for ; len(parkedIDs(t, bus, "f")) == 0; deaths++ {
			if deaths > 6 {
				t.Fatal("the entry is tried for ever")
			}
			time.Sleep(time.Minute) // for backoffs
			bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
			time.Sleep(time.Minute)
		}
		if deaths < 3 {
			t.Errorf("%d ends of the process, want three attempts", deaths)
		}
		retinuetest.RunUntilIdle(t, bus)
		wantKeys(t, bus, "f", "n=2")
		wantParked(t, bus, "f", 2)
	})
}

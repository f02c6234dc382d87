package retinue_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// attempts notes when a follower tries.
type attempts struct {
	mu    sync.Mutex
	times []time.Time
}

func (a *attempts) now() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times = append(a.times, time.Now())
}

func (a *attempts) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.times)
}

// wantGaps compares the times between attempts with delays of +-20 %.
func (a *attempts) wantGaps(t testing.TB, want ...time.Duration) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.times) != len(want)+1 {
		t.Fatalf("%d attempts, want %d", len(a.times), len(want)+1)
	}
	for i, d := range want {
		got := a.times[i+1].Sub(a.times[i])
		if got < d*8/10 || got > d*12/10 {
			t.Errorf("delay %d = %v, want %v +- 20 %%", i+1, got, d)
		}
	}
}

func TestBackoffDoublesUpToItsCap(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var a attempts
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(*followers.Turn) error { a.now(); return errRefused }})
		put(t, bus, note{"a"})
		for a.count() < 13 {
			time.Sleep(time.Second)
		}
		ms, s := time.Millisecond, time.Second
		a.wantGaps(t, 100*ms, 200*ms, 400*ms, 800*ms, 1600*ms, 3200*ms, 6400*ms, 12800*ms, 25600*ms, 30*s, 30*s, 30*s)
	})
}

func TestBackoffFollowsTheDeclaredPolicy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var a attempts
		mustFollow(t, bus, followers.Follower{Name: "f", Restart: followers.Restart{Initial: time.Second, Max: 3 * time.Second},
			Every: func(*followers.Turn) error { a.now(); panic("no") }})
		put(t, bus, note{"a"})
		for a.count() < 5 {
			time.Sleep(time.Second)
		}
		a.wantGaps(t, time.Second, 2*time.Second, 3*time.Second, 3*time.Second)
	})
}

func TestBackoffStartsOverWhenTheCursorHasMoved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var a attempts
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
			if turn.Entry().ID == 2 {
				return nil
			}
			a.now()
			if turn.Attempt() < 4 {
				return errRefused
			}
			return nil
		}})
		reached(t, bus, "f", putTexts(t, bus, "fails", "does not", "fails"))
		ms := time.Millisecond
		a.wantGaps(t, 100*ms, 200*ms, 400*ms, 0, 100*ms, 200*ms, 400*ms)
		if s := statusOf(t, bus, "f"); s.Failures != 0 || s.Restarts != 6 {
			t.Errorf("failures %d, restarts %d, want 0 and 6", s.Failures, s.Restarts)
		}
	})
}

func TestPanicRestartsFollowerAndKeepsItsPlace(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				var j, sibling journal
				mustFollow(t, bus, noting("sibling", &sibling))
				mustFollow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
					j.add("%d", turn.Entry().ID)
					if turn.Entry().ID == 2 && turn.Attempt() == 1 {
						return fault()
					}
					return nil
				}})
				at := putTexts(t, bus, "a", "b", "c")
				reached(t, bus, "f", at)
				j.want(t, "1", "2", "2", "3")
				reached(t, bus, "sibling", at)
				sibling.want(t, "a", "b", "c")
				s := statusOf(t, bus, "f")
				if s.Restarts != 1 || s.LastEntry != 2 || s.LastError == nil {
					t.Errorf("restarts %d, last error %v at %d", s.Restarts, s.LastError, s.LastEntry)
				}
			})
		})
	}
}

func TestASpentBudgetParksTheFollowerAndNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		var a attempts
		var j journal
		f := followers.Follower{Name: "f", Restart: followers.Restart{Budget: 3},
			Every: func(*followers.Turn) error { a.now(); return errRefused }}
		mustFollow(t, bus, f)
		mustFollow(t, bus, noting("sibling", &j))
		put(t, bus, note{"a"})
		time.Sleep(time.Hour)
		if n := a.count(); n != 4 {
			t.Errorf("%d attempts with a budget of 3", n)
		}
		s := statusOf(t, bus, "f")
		if s.State != "parked" || s.Why != errRefused.Error() || s.Lag != 1 || s.Cursor != 1 || s.LastError == nil {
			t.Errorf("status = %+v, want parked with its reason", s)
		}
		reached(t, bus, "sibling", put(t, bus, note{"b"}))
		j.want(t, "a", "b")
		closeBus(t, bus)

		bus = openBus(t, opts)
		mustFollow(t, bus, f)
		time.Sleep(time.Hour)
		if s := statusOf(t, bus, "f"); s.State != "parked" || s.Why != errRefused.Error() || a.count() != 4 {
			t.Errorf("status = %+v after %d attempts, want it still parked", s, a.count())
		}
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := a.count(); n != 8 {
			t.Errorf("%d attempts after Resume, want a budget anew", n-4)
		}
	})
}

func TestAPoisonousEntryIsSetAsideAfterItsAttempts(t *testing.T) {
	for _, action := range []followers.Action{followers.Skip, followers.Park} {
		for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
			t.Run(fmt.Sprintf("%v in the %v log", action, log), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := openBus(t, inMemory())
					var a attempts
					f := followers.Follower{Name: "f", Log: log, Poison: followers.Poison{Action: action, After: 3},
						Every: func(turn *followers.Turn) error {
							if string(turn.Entry().Payload) != `{"Text":"bad"}` {
								return increment(turn, "n")
							}
							a.now()
							return errRefused
						}}
					mustFollow(t, bus, f)
					at := putTexts(t, bus, "a", "b", "bad", "c", "d")
					if err := bus.CaughtUp(t.Context(), "f"); err != nil {
						t.Fatal(err)
					}
					a.wantGaps(t, 100*time.Millisecond, 200*time.Millisecond)
					wantKeys(t, bus, "f", "n=4")
					wantError(t, bus.Await(t.Context(), "f", put(t, bus, note{"e"})))
					s := statusOf(t, bus, "f")
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
					if ids := parkedIDs(t, bus, "f"); !slices.Equal(ids, []uint64{3}) {
						t.Errorf("put aside: %v of %v", ids, at)
					}
				})
			})
		}
	}
}

// batches is a batch handler that refuses every batch with a text "bad".
func batches(t testing.TB, j *journal, fault func() error) func(*followers.Turn, []messages.Entry) error {
	return func(turn *followers.Turn, entries []messages.Entry) error {
		if last := entries[len(entries)-1]; turn.Entry().ID != last.ID {
			t.Errorf("the turn's entry is %d, the last of the batch %d", turn.Entry().ID, last.ID)
		}
		j.add("%d-%d", entries[0].ID, entries[len(entries)-1].ID)
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

func TestAFailingBatchIsTriedInHalvesUntilOneEntryIsToBlame(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				var j journal
				at := putTexts(t, bus, "a", "b", "c", "d", "e", "bad", "g", "h")
				mustFollow(t, bus, followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 2},
					Batch: batches(t, &j, fault)})
				wantError(t, bus.Await(t.Context(), "f", messages.EventID(6)), messages.ErrParked)
				reached(t, bus, "f", at.LastEvent)
				j.want(t, "1-8", "1-4", "5-8", "5-6", "5-5", "6-6", "6-6", "7-8")
				wantKeys(t, bus, "f", "01=x", "02=x", "03=x", "04=x", "05=x", "07=x", "08=x")
				if ids := parkedIDs(t, bus, "f"); !slices.Equal(ids, []uint64{6}) {
					t.Errorf("put aside: %v, want only 6", ids)
				}
			})
		})
	}
}

func TestABatchThatHaltsLosesNothing(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				var j journal
				putTexts(t, bus, "a", "b", "bad", "d")
				mustFollow(t, bus, followers.Follower{Name: "f", Batch: batches(t, &j, fault)})
				time.Sleep(time.Minute)
				wantCursor(t, bus, "f", 3)
				wantKeys(t, bus, "f", "01=x", "02=x")
				if s := statusOf(t, bus, "f"); s.LastEntry != 3 || s.Attempts < 5 {
					t.Errorf("status = %+v, want entry 3 to blame", s)
				}
			})
		})
	}
}

func TestAPanicOfASequenceKeyHurtsItsFollowerOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		f := refusing("f", followers.Poison{Action: followers.Park, After: 1})
		f.Key = func(e messages.Entry) string {
			if string(e.Payload) == `{"Text":"worse"}` {
				panic("no key")
			}
			return "k"
		}
		mustFollow(t, bus, f)
		mustFollow(t, bus, noting("sibling", &j))
		at := putTexts(t, bus, "bad", "worse", "good")
		reached(t, bus, "sibling", at)
		if err := bus.CaughtUp(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if ids := parkedIDs(t, bus, "f"); !slices.Equal(ids, []uint64{1, 2, 3}) {
			t.Errorf("put aside: %v", ids)
		}
	})
}

func TestAttemptsAreKeptOverACleanRestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		var j journal
		f := followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 5},
			Every: func(t *followers.Turn) error { j.add("%d", t.Attempt()); return errRefused }}
		bus := openBus(t, opts)
		mustFollow(t, bus, f)
		at := put(t, bus, note{"a"})
		time.Sleep(400 * time.Millisecond)
		closeBus(t, bus)
		j.want(t, "1", "2", "3")
		bus = openBus(t, opts)
		if s := statusOf(t, bus, "f"); s.Attempts != 3 {
			t.Errorf("attempts = %d after reopening, want 3", s.Attempts)
		}
		mustFollow(t, bus, f)
		wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)
		j.want(t, "1", "2", "3", "4", "5")
	})
}

// killing is a follower that dies at the entry "bad".
func killing(die func()) followers.Follower {
	return followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 3},
		Reactions: []followers.Reaction{followers.On(func(turn *followers.Turn, n note) error {
			if n.Text == "bad" {
				die()
			}
			return increment(turn, "n")
		})}}
}

// The first end of the process shows only that it may have been an entry's
// doing: from then on entries are tried one by one, each marked before.
func TestAnEntryThatKillsTheProcessIsParkedInTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: fs})
		putTexts(t, bus, "a", "bad", "c")
		parked := false
		for deaths := 0; !parked; deaths++ {
			if deaths > 6 {
				t.Fatal("the entry is tried for ever")
			}
			died, release := make(chan struct{}), make(chan struct{})
			mustFollow(t, bus, killing(func() { close(died); <-release }))
			caught := make(chan error, 1)
			ctx := t.Context()
			go func() { caught <- bus.CaughtUp(ctx, "f") }()
			select {
			case <-died:
				before := bus
				fs = powerCut(fs)
				close(release)
				closeBus(t, before)
				<-caught
				bus = openBus(t, &retinue.Options{FS: fs})
			case err := <-caught:
				if err != nil {
					t.Fatal(err)
				}
				parked = true
			}
		}
		wantKeys(t, bus, "f", "n=2")
		if ids := parkedIDs(t, bus, "f"); !slices.Equal(ids, []uint64{2}) {
			t.Errorf("put aside: %v, want entry 2", ids)
		}
	})
}

package retinuetest_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

func TestOpenGivesABusThatClosesWithTheTest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var bus *retinue.Bus
		if said := retinuetest.Try(func(t retinuetest.TB) {
			retinuetest.CheckLeaks(t)
			bus = retinuetest.Open(t, nil)
			retinuetest.Append(t, bus, paid{1})
		}); said != nil {
			t.Errorf("complaints: %q", said)
		}
		if _, err := bus.Append(t.Context(), paid{2}); !errors.Is(err, messages.ErrClosed) {
			t.Errorf("append after the test = %v, want ErrClosed", err)
		}
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.Failures(t, bus) }), "its test is over")
	})
}

func TestTheMemoryOfAClosedBusOpensAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := &retinue.Options{FS: vfs.NewCrashableMem()}
		bus := retinuetest.Open(t, opts)
		retinuetest.Append(t, bus, paid{1})
		if err := bus.Close(); err != nil {
			t.Fatal(err)
		}
		if got := retinuetest.Entries[paid](t, retinuetest.Open(t, opts)); !slices.Equal(got, []paid{{1}}) {
			t.Errorf("entries = %v", got)
		}
	})
}

func TestOpenSaysWhyItDoesNot(t *testing.T) {
	open := func(opts *retinue.Options) []string {
		return retinuetest.Try(func(t retinuetest.TB) { retinuetest.Open(t, opts) })
	}
	complains(t, open(&retinue.Options{MaxEventSize: -1}), "open:", "a limit is below 0")
	complains(t, open(&retinue.Options{FS: vfs.Default}), "lies in memory")
}

func TestOpenComplainsOfAReactionThatDoesNotReturn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		release := make(chan struct{})
		var bus *retinue.Bus
		complains(t, retinuetest.Try(func(t retinuetest.TB) {
			bus = retinuetest.Open(t, nil)
			begun := make(chan struct{})
			retinuetest.Follow(t, bus, followers.Follower{Name: "f", Every: func(*followers.Turn) error {
				close(begun)
				<-release
				return nil
			}})
			retinuetest.Append(t, bus, paid{1})
			<-begun
		}), "close:", `does not return: ["f"]`)
		close(release)
		if err := bus.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	for unsynced := 0; unsynced <= 100; unsynced += 25 {
		t.Run(fmt.Sprint(unsynced), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var j journal
				bus := retinuetest.Open(t, nil)
				retinuetest.Follow(t, bus, noting("f", &j))
				for i := range 20 {
					retinuetest.Append(t, bus, paid{i})
				}
				for seed := range uint64(5) {
					bus = retinuetest.Crash(t, bus, retinuetest.Cut{Unsynced: unsynced, Seed: seed})
					if got := retinuetest.Entries[paid](t, bus); len(got) != 20+int(seed) {
						t.Fatalf("%d entries are left, want %d", len(got), 20+seed)
					}
					retinuetest.Await(t, bus, "f", retinuetest.Append(t, bus, paid{100}))
				}
			})
		})
	}
}

func TestCrashTakesBackWhatWasNotSynced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		bus := retinuetest.Open(t, nil)
		retinuetest.Follow(t, bus, noting("f", &j))
		at := retinuetest.Append(t, bus, paid{1})
		retinuetest.RunUntilIdle(t, bus) // its commit is not synced yet
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
		retinuetest.Await(t, bus, "f", at)
		j.want(t, "1 1")
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
		retinuetest.RunUntilIdle(t, bus)
		j.want(t, "1 1")
	})
}

func TestTheShareOfUnsyncedDataIsChosen(t *testing.T) {
	cursors := make(map[int]uint64)
	for _, unsynced := range []int{0, 100} {
		t.Run(fmt.Sprint(unsynced), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				retinuetest.Append(t, bus, paid{1}, paid{2})
				retinuetest.Follow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
					return turn.Set([]byte("big"), make([]byte, 1<<20)) // commits alone, unsynced
				}})
				retinuetest.RunUntilIdle(t, bus)
				retinuetest.Hold(t, bus, "f")
				bus = retinuetest.Crash(t, bus, retinuetest.Cut{Unsynced: unsynced})
				cursors[unsynced] = retinuetest.StatusOf(t, bus, "f").Cursor
			})
		})
	}
	if cursors[0] >= cursors[100] {
		t.Errorf("cursors by share of unsynced data: %v, want more at 100", cursors)
	}
}

func TestCrashFollowsAgainWhoWasFollowedInTheSameOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		bus := retinuetest.Open(t, nil)
		for _, name := range []string{"z", "gone", "a"} {
			retinuetest.Follow(t, bus, noting(name, &j))
		}
		if err := bus.Follow(noting("own", &j)); err != nil {
			t.Fatal(err)
		}
		if err := bus.Unfollow(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
		for name, want := range map[string]bool{"z": true, "gone": false, "a": true, "own": false} {
			if got := retinuetest.StatusOf(t, bus, name).State != "not followed"; got != want {
				t.Errorf("%q is followed: %v, want %v", name, got, want)
			}
		}
	})
}

func TestNoTurnBeginsAfterThePowerCut(t *testing.T) {
	eachForm(t, func(t *testing.T, f followers.Follower, j *journal) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Hold(t, bus, "f")
		retinuetest.Follow(t, bus, f)
		retinuetest.Append(t, bus, paid{1})
		retinuetest.RunUntilIdle(t, bus)
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{Unsynced: 100, Seed: 1})
		retinuetest.RunUntilIdle(t, bus)
		j.want(t, "")
		retinuetest.Release(t, bus, "f")
		retinuetest.RunUntilIdle(t, bus)
		j.want(t, "1")
	})
}

func TestCrashSaysWhyItDoesNot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		crash := func(bus *retinue.Bus, cut retinuetest.Cut) []string {
			return retinuetest.Try(func(t retinuetest.TB) { retinuetest.Crash(t, bus, cut) })
		}
		complains(t, crash(bus, retinuetest.Cut{Unsynced: 101}), "Unsynced is 101")
		complains(t, crash(&retinue.Bus{}, retinuetest.Cut{}), "crash: the bus was not opened by retinuetest.Open")
		complains(t, crash(retinuetest.Open(t, &retinue.Options{FS: vfs.NewMem()}), retinuetest.Cut{}), "is not crashable")
		retinuetest.Crash(t, bus, retinuetest.Cut{})
		complains(t, crash(bus, retinuetest.Cut{}), "the one before Crash or Reopen")
	})
}

func TestASharedDatabaseHasNoCrash(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db, err := pebble.Open("db", &pebble.Options{FS: vfs.NewMem(), FormatMajorVersion: pebble.FormatNewest})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		bus := retinuetest.Open(t, &retinue.Options{DB: db, Prefix: []byte("r")})
		retinuetest.Append(t, bus, paid{1})
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.Crash(t, bus, retinuetest.Cut{}) }),
			"in a database of the test's own")
	})
}

func TestOutsideABubbleAllWorksInRealTime(t *testing.T) {
	retinuetest.CheckLeaks(t)
	var j journal
	bus := retinuetest.Open(t, nil)
	retinuetest.Hold(t, bus, "f")
	retinuetest.Follow(t, bus, noting("f", &j))
	retinuetest.Append(t, bus, paid{1}, paid{2}, paid{3})
	retinuetest.Step(t, bus, "f")
	j.want(t, "1")
	retinuetest.Step(t, bus, "f")
	j.want(t, "1 2")
	retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f"})
	retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Times: 1, Reason: retinuetest.ErrInjected}, func() {
		retinuetest.Release(t, bus, "f")
	})
	retinuetest.Await(t, bus, "f", messages.EventID(3))
	bus = retinuetest.Crash(t, bus, retinuetest.Cut{Unsynced: 50, Seed: 3})
	retinuetest.RunUntilIdle(t, bus)
	j.want(t, "1 2 3")
}

func TestRunUntilIdleLetsNoTimePassWhereNothingIsLeftToDo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		retinuetest.Follow(t, bus, refusing("failing"))
		retinuetest.Follow(t, bus, noting("f", &j))
		retinuetest.Append(t, bus, paid{1}, paid{2})
		start := time.Now()
		retinuetest.RunUntilIdle(t, bus)
		if d := time.Since(start); d != 0 {
			t.Errorf("it took %v", d)
		}
		j.want(t, "1 2")
		if s := retinuetest.StatusOf(t, bus, "failing"); s.State != "backing off" || s.Failures != 1 {
			t.Errorf("status = %+v", s)
		}
	})
}

func TestRunUntilIdleWaitsForReactionsThatSleep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		retinuetest.Follow(t, bus, followers.Follower{Name: "f", Every: func(*followers.Turn) error {
			time.Sleep(30 * time.Second)
			j.add("slept")
			return nil
		}})
		retinuetest.Append(t, bus, paid{1}, paid{2})
		retinuetest.RunUntilIdle(t, bus)
		j.want(t, "slept slept")
	})
}

func TestWaitingInVainTellsHowFollowersFare(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		at := retinuetest.Append(t, bus, paid{1})
		retinuetest.Follow(t, bus, followers.Follower{Name: "slow", Every: func(turn *followers.Turn) error {
			<-turn.Context().Done()
			return nil
		}})
		retinuetest.Follow(t, bus, refusing("failing"))
		try := func(f func(t retinuetest.TB)) []string { return retinuetest.Try(f) }
		complains(t, try(func(t retinuetest.TB) { retinuetest.RunUntilIdle(t, bus) }),
			"do not come to rest", `"slow": running`, "cursor 1 of 2 in the permanent log", `"failing": backing off`)
		complains(t, try(func(t retinuetest.TB) { retinuetest.Await(t, bus, "failing", at) }),
			`await "failing"`, "failures, the last at entry 1: the reaction refuses", `"slow": running`)
		complains(t, try(func(t retinuetest.TB) { retinuetest.StatusOf(t, bus, "none") }), `no follower "none"`, `"slow"`)
		complains(t, try(func(t retinuetest.TB) { retinuetest.Append(t, bus) }), "append:", "no events")
		complains(t, try(func(t retinuetest.TB) { retinuetest.Follow(t, bus, refusing("failing")) }), `follow "failing"`, "exists")
		complains(t, try(func(t retinuetest.TB) { retinuetest.Follow(t, bus, followers.Follower{Name: "x"}) }), `follow "x"`, "exactly one")
	})
}

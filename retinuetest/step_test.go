package retinuetest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

func TestStepTakesExactlyOneTurnAndMakesItDurable(t *testing.T) {
	eachForm(t, func(t *testing.T, f followers.Follower, j *journal) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Hold(t, bus, "f")
		retinuetest.Follow(t, bus, f)
		for i, id := range []string{"1", "1 2", "1 2 3"} {
			at := retinuetest.Append(t, bus, paid{i})
			if f.Batch == nil {
				retinuetest.Append(t, bus, paid{i}) // one ahead
			}
			retinuetest.RunUntilIdle(t, bus)
			d := retinuetest.Step(t, bus, "f")
			if d.Turn != i+1 || d.Err != nil || d.Attempt != 1 || len(d.Entries) != 1 || d.Entries[0].ID != messages.EventID(i+1) {
				t.Errorf("delivery = %+v", d)
			}
			j.want(t, id)
			bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
			if c := retinuetest.StatusOf(t, bus, "f").Cursor; c != uint64(i+2) {
				t.Errorf("cursor = %d after step %d and a crash", c, i+1)
			}
			if n := len(retinuetest.Entries[seen](t, bus)); n != i+1 {
				t.Errorf("%d events of turns, want %d, at %v", n, i+1, at)
			}
		}
	})
}

func TestStepOverAFailureReturnsItAndWaitsOutTheBackoff(t *testing.T) {
	eachForm(t, func(t *testing.T, f followers.Follower, j *journal) {
		bus := retinuetest.Open(t, nil)
		f.Poison = followers.Poison{Action: followers.Park, After: 3}
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Times: 3})
		retinuetest.Hold(t, bus, "f")
		retinuetest.Follow(t, bus, f)
		retinuetest.Append(t, bus, paid{1})
		for attempt := 1; attempt <= 3; attempt++ {
			d := retinuetest.Step(t, bus, "f")
			if !errors.Is(d.Err, retinuetest.ErrInjected) || d.Attempt != attempt {
				t.Errorf("attempt %d: %+v", attempt, d)
			}
			s := retinuetest.StatusOf(t, bus, "f")
			if want := attempt % 3; s.Attempts != want || (attempt == 3) != (s.Parked == 1) {
				t.Errorf("status after attempt %d = %+v", attempt, s)
			}
		}
		j.want(t, "")
		if n := len(retinuetest.Failures(t, bus)); n != 3 {
			t.Errorf("%d failures", n)
		}
	})
}

func TestStepKnowsATurnThatIsRefusedAtItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Follow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
			_ = turn.Set(nil, nil)
			return nil
		}})
		retinuetest.Hold(t, bus, "f")
		retinuetest.Append(t, bus, paid{1})
		if d := retinuetest.Step(t, bus, "f"); !errors.Is(d.Err, messages.ErrInvalid) {
			t.Errorf("delivery = %+v", d)
		}
	})
}

func TestAHeldFollowerLagsAndItsSiblingsDoNot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var held, free journal
		retinuetest.Follow(t, bus, noting("held", &held))
		retinuetest.Follow(t, bus, noting("free", &free))
		retinuetest.Hold(t, bus, "held")
		retinuetest.Append(t, bus, paid{1}, paid{2})
		retinuetest.RunUntilIdle(t, bus)
		free.want(t, "1 2")
		held.want(t, "")
		if lag := retinuetest.StatusOf(t, bus, "held").Lag; lag != 2 {
			t.Errorf("lag = %d", lag)
		}
		retinuetest.Release(t, bus, "held")
		retinuetest.RunUntilIdle(t, bus)
		held.want(t, "1 2")
	})
}

func TestATurnThatWasUnderWayAtHoldIsHeldWhenItComesAgain(t *testing.T) {
	eachForm(t, func(t *testing.T, f followers.Follower, j *journal) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Do: retinuetest.Stall})
		retinuetest.Follow(t, bus, f)
		retinuetest.Append(t, bus, paid{1})
		retinuetest.RunUntilIdle(t, bus)
		retinuetest.Hold(t, bus, "f")
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		retinuetest.RunUntilIdle(t, bus)
		j.want(t, "")
		if d := retinuetest.Step(t, bus, "f"); d.Err != nil || d.Turn != 2 {
			t.Errorf("delivery = %+v", d)
		}
		j.want(t, "1")
	})
}

func TestStepSaysWhyThereIsNoTurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		step := func(name string) []string {
			return retinuetest.Try(func(t retinuetest.TB) { retinuetest.Step(t, bus, name) })
		}
		complains(t, step("f"), `step "f": it was not followed through retinuetest.Follow`)
		retinuetest.Follow(t, bus, noting("f", &j))
		complains(t, step("f"), "there is no turn to take: the follower is idle", `"f": idle (waiting for entries), cursor 1 of 1`)
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		retinuetest.Append(t, bus, paid{1})
		complains(t, step("f"), "the follower is paused")
		retinuetest.Follow(t, bus, followers.Follower{Name: "stuck", Every: func(turn *followers.Turn) error {
			<-turn.Context().Done()
			return nil
		}})
		synctest.Wait()
		complains(t, step("stuck"), `step "stuck": no turn begins`, `"stuck": running`)
	})
}

func TestAFaultStrikesItsTurnBeforeOrAfterTheCommit(t *testing.T) {
	ways := map[string]retinuetest.Do{"fail": retinuetest.Fail, "panic": retinuetest.Panic, "Goexit": retinuetest.Goexit}
	for way, do := range ways {
		for _, c := range []struct {
			name    string
			when    retinuetest.When
			journal string
			failed  uint64
		}{
			{"before", retinuetest.Before, "1 2 3", 2},
			{"before the commit", retinuetest.BeforeCommit, "1 2 2 3", 2},
			{"after the commit", retinuetest.AfterCommit, "1 2 3", 3},
		} {
			t.Run(way+" "+c.name, func(t *testing.T) {
				eachForm(t, func(t *testing.T, f followers.Follower, j *journal) {
					bus := retinuetest.Open(t, nil)
					retinuetest.Follow(t, bus, f)
					retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Turn: 2, Do: do, When: c.when, Err: errRefused})
					want := retinuetest.Expected{Follower: "f", Times: 1}
					if do != retinuetest.Goexit {
						want.Reason = errRefused
					}
					retinuetest.ExpectFailures(t, bus, want, func() {
						for i := range 3 {
							retinuetest.Append(t, bus, paid{i})
							retinuetest.RunUntilIdle(t, bus)
						}
					})
					retinuetest.Await(t, bus, "f", messages.EventID(3))
					if got := retinuetest.Failures(t, bus)[0].Entry; got != c.failed {
						t.Errorf("entry %d is to blame, want %d", got, c.failed)
					}
					if n := len(retinuetest.Entries[seen](t, bus)); n != 3 {
						t.Errorf("%d events of turns, want 3", n)
					}
					if f.Batch == nil {
						j.want(t, c.journal)
					}
				})
			})
		}
	}
}

func TestATurnIsCommittedWhenWhatFollowsItsCommitStrikes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Turn: 2, Do: retinuetest.Stall, When: retinuetest.AfterCommit})
		retinuetest.Append(t, bus, paid{1}, paid{2}, paid{3})
		retinuetest.Follow(t, bus, noting("f", &j))
		retinuetest.RunUntilIdle(t, bus)
		if c := retinuetest.StatusOf(t, bus, "f").Cursor; c != 3 {
			t.Errorf("cursor = %d, want 3", c)
		}
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
		retinuetest.RunUntilIdle(t, bus)
		j.want(t, "1 2 3")
	})
}

func TestAStallEndsByReleaseByItsContextOrByACrash(t *testing.T) {
	for _, do := range []retinuetest.Do{retinuetest.Stall, retinuetest.Hang} {
		eachForm(t, func(t *testing.T, f followers.Follower, j *journal) {
			bus := retinuetest.Open(t, nil)
			fault := retinuetest.Fault{Follower: "f", Do: do, When: retinuetest.BeforeCommit}
			retinuetest.Inject(t, bus, fault)
			retinuetest.Follow(t, bus, f)
			at := retinuetest.Append(t, bus, paid{1})
			retinuetest.RunUntilIdle(t, bus)
			complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.Await(t, bus, "f", at) }), "kept by the test")
			retinuetest.Release(t, bus, "f")
			retinuetest.Await(t, bus, "f", at)
			j.want(t, "1")

			retinuetest.Inject(t, bus, fault)
			retinuetest.Append(t, bus, paid{2})
			retinuetest.RunUntilIdle(t, bus)
			bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
			retinuetest.RunUntilIdle(t, bus)
			j.want(t, "1 2 2")

			retinuetest.Inject(t, bus, fault)
			retinuetest.Append(t, bus, paid{3})
			retinuetest.RunUntilIdle(t, bus)
		})
	}
}

func TestAStallPastTheTimeoutFailsTheTurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		f := noting("f", &j)
		f.Timeout = time.Second
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Do: retinuetest.Stall})
		retinuetest.Follow(t, bus, f)
		retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Times: 1, Reason: messages.ErrTimeout}, func() {
			retinuetest.Append(t, bus, paid{1})
		})
		retinuetest.Await(t, bus, "f", messages.EventID(1))
	})
}

func TestInjectSaysWhyItDoesNot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		retinuetest.Follow(t, bus, noting("f", &j))
		retinuetest.Await(t, bus, "f", retinuetest.Append(t, bus, paid{1}, paid{2}))
		inject := func(f retinuetest.Fault) []string {
			return retinuetest.Try(func(t retinuetest.TB) { retinuetest.Inject(t, bus, f) })
		}
		complains(t, inject(retinuetest.Fault{Follower: "f", Turn: 2}), `turn 2 of "f" is over or under way: 2 turns have begun`)
		complains(t, inject(retinuetest.Fault{Follower: "f", Turn: -1}), "makes no sense")
	})
}

func TestExpectFailuresCountsExactly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		f := refusing("f")
		f.Restart = followers.Restart{Budget: 3}
		expect := func(bus *retinue.Bus, want retinuetest.Expected, do func()) []string {
			return retinuetest.Try(func(t retinuetest.TB) { retinuetest.ExpectFailures(t, bus, want, do) })
		}
		complains(t, expect(bus, retinuetest.Expected{Times: 1, Reason: errRefused, Text: "refuses"}, func() {}),
			`0 failures match, want 1 failures with "the reaction refuses" saying "refuses"; what came:`, "no failure came",
			"and now\nthere are no followers")
		retinuetest.Follow(t, bus, f)
		if said := expect(bus, retinuetest.Expected{Follower: "f", Times: 4, Reason: errRefused}, func() {
			retinuetest.Append(t, bus, paid{1})
		}); said != nil {
			t.Errorf("complaints: %q", said)
		}
		all := retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Text: "refuses"}, func() {})
		if all != nil {
			t.Errorf("failures = %v, want none that came before", all)
		}
		all = retinuetest.Failures(t, bus)
		for i, verdict := range []string{"retry", "retry", "retry", "park follower"} {
			if f := all[i]; f.Verdict != verdict || f.Entry != 1 || f.Type != "wallet/paid" || (f.Delay > 0) != (verdict == "retry") {
				t.Errorf("failure %d = %+v", i, f)
			}
		}
		complains(t, expect(bus, retinuetest.Expected{Follower: "f", Times: 1}, func() {
			if err := bus.Resume(t.Context(), "f"); err != nil {
				t.Error(err)
			}
			retinuetest.RunUntilIdle(t, bus)
			time.Sleep(time.Second)
		}), `4 failures match, want 1 failures of "f"`, `"f" at entry 1: the reaction refuses (retry)`, "(park follower)")
	})
}

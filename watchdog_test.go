package retinue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// watched returns options whose stalls go to a list.
func watched(stalls *[]retinue.FollowerStatus) *retinue.Options {
	return &retinue.Options{
		StallAfter: 10 * time.Minute,
		OnStall:    func(f retinue.FollowerStatus) { *stalls = append(*stalls, f) },
	}
}

func TestAFollowerThatDoesNotMoveIsReportedOncePerStall(t *testing.T) {
	for name, do := range map[string]retinuetest.Do{
		"it fails":                                 retinuetest.Fail,
		"it waits until its context ends":          retinuetest.Stall,
		"it does not return, whatever its context": retinuetest.Hang,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var stalls []retinue.FollowerStatus
				bus := retinuetest.Open(t, watched(&stalls))
				retinuetest.Follow(t, bus, refusing("f", followers.Poison{}))
				for round := 1; round <= 2; round++ {
					retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Times: 1000, Do: do})
					at := retinuetest.Append(t, bus, note{"a"})
					time.Sleep(time.Hour)
					synctest.Wait() // for OnStall to have returned
					if len(stalls) != round || stalls[round-1].Name != "f" || stalls[round-1].Lag != 1 || !stalls[round-1].Stalled {
						t.Fatalf("round %d: stalls %+v, want one more of f with a lag of 1", round, stalls)
					}
					if !retinuetest.StatusOf(t, bus, "f").Stalled {
						t.Errorf("round %d: the status does not say so", round)
					}
					retinuetest.Heal(t, bus, "f")
					retinuetest.Await(t, bus, "f", at)
					time.Sleep(time.Hour)
					synctest.Wait() // for OnStall to have returned
					if f := retinuetest.StatusOf(t, bus, "f"); f.Stalled {
						t.Errorf("round %d: status %+v is stalled after it moved on", round, f)
					}
				}
			})
		})
	}
}

func TestAFollowerThatRestsIsNotStalled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var stalls []retinue.FollowerStatus
		bus := retinuetest.Open(t, watched(&stalls))
		var j journal
		parked := refusing("parked", followers.Poison{})
		parked.Restart.Budget = 1
		filtered := noting("filtered", &j)
		filtered.Filter = messages.Filter{Instances: []uint32{7}}
		for _, f := range []followers.Follower{noting("idle", &j), noting("paused", &j), parked, filtered} {
			retinuetest.Follow(t, bus, f)
		}
		if err := bus.Pause(t.Context(), "paused"); err != nil {
			t.Fatal(err)
		}
		retinuetest.Append(t, bus, note{"bad"})
		time.Sleep(24 * time.Hour)
		synctest.Wait() // for OnStall to have returned
		for name, want := range map[string]string{"idle": "idle", "paused": "paused", "parked": "parked", "filtered": "idle"} {
			if s := retinuetest.StatusOf(t, bus, name); string(s.State) != want {
				t.Errorf("%q is %s, the test needs it %s", name, s.State, want)
			}
		}
		if len(stalls) > 0 {
			t.Errorf("stalls %+v, want none", stalls)
		}
	})
}

func TestACallbackThatDoesNotReturnNormallyLeavesTheWatchdogAlive(t *testing.T) {
	for name, escape := range escapes {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				stalled := map[string]int{}
				bus := retinuetest.Open(t, &retinue.Options{StallAfter: time.Minute, OnStall: func(f retinue.FollowerStatus) {
					stalled[f.Name]++
					escape()
				}})
				for _, name := range []string{"a", "b"} {
					retinuetest.Follow(t, bus, refusing(name, followers.Poison{}))
				}
				retinuetest.Append(t, bus, note{"bad"})
				time.Sleep(time.Hour)
				synctest.Wait() // for OnStall to have returned
				if stalled["a"] != 1 || stalled["b"] != 1 {
					t.Errorf("stalls by follower: %v, want one each", stalled)
				}
			})
		})
	}
}

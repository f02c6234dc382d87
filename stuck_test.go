package retinue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

func TestATurnThatIgnoresItsTimeoutIsStuckAndNotReplacedWhileItRuns(t *testing.T) {
	for _, form := range []string{"reactions", "every", "batch", "props"} {
		t.Run(form, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				var j journal
				f := forms(&j)[form]
				f.Name, f.Timeout = "f", time.Second
				retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Do: retinuetest.Hang, When: retinuetest.BeforeCommit})
				retinuetest.Follow(t, bus, f)
				at := retinuetest.Append(t, bus, note{"a"})
				time.Sleep(time.Hour)
				if s := retinuetest.StatusOf(t, bus, "f"); s.State != "stuck" || s.Why == "" || s.Cursor != 1 || s.Restarts != 0 {
					t.Errorf("status = %+v, want stuck at entry 1", s)
				}
				j.want(t, "a")
				retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "f", Times: 1, Reason: messages.ErrTimeout}, func() {
					retinuetest.Release(t, bus, "f")
				})
				retinuetest.Await(t, bus, "f", at)
				j.want(t, "a", "a")
				if s := retinuetest.StatusOf(t, bus, "f"); s.State == "stuck" || s.Restarts != 1 || s.Handled != 1 {
					t.Errorf("status = %+v, want it to have gone on", s)
				}
			})
		})
	}
}

// stopHost does what no program should do to follower "f".
func stopHost(t testing.TB, bus *retinue.Bus) {
	t.Helper()
	system := retinuetest.System(t, bus)
	system.Root.Stop(actor.NewPID(system.Address(), "retinue-store/followers/f/host"))
}

func TestAHostThatIsStoppedFromOutsideDuringATurnIsReplacedAfterIt(t *testing.T) {
	for _, form := range []string{"reactions", "every", "batch", "props"} {
		t.Run(form, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				var j journal
				f := forms(&j)[form]
				f.Name = "f"
				retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Do: retinuetest.Hang, When: retinuetest.BeforeCommit})
				retinuetest.Follow(t, bus, f)
				at := retinuetest.Append(t, bus, note{"a"})
				retinuetest.RunUntilIdle(t, bus)
				stopHost(t, bus)
				time.Sleep(time.Hour)
				j.want(t, "a")
				retinuetest.Release(t, bus, "f")
				retinuetest.Await(t, bus, "f", at)
				retinuetest.Await(t, bus, "f", retinuetest.Append(t, bus, note{"b"}))
				if s := retinuetest.StatusOf(t, bus, "f"); s.Handled != 2 || s.Restarts != 1 || s.Failures != 0 {
					t.Errorf("status = %+v, want each entry handled once", s)
				}
			})
		})
	}
}

// Commands give up on a reaction that ignores its context, in any order, and
// the follower goes on with each entry in turn all the same.
func TestAFollowerNeverSkipsNorRunsTwiceAtOnceWhateverIsAskedOfIt(t *testing.T) {
	for _, form := range []string{"every", "batch", "props"} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s, seed %d", form, seed), func(t *testing.T) {
				inBubble(t, func(t *testing.T) { askedOfInBubble(t, form, rand.New(rand.NewPCG(seed, 0))) })
			})
		}
	}
}

func askedOfInBubble(t *testing.T, form string, rng *rand.Rand) {
	var inside atomic.Int32
	react := func(turn *followers.Turn, entries []messages.Entry) error {
		if inside.Add(1) != 1 {
			t.Error("two turns at once")
		}
		defer inside.Add(-1)
		if turn.Attempt() == 1 && turn.Entry().ID%3 == 0 {
			time.Sleep(3 * time.Second) // over the time that it has
		}
		time.Sleep(time.Second)
		for _, e := range entries {
			if err := increment(turn, fmt.Sprintf("%02d", e.ID)); err != nil {
				return err
			}
		}
		return nil
	}
	one := func(turn *followers.Turn) error { return react(turn, []messages.Entry{turn.Entry()}) }
	f := map[string]followers.Follower{
		"every": {Every: one},
		"batch": {Batch: react},
		"props": raw("", func(_ rawContext, d *followers.Deliver) error { return one(d.Turn) }),
	}[form]
	f.Name, f.Timeout = "f", 2*time.Second

	bus := retinuetest.Open(t, nil)
	mustFollow(t, bus, f)
	var want []string
	for id := range 12 {
		want = append(want, fmt.Sprintf("%02d=1", id+1))
	}
	ask := []func(context.Context) error{
		func(ctx context.Context) error { return bus.Pause(ctx, "f") },
		func(ctx context.Context) error { return bus.Resume(ctx, "f") },
		func(ctx context.Context) error {
			here := retinuetest.StatusOf(t, bus, "f").Position()
			return bus.Seek(ctx, "f", here, here)
		},
		func(ctx context.Context) error { return bus.Unfollow(ctx, "f") },
		func(context.Context) error { return bus.Follow(f) },
		func(context.Context) error { stopHost(t, bus); return nil },
		func(ctx context.Context) error { return bus.Await(ctx, "f", messages.EventID(1)) },
	}
	for i := range 60 {
		if i%5 == 0 {
			putTexts(t, bus, "a")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_ = ask[rng.IntN(len(ask))](ctx) // may give up
		cancel()
		time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
	}
	_ = bus.Follow(f)
	if err := bus.Resume(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	retinuetest.Await(t, bus, "f", messages.EventID(12))
	wantKeys(t, bus, "f", want...)
}

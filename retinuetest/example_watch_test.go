package retinuetest_test

import (
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// A program that ends in the ordinary way goes on where it was.
func ExampleReopen() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Follow(t, bus, balance())
		retinuetest.Await(t, bus, "balance", retinuetest.Append(t, bus, Deposited{"alice", 60}))
		bus = retinuetest.Reopen(t, bus)
		retinuetest.Await(t, bus, "balance", retinuetest.Append(t, bus, Deposited{"alice", 60}))
		for _, turn := range retinuetest.Turns(t, bus, "balance") {
			fmt.Printf("turn %d: %s, attempt %d\n", turn.Turn, turn.Entries[0].Payload, turn.Attempt)
		}
	})
	// Output:
	// turn 1: {"Account":"alice","Sats":60}, attempt 1
	// turn 2: {"Account":"alice","Sats":60}, attempt 1
}

// No failure is expected here; what came instead is told.
func ExampleExpectFailures() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		f := balance()
		f.Poison = followers.Poison{Action: followers.Park, After: 1}
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "balance", Err: errors.New("no paper")})
		retinuetest.Follow(t, bus, f)
		retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "balance"}, func() {
			retinuetest.Append(t, bus, Deposited{"alice", 60})
			retinuetest.RunUntilIdle(t, bus)
		})
	})
	// Output:
	// FAIL: 1 failures match, want 0 failures of "balance"; what came:
	// "balance" at entry 1: no paper (park entry)
}

// Heal ends a plan that would go on for a while.
func ExampleHeal() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "balance", Times: 1000, Do: retinuetest.Hang})
		retinuetest.Follow(t, bus, balance())
		at := retinuetest.Append(t, bus, Deposited{"alice", 100})
		retinuetest.RunUntilIdle(t, bus)
		fmt.Println("lag", retinuetest.StatusOf(t, bus, "balance").Lag)
		retinuetest.Heal(t, bus, "balance")
		retinuetest.Await(t, bus, "balance", at)
		fmt.Println(retinuetest.Entries[Congratulated](t, bus))
	})
	// Output:
	// lag 1
	// [{alice}]
}

// A probe watches any actor, that of a follower too.
func ExampleExpectTerminated() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		probe := retinuetest.NewProbe(t, bus)
		retinuetest.Follow(t, bus, probe.Follower("probe", messages.Permanent))
		retinuetest.Expect[*followers.CaughtUp](t, probe)
		retinuetest.ExpectNone(t, probe, 0)
		if err := bus.Unfollow(t.Context(), "probe"); err != nil {
			t.Fatalf("unfollow: %v", err)
		}
		retinuetest.ExpectTerminated(t, probe, probe.Behaviour())
		retinuetest.Append(t, bus, Deposited{"alice", 60})
		retinuetest.ExpectNone(t, probe, 0)
	})
	// Output:
}

func ExampleWatchDeadLetters() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		retinuetest.WatchDeadLetters(t, bus)
		system := retinuetest.System(t, bus)
		system.Root.Send(actor.NewPID(system.Address(), "cashier"), "are you there?")
	})
	// Output:
	// FAIL: 1 dead letters:
	// string are you there? to cashier
}

// CheckLeaks comes before Open, so that it looks when all is closed.
func ExampleCheckLeaks() {
	test(func(t retinuetest.TB) {
		retinuetest.CheckLeaks(t)
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, Deposited{"alice", 60})
	})
	// Output:
}

// The second sync from now on fails: what was acknowledged before is there
// when a new process opens the store.
func ExampleDisk() {
	test(func(t retinuetest.TB) {
		disk := retinuetest.NewDisk()
		bus := retinuetest.Open(t, &retinue.Options{FS: disk})
		disk.FailSync(2)
		_, first := bus.Append(t.Context(), Deposited{"alice", 1})
		_, second := bus.Append(t.Context(), Deposited{"alice", 2})
		fmt.Println(first, errors.Is(second, messages.ErrFailed), disk.Hits())
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
		fmt.Println(retinuetest.Entries[Deposited](t, bus)[0])
	})
	// Output:
	// <nil> true 1
	// {alice 1}
}

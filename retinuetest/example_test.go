package retinuetest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

type Deposited struct {
	Account string
	Sats    int
}

type Congratulated struct{ Account string }

func (Deposited) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "deposited"}
}

func (Congratulated) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "congratulated"}
}

// book adds a deposit to its account, and congratulates at 100.
func book(t *followers.Turn, e Deposited) error {
	old, err := t.Get([]byte(e.Account))
	if err != nil {
		return err
	}
	sum, _ := strconv.Atoi(string(old))
	if sum < 100 && sum+e.Sats >= 100 {
		if err := t.Append(Congratulated{e.Account}); err != nil {
			return err
		}
	}
	return t.Set([]byte(e.Account), strconv.AppendInt(nil, int64(sum+e.Sats), 10))
}

func balance() followers.Follower {
	return followers.Follower{Name: "balance", Reactions: []followers.Reaction{followers.On(book)}}
}

// test stands for a test's function: func TestX(t *testing.T), best with
// synctest.Test around its body. It prints what the test complains of.
func test(f func(t retinuetest.TB)) {
	for _, complaint := range retinuetest.Try(f) {
		fmt.Println("FAIL:", complaint)
	}
}

// A reaction needs no bus to be tested.
func Example_reaction() {
	test(func(t retinuetest.TB) {
		store := followers.NewMemory()
		_ = store.Set([]byte("alice"), []byte("90"))
		event := Deposited{"alice", 20}
		turn := followers.NewTurn(context.Background(), retinuetest.EntryOf(t, 7, event), store)
		err := book(turn, event)
		sum, _ := store.Get([]byte("alice"))
		fmt.Printf("%s sats, error %v\n", sum, err)
		retinuetest.WantEvents(t, turn.Appended(), Congratulated{"alice"})
	})
	// Output: 110 sats, error <nil>
}

func Example() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Follow(t, bus, balance())
		retinuetest.Await(t, bus, "balance", retinuetest.Append(t, bus, Deposited{"alice", 60}, Deposited{"alice", 60}))
		fmt.Println(retinuetest.Entries[Congratulated](t, bus))
	})
	// Output: [{alice}]
}

// What a power cut leaves is opened again, and followed again.
func ExampleCrash() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Follow(t, bus, balance())
		retinuetest.Append(t, bus, Deposited{"alice", 60})
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{Unsynced: 30, Seed: 7})
		retinuetest.Append(t, bus, Deposited{"alice", 60})
		retinuetest.RunUntilIdle(t, bus)
		fmt.Println(retinuetest.Kinds(t, bus))
	})
	// Output: [wallet/deposited wallet/deposited wallet/congratulated]
}

func ExampleStep() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Hold(t, bus, "balance")
		retinuetest.Follow(t, bus, balance())
		retinuetest.Append(t, bus, Deposited{"alice", 1}, Deposited{"alice", 2})
		for range 2 {
			d := retinuetest.Step(t, bus, "balance")
			fmt.Printf("turn %d: %s, error %v\n", d.Turn, d.Entries[0].Payload, d.Err)
		}
	})
	// Output:
	// turn 1: {"Account":"alice","Sats":1}, error <nil>
	// turn 2: {"Account":"alice","Sats":2}, error <nil>
}

// A turn that fails just before its commit leaves nothing, and comes again.
func ExampleInject() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		broken := errors.New("no paper")
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "balance", Turn: 1, When: retinuetest.BeforeCommit, Err: broken})
		retinuetest.Follow(t, bus, balance())
		retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "balance", Times: 1, Reason: broken}, func() {
			retinuetest.Await(t, bus, "balance", retinuetest.Append(t, bus, Deposited{"alice", 100}))
		})
		fmt.Println(retinuetest.Entries[Congratulated](t, bus))
	})
	// Output: [{alice}]
}

func ExampleAppended() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		got := retinuetest.Appended(t, bus, func() {
			retinuetest.Append(t, bus, Deposited{"alice", 60})
		})
		retinuetest.WantEvents(t, got, Deposited{"alice", 61})
	})
	// Output:
	// FAIL: 1 events were appended, want 1:
	// ! 1: got wallet/deposited {"Account":"alice","Sats":60}, want wallet/deposited {"Account":"alice","Sats":61}
}

func ExampleRoundTrip() {
	test(func(t retinuetest.TB) {
		retinuetest.RoundTrip(t, Deposited{"alice", 60})
	})
	// Output:
}

func ExampleWantTree() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, &retinue.Options{Name: "wallet"})
		retinuetest.Follow(t, bus, balance())
		retinuetest.RunUntilIdle(t, bus)
		_ = bus.Pause(t.Context(), "balance")
		retinuetest.WantTree(t, bus, `
			retinue-wallet #1 running
			├─ writer #1 running
			├─ trimmer #1 running
			└─ followers #1 running
			   └─ balance #1 paused
			      └─ host #1 paused
		`)
	})
	// Output:
}

// A probe is a follower that keeps what arrives until the test asks for it.
func ExampleProbe() {
	test(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		probe := retinuetest.NewProbe(t, bus)
		retinuetest.Follow(t, bus, probe.Follower("probe", messages.Permanent))
		retinuetest.Expect[*followers.CaughtUp](t, probe)
		retinuetest.Append(t, bus, Deposited{"alice", 60})
		fmt.Println(retinuetest.ExpectEvent[Deposited](t, probe))
	})
	// Output: {alice 60}
}

// Try shows what a helper says when it fails.
func ExampleTry() {
	complaints := retinuetest.Try(func(t retinuetest.TB) {
		bus := retinuetest.Open(t, nil)
		retinuetest.StatusOf(t, bus, "balance")
	})
	fmt.Println(complaints[0])
	// Output:
	// there is no follower "balance"
	// there are no followers
}

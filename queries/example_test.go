package queries_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries"
)

// Deposited is at its second version: the first counted in Amount and did not
// say in what.
type Deposited struct {
	Account  string
	Sats     uint64
	Currency string
}

func (Deposited) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "deposited", Version: 1}
}

func (Deposited) UpcastEvent(from uint32, payload []byte) ([]byte, error) {
	return messages.EditJSON(payload, func(o *messages.Object) error {
		switch from {
		case 0:
			o.Rename("Amount", "Sats")
			return o.Set("Currency", "BTC")
		}
		return fmt.Errorf("no version %d", from)
	})
}

// DepositedBefore is what an earlier release appended.
type DepositedBefore struct {
	Account string
	Amount  uint64
}

func (DepositedBefore) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "deposited"}
}

// Thanked follows each deposit.
type Thanked struct{ Account string }

func (Thanked) EventType() messages.Type { return messages.Type{Module: "shop", Kind: "thanked"} }

// Noted is kept for a while only.
type Noted struct{ Text string }

func (Noted) EventType() messages.Type {
	return messages.Type{Module: "shop", Kind: "noted", Persistence: messages.Trimmable}
}

// open returns a bus in memory whose follower thanks for each deposit.
func open() *retinue.Bus {
	bus, err := retinue.Open("wallet.db", &retinue.Options{FS: vfs.NewMem()})
	check(err)
	check(bus.Follow(followers.Follower{Name: "thanks", Log: messages.TrimmableLog, Reactions: []followers.Reaction{
		followers.On(func(t *followers.Turn, d Deposited) error { return t.Append(Thanked{d.Account}) }),
		followers.On(func(t *followers.Turn, d Thanked) error { return t.Append(Noted{"thanked " + d.Account}) }),
	}}))
	return bus
}

// deposits appends events and waits until what they lead to is there.
func deposits(bus *retinue.Bus, events ...messages.Event) messages.Receipt {
	ctx := context.Background()
	at, err := bus.Append(ctx, events...)
	check(err)
	for range 2 { // thanks lead to a note
		check(bus.CaughtUp(ctx, "thanks"))
	}
	return at
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func ExampleEach() {
	ctx, bus := context.Background(), open()
	defer bus.Close()
	deposits(bus, DepositedBefore{"alice", 21}, Deposited{"bob", 5, "BTC"})

	for d, err := range queries.Each[Deposited](ctx, bus, retinue.Query{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("entry %v, written as version %d: %+v\n", d.Entry.ID, d.Entry.Type.Version, d.Event)
	}
	// Output:
	// entry 1, written as version 0: {Account:alice Sats:21 Currency:BTC}
	// entry 2, written as version 1: {Account:bob Sats:5 Currency:BTC}
}

// A query names what it wants in the fields of a literal.
func ExampleEach_choosing() {
	ctx, bus := context.Background(), open()
	defer bus.Close()
	sunday := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	deposits(bus,
		messages.Draft{Event: Deposited{"alice", 21, "BTC"}, Correlation: "order 7", Time: sunday},
		messages.Draft{Event: Deposited{"bob", 5, "BTC"}, Correlation: "order 8", Time: sunday.AddDate(0, 0, 1)},
		messages.Draft{Event: Deposited{"alice", 3, "BTC"}, Correlation: "order 7", Time: sunday.AddDate(0, 0, 2)},
	)
	print := func(what string, q retinue.Query) {
		fmt.Printf("%-14s", what)
		for d, err := range queries.Each[Deposited](ctx, bus, q) {
			check(err)
			fmt.Printf(" %s %d", d.Event.Account, d.Event.Sats)
		}
		fmt.Println()
	}
	print("last two:", retinue.Query{Reverse: true, Limit: 2})
	print("from id 2:", retinue.Query{From: messages.EventID(2)})
	print("order 7:", retinue.Query{Filter: messages.Filter{Correlations: []string{"order 7"}}})
	print("since monday:", retinue.Query{Filter: messages.Filter{HappenedSince: sunday.Truncate(24*time.Hour).AddDate(0, 0, 1)}})
	print("last hour:", retinue.Query{Since: time.Now().Add(-time.Hour)})
	// Output:
	// last two:      alice 3 bob 5
	// from id 2:     bob 5 alice 3
	// order 7:       alice 21 alice 3
	// since monday:  bob 5 alice 3
	// last hour:     alice 21 bob 5 alice 3
}

// The loop says what becomes of an entry that does not decode.
func ExampleEach_undecodable() {
	ctx, bus := context.Background(), open()
	defer bus.Close()
	deposits(bus, DepositedBefore{"alice", 21}, Deposited{"bob", 5, "BTC"})

	// An older program reads what a newer one has written.
	for d, err := range queries.Each[DepositedBefore](ctx, bus, retinue.Query{}) {
		switch {
		case errors.Is(err, messages.ErrDecode): // continue leaves it out, return stops here
			fmt.Printf("raw: %s\n", d.Entry.Payload)
		case err != nil:
			fmt.Println(err)
			return
		default:
			fmt.Printf("%+v\n", d.Event)
		}
	}
	// Output:
	// {Account:alice Amount:21}
	// raw: {"Account":"bob","Sats":5,"Currency":"BTC"}
}

// Stats tells what a query cost.
func ExampleEach_stats() {
	ctx := context.Background()
	opts := &retinue.Options{FS: vfs.NewMem()}
	bus, err := retinue.Open("wallet.db", opts)
	check(err)
	for i := range 50 {
		events := make([]messages.Event, 100)
		for j := range events {
			events[j] = messages.Draft{Event: Deposited{"alice", uint64(100*i + j), "BTC"}}
		}
		_, err := bus.Append(ctx, events...)
		check(err)
	}
	_, err = bus.Append(ctx, Thanked{"alice"})
	check(err)
	check(bus.Close()) // what is still in memory costs no bytes
	bus, err = retinue.Open("wallet.db", opts)
	check(err)
	defer bus.Close()

	var all, rare retinue.ReadStats
	for _, err := range bus.Entries(ctx, retinue.Query{Stats: &all}) {
		check(err)
	}
	for d, err := range queries.Each[Thanked](ctx, bus, retinue.Query{Stats: &rare}) {
		check(err)
		fmt.Println("found entry", d.Entry.ID)
	}
	fmt.Printf("looked at less than 1 in 50: %v\n", rare.Entries < all.Entries/50)
	fmt.Printf("read less than 1 byte in 10: %v\n", rare.Bytes < all.Bytes/10)
	// Output:
	// found entry 5001
	// looked at less than 1 in 50: true
	// read less than 1 byte in 10: true
}

func ExampleWhy() {
	ctx, bus := context.Background(), open()
	defer bus.Close()
	deposits(bus, Deposited{"alice", 21, "BTC"})

	for link, err := range queries.Why(ctx, bus, messages.TrimmableID(3)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if link.Trimmed {
			fmt.Println("because of something that was trimmed")
			return
		}
		fmt.Printf("%d. %v %s\n", link.Depth, link.Entry.Type, link.Entry.Payload)
	}
	// Output:
	// 0. shop/noted {"Text":"thanked alice"}
	// 1. shop/thanked {"Account":"alice"}
	// 2. wallet/deposited {"Account":"alice","Sats":21,"Currency":"BTC"}
}

func ExampleEffects() {
	ctx, bus := context.Background(), open()
	defer bus.Close()
	at := deposits(bus, Deposited{"alice", 21, "BTC"})
	deposits(bus, Deposited{"bob", 5, "BTC"})

	for link, err := range queries.Effects(ctx, bus, at, retinue.Query{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%*s%v %s\n", 2*link.Depth, "", link.Entry.Type, link.Entry.Payload)
	}
	// Output:
	//   shop/thanked {"Account":"alice"}
	//     shop/noted {"Text":"thanked alice"}
}

// A follower passes over the versions that it cannot read yet, and hands on the
// kinds that it does not know.
func Example_followerPolicy() {
	ctx, bus := context.Background(), open()
	defer bus.Close()
	check(bus.Follow(followers.Follower{
		Name: "ledger",
		Reactions: []followers.Reaction{followers.On(func(_ *followers.Turn, d DepositedBefore) error {
			fmt.Printf("booked %+v\n", d)
			return nil
		})},
		Filter:  messages.Filter{Modules: []string{"wallet"}},
		Unknown: followers.GiveRaw,
		Raw: func(t *followers.Turn) error {
			fmt.Printf("set aside %v of version %d\n", t.Entry().Type, t.Entry().Type.Version)
			return nil
		},
	}))
	at := deposits(bus, DepositedBefore{"alice", 21}, Deposited{"bob", 5, "BTC"})
	check(bus.Await(ctx, "ledger", at))
	// Output:
	// booked {Account:alice Amount:21}
	// set aside wallet/deposited of version 1
}

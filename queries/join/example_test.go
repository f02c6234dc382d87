package join_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries"
	"github.com/retinue-go/retinue/queries/join"
)

type (
	Started   struct{ Payment string }
	Succeeded struct {
		Payment string
		Fee     int
	}
	Failed   struct{ Payment, Why string }
	Receipt  struct{ Payment, Text string }
	Delivery struct{ Order, Item string }
	Ordered  struct{ Order string }
)

func (Started) EventType() messages.Type   { return messages.Type{Module: "pay", Kind: "started"} }
func (Succeeded) EventType() messages.Type { return messages.Type{Module: "pay", Kind: "succeeded"} }
func (Failed) EventType() messages.Type    { return messages.Type{Module: "pay", Kind: "failed"} }
func (Receipt) EventType() messages.Type   { return messages.Type{Module: "pay", Kind: "receipt"} }
func (Ordered) EventType() messages.Type   { return messages.Type{Module: "shop", Kind: "ordered"} }
func (Delivery) EventType() messages.Type  { return messages.Type{Module: "shop", Kind: "delivery"} }

var lifeOfPayments = join.Join[Started]{
	Left: join.On(func(e Started) string { return e.Payment }),
	Rights: []join.Right{
		join.With(func(e Succeeded) string { return e.Payment }),
		join.With(func(e Failed) string { return e.Payment }),
	},
	Within:   time.Hour,
	Time:     join.Event,
	Lateness: time.Minute,
}

// onBus runs an example with a bus in a temporary directory.
func onBus(do func(ctx context.Context, bus *retinue.Bus) error) {
	dir, err := os.MkdirTemp("", "join")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer bus.Close()
	if err := do(context.Background(), bus); err != nil {
		log.Fatal(err)
	}
}

// happened is an event with the time at which it happened.
func happened(clock string, e messages.Event) messages.Draft {
	t, err := time.Parse(time.DateTime, "2026-01-02 "+clock)
	if err != nil {
		log.Fatal(err)
	}
	return messages.Draft{Event: e, Time: t}
}

func ExampleJoin_Each() {
	onBus(func(ctx context.Context, bus *retinue.Bus) error {
		_, err := bus.Append(ctx,
			happened("12:00:00", Started{"rent"}),
			happened("12:00:05", Started{"coffee"}),
			happened("12:00:06", Succeeded{"coffee", 3}),
			happened("12:01:00", Failed{"rent", "no route"}),
			happened("12:02:00", Started{"gift"}),
			happened("12:30:00", Succeeded{"alms", 1}),
			happened("14:00:00", Started{"bread"}),
		)
		if err != nil {
			return err
		}
		for r, err := range lifeOfPayments.Each(ctx, bus, retinue.Query{}) {
			if err != nil {
				return err
			}
			switch end := r.Right.(type) {
			case Succeeded:
				fmt.Printf("%s: %v after %v, fee %d\n", r.Key, r.Outcome, r.Took, end.Fee)
			case Failed:
				fmt.Printf("%s: %v after %v, failed: %s\n", r.Key, r.Outcome, r.Took, end.Why)
			case nil:
				fmt.Printf("%s: %v\n", r.Key, r.Outcome)
			}
		}
		return nil
	})
	// Output:
	// coffee: matched after 1s, fee 3
	// rent: matched after 1m0s, failed: no route
	// alms: unmatched after 0s, fee 1
	// gift: timed out
	// bread: open
}

// An order is delivered in parts.
func ExampleJoin_many() {
	onBus(func(ctx context.Context, bus *retinue.Bus) error {
		orders := join.Join[Ordered]{
			Left:   join.On(func(e Ordered) string { return e.Order }),
			Rights: []join.Right{join.With(func(e Delivery) string { return e.Order })},
			Within: 14 * 24 * time.Hour,
			Many:   true,
		}
		if _, err := bus.Append(ctx, Ordered{"7"}, Delivery{"7", "lamp"}, Ordered{"8"}, Delivery{"7", "bulb"}); err != nil {
			return err
		}
		for r, err := range orders.Each(ctx, bus, retinue.Query{}) {
			if err != nil {
				return err
			}
			fmt.Println(r.Key, r.Outcome, r.Right)
		}
		return nil
	})
	// Output:
	// 7 matched {7 lamp}
	// 7 matched {7 bulb}
	// 8 open <nil>
}

// The same join as a follower: each payment that succeeds gets a receipt, once.
func ExampleJoin_Follower() {
	onBus(func(ctx context.Context, bus *retinue.Bus) error {
		payments := lifeOfPayments
		payments.Time, payments.Lateness = join.Ordered, 0
		f, err := payments.Follower(bus, "receipts", func(t *followers.Turn, r join.Result[Started]) error {
			if end, ok := r.Right.(Succeeded); ok && r.Outcome == join.Matched {
				return t.Append(Receipt{r.Key, fmt.Sprintf("paid, with a fee of %d", end.Fee)})
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := bus.Follow(f); err != nil {
			return err
		}
		at, err := bus.Append(ctx, Started{"coffee"}, Started{"rent"}, Succeeded{"coffee", 3}, Failed{"rent", "no route"})
		if err != nil {
			return err
		}
		if err := bus.Await(ctx, "receipts", at); err != nil {
			return err
		}
		for d, err := range queries.Each[Receipt](ctx, bus, retinue.Query{}) {
			if err != nil {
				return err
			}
			fmt.Printf("%s: %s, because of entry %d\n", d.Event.Payment, d.Event.Text, d.Entry.Cause.ID)
		}
		return nil
	})
	// Output:
	// coffee: paid, with a fee of 3, because of entry 3
}

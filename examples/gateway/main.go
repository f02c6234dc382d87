// Gateway is a payments gateway with two ways to pay. Each appends when a
// payment starts, and when it succeeds or fails; what became of the payments of
// the last 24 hours, what they cost and how long they took is read from the
// log, by a join and a summary. A follower with the same join raises payments
// that were not heard of again.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries"
	"github.com/retinue-go/retinue/queries/join"
	"github.com/retinue-go/retinue/queries/summary"
)

// day is what is known of the payments of 24 hours.
type day struct {
	Outcomes summary.Outcomes `json:"outcomes"`
	Sent     summary.Of[Sats] `json:"sent"`
	Fees     summary.Of[Sats] `json:"fees"`
}

// read joins the log once, and takes the payments that started in the last 24
// hours.
func read[M module](ctx context.Context, bus *retinue.Bus) (*day, error) {
	var d day
	since := now.Add(-24 * time.Hour)
	for r, err := range payments[M]().Each(ctx, bus, retinue.Query{}) {
		if err != nil {
			return nil, err
		}
		if r.LeftEntry.Time.Before(since) {
			continue
		}
		_, failed := r.Right.(Failed[M])
		d.Outcomes.Add(r.Outcome, r.Took, failed)
		if end, ok := r.Right.(Succeeded[M]); ok {
			d.Sent.Add(r.Left.Amount)
			d.Fees.Add(end.Fee)
		}
	}
	return &d, nil
}

// combine adds what another module did.
func (d *day) combine(other *day) {
	d.Outcomes.Combine(&other.Outcomes)
	d.Sent.Combine(&other.Sent)
	d.Fees.Combine(&other.Fees)
}

func (d *day) print(name string) {
	o := &d.Outcomes
	fmt.Printf("%s: %d payments, %v, %.1f%% succeeded\n", name, o.Begun(), o.Rate(24*time.Hour), 100*o.SuccessRatio())
	fmt.Printf("  sent        %v\n", d.Sent.Sum())
	fmt.Printf("  fees        %v, %v on average, %v at most\n", d.Fees.Sum(), d.Fees.Mean(), d.Fees.Max())
	fmt.Printf("  succeeded   %v\n", &o.Succeeded)
	fmt.Printf("  failed      %v\n", &o.Failed)
	fmt.Printf("  incomplete  %d, of which %d timed out\n\n", o.Incomplete(), o.TimedOut)
}

// Lost is a payment that was not heard of for an hour.
type Lost struct{ Module, Payment string }

// EventType names the event on disk.
func (Lost) EventType() messages.Type { return messages.Type{Module: "gateway", Kind: "payment-lost"} }

// raise follows the payments of a module and appends a Lost for each that
// times out: once, and also where the gateway does nothing else at that time.
func raise[M module](ctx context.Context, bus *retinue.Bus) error {
	name := kind[M]("").Module + "-lost"
	f, err := payments[M]().Follower(bus, name, func(t *followers.Turn, r join.Result[Started[M]]) error {
		if r.Outcome != join.TimedOut {
			return nil
		}
		return t.Append(Lost{r.LeftEntry.Type.Module, r.Key})
	})
	if err != nil {
		return err
	}
	if err := bus.Follow(f); err != nil {
		return err
	}
	return bus.CaughtUp(ctx, name)
}

func main() {
	dir, err := os.MkdirTemp("", "gateway")
	if err == nil {
		err = run(context.Background(), dir)
		os.RemoveAll(dir)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir string) error {
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		return err
	}
	defer bus.Close()
	if _, err := bus.Append(ctx, happened()...); err != nil {
		return err
	}

	all, err := read[lightning](ctx, bus)
	if err != nil {
		return err
	}
	all.print("lightning")
	other, err := read[ecash](ctx, bus)
	if err != nil {
		return err
	}
	other.print("ecash")
	all.combine(other)
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		return err
	}

	if err := raise[lightning](ctx, bus); err != nil {
		return err
	}
	if err := raise[ecash](ctx, bus); err != nil {
		return err
	}
	lost := 0
	for _, err := range queries.Each[Lost](ctx, bus, retinue.Query{}) {
		if err != nil {
			return err
		}
		lost++
	}
	fmt.Printf("%d payments were lost in 30 hours\n", lost)
	return nil
}

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/join"
)

// Sats is an amount of money.
type Sats int64

// String returns the amount with its unit.
func (s Sats) String() string { return fmt.Sprintf("%d sat", int64(s)) }

// module is a way to pay. The three events of a payment have one shape in
// both, and belong to the module that appends them.
type module interface {
	lightning | ecash
	name() string
}

type (
	lightning struct{}
	ecash     struct{}
)

func (lightning) name() string { return "lightning" }
func (ecash) name() string     { return "ecash" }

func kind[M module](kind string) messages.Type {
	var m M
	return messages.Type{Module: m.name(), Kind: kind}
}

// Started, Succeeded and Failed are the life of a payment.
type (
	Started[M module] struct {
		Payment string
		Amount  Sats
	}
	Succeeded[M module] struct {
		Payment string
		Fee     Sats
	}
	Failed[M module] struct{ Payment, Why string }
)

// EventType names the event on disk.
func (Started[M]) EventType() messages.Type { return kind[M]("payment-started") }

// EventType names the event on disk.
func (Succeeded[M]) EventType() messages.Type { return kind[M]("payment-succeeded") }

// EventType names the event on disk.
func (Failed[M]) EventType() messages.Type { return kind[M]("payment-failed") }

// payments joins the events of a module. They are given the time at which they
// happened, so the join goes by that, and not by when they were appended.
func payments[M module]() join.Join[Started[M]] {
	return join.Join[Started[M]]{
		Left: join.On(func(e Started[M]) string { return e.Payment }),
		Rights: []join.Right{
			join.With(func(e Succeeded[M]) string { return e.Payment }),
			join.With(func(e Failed[M]) string { return e.Payment }),
		},
		Within:   time.Hour,
		Time:     join.Event,
		Lateness: time.Minute,
	}
}

// now is when the example's day ends.
var now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// happened returns what a gateway might have appended in 30 hours, in the
// order of time: a payment every so often, of which a few fail, and a few
// never end.
func happened() []messages.Event {
	drafts := append(
		paid[lightning](2*time.Minute, 900*time.Millisecond, 20),
		paid[ecash](3*time.Minute, 40*time.Millisecond, 0)...)
	slices.SortStableFunc(drafts, func(a, b messages.Draft) int { return a.Time.Compare(b.Time) })
	events := make([]messages.Event, len(drafts))
	for i, d := range drafts {
		events[i] = d
	}
	return events
}

func paid[M module](every, usual time.Duration, base Sats) (drafts []messages.Draft) {
	begin := now.Add(-30 * time.Hour)
	for i := range int(30 * time.Hour / every) {
		id, amount := fmt.Sprint(i), Sats(100+i*i%997*50)
		start := begin.Add(time.Duration(i) * every)
		end := start.Add(usual * time.Duration(10+i*i%31*(i%7)) / 10)
		drafts = append(drafts, messages.Draft{Event: Started[M]{id, amount}, Time: start})
		switch {
		case i%45 == 0: // nobody heard of it again
		case i%12 == 5:
			drafts = append(drafts, messages.Draft{Event: Failed[M]{id, "no route"}, Time: end.Add(10 * usual)})
		default:
			drafts = append(drafts, messages.Draft{Event: Succeeded[M]{id, base + amount/200}, Time: end})
		}
	}
	return drafts
}

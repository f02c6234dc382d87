package main_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// The world of the tests and of docs/cli.md: a shop takes payments; ledger
// books those that succeed, mail writes to their payers and cannot write to
// mallory.
type (
	started struct {
		Payment, Payer string
		Sats           uint64
	}
	succeeded struct {
		Payment, Payer string
		Fee            uint64
	}
	failed struct{ Payment, Why string }
	booked struct{ Payment string }
	seen   struct{ Page string }
)

func (started) EventType() messages.Type   { return messages.Type{Module: "pay", Kind: "started"} }
func (succeeded) EventType() messages.Type { return messages.Type{Module: "pay", Kind: "succeeded"} }
func (failed) EventType() messages.Type    { return messages.Type{Module: "pay", Kind: "failed"} }
func (booked) EventType() messages.Type    { return messages.Type{Module: "ledger", Kind: "booked"} }
func (seen) EventType() messages.Type {
	return messages.Type{Module: "shop", Kind: "seen", Persistence: messages.Trimmable}
}

var errBounced = errors.New("mailbox of mallory: 550 no such user")

// follow starts the followers of the shop.
func follow(bus *retinue.Bus, mallory error) error {
	return errors.Join(
		bus.Follow(followers.Follower{Name: "ledger", Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, e succeeded) error { return t.Append(booked{e.Payment}) }),
		}}),
		bus.Follow(followers.Follower{
			Name: "mail", Poison: followers.Poison{Action: followers.Park, After: 1},
			Key: func(e messages.Entry) string {
				p, err := messages.Decode[succeeded](e)
				if err != nil {
					return ""
				}
				return p.Payer
			},
			Reactions: []followers.Reaction{followers.On(func(_ *followers.Turn, e succeeded) error {
				if e.Payer == "mallory" {
					return mallory
				}
				return nil
			})},
		}),
		bus.Follow(followers.Follower{Name: "pages", Log: messages.TrimmableLog, Every: func(*followers.Turn) error { return nil }}),
	)
}

// trade appends a few payments: twelve, of which the fifth fails, the ninth is
// still open, and mallory makes each fourth from the third on.
func trade(ctx context.Context, bus *retinue.Bus) error {
	for n := 1; n <= 12; n++ {
		payment, payer := fmt.Sprintf("p%d", n), []string{"alice", "bob", "mallory", "carol"}[(n-1)%4]
		begun := time.Date(2026, 3, 1, 9, 30*n, 0, 0, time.UTC)
		ended := begun.Add(time.Duration(n*n) * 700 * time.Millisecond)
		events := []messages.Event{
			seen{"/checkout"},
			messages.Draft{Event: started{payment, payer, uint64(1000 * n)}, Correlation: payment, Time: begun},
		}
		switch n {
		case 5:
			events = append(events, messages.Draft{Event: failed{payment, "no route"}, Correlation: payment, Time: ended})
		case 9:
		default:
			events = append(events, messages.Draft{Event: succeeded{payment, payer, uint64(n)}, Correlation: payment, Time: ended,
				Headers: map[string]string{"traceparent": fmt.Sprintf("00-%032x-%016x-01", n, n)}})
		}
		if _, err := bus.Append(ctx, events...); err != nil {
			return err
		}
		if err := bus.CaughtUp(ctx, "ledger", "mail", "pages"); err != nil {
			return err
		}
	}
	return bus.CaughtUp(ctx, "ledger", "mail", "pages") // with what they appended
}

// Wallet is a small client app: money moves in transactions that check the
// balance, and followers tell of it. One of them fails twice and recovers;
// another cannot handle an entry, which is parked, listed and replayed.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// Moved is money that came, or went where Sats is below 0.
type Moved struct{ Sats int }

// EventType names the event on disk.
func (Moved) EventType() messages.Type { return messages.Type{Module: "wallet", Kind: "moved"} }

// move changes the balance and appends the event, both or neither.
func move(ctx context.Context, bus *retinue.Bus, sats int) (messages.Receipt, error) {
	key := []byte("balance")
	return bus.Update(ctx, func(tx *retinue.Tx) error {
		value, err := tx.Get(key)
		if err != nil {
			return err
		}
		balance, _ := strconv.Atoi(string(value)) // a new wallet has no value
		if balance+sats < 0 {
			return fmt.Errorf("cannot spend %d of %d sats", -sats, balance)
		}
		if err := tx.Set(key, []byte(strconv.Itoa(balance+sats))); err != nil {
			return err
		}
		return tx.Append(Moved{sats})
	})
}

func notify(_ *followers.Turn, e Moved) error {
	fmt.Printf("notify: %+d sats\n", e.Sats)
	return nil
}

// flaky returns a reaction to spending that fails in the first two attempts.
func flaky(name string) []followers.Reaction {
	return []followers.Reaction{followers.On(func(t *followers.Turn, e Moved) error {
		if e.Sats < 0 && t.Attempt() <= 2 {
			return errors.New("no network")
		}
		fmt.Printf("%s: %+d sats in attempt %d\n", name, e.Sats, t.Attempt())
		return nil
	})}
}

func main() {
	dir, err := os.MkdirTemp("", "wallet")
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
	var last messages.Receipt
	for _, sats := range []int{21, -30, -5} {
		if at, err := move(ctx, bus, sats); err != nil {
			fmt.Println("refused:", err)
		} else {
			last = at
		}
	}

	quick := followers.Restart{Initial: 10 * time.Millisecond}
	for _, f := range []followers.Follower{
		{Name: "notify", Reactions: []followers.Reaction{followers.On(notify)}},
		{Name: "backup", Reactions: flaky("backup"), Restart: quick}, // tries for ever
		{Name: "report", Reactions: flaky("report"), Restart: quick, // twice
			Poison: followers.Poison{Action: followers.Park, After: 2}},
	} {
		if err := bus.Follow(f); err != nil {
			return err
		}
		err := bus.Await(ctx, f.Name, last) // through all its retries
		if err != nil && !errors.Is(err, messages.ErrParked) {
			return err
		}
	}
	return replay(ctx, bus)
}

// replay gives what was parked to its follower once more.
func replay(ctx context.Context, bus *retinue.Bus) error {
	for p, err := range bus.Parked("report") {
		if err != nil {
			return err
		}
		fmt.Printf("parked: entry %d after %d attempts: %s\n", p.ID, p.Attempts, p.Error)
	}
	_, err := bus.Replay(ctx, "report", retinue.Replay{All: true}) // or Drop
	return err
}

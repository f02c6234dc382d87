// Embed runs a bus inside a program that has an actor system and a Pebble
// database of its own. The program's key and the event of it are one commit:
// with Commit, or with Stage in a batch that the program commits itself.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Renamed is a user with a new name.
type Renamed struct{ User, Name string }

// EventType names the event on disk.
func (Renamed) EventType() messages.Type { return messages.Type{Module: "users", Kind: "renamed"} }

func main() {
	dir, err := os.MkdirTemp("", "embed")
	if err == nil {
		err = run(context.Background(), dir)
		os.RemoveAll(dir)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run opens what the program has, and the bus in it.
func run(ctx context.Context, dir string) error {
	quiet := func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }
	system := actor.NewActorSystem(actor.WithLoggerFactory(quiet))
	defer system.Shutdown()

	options := &pebble.Options{}
	fence := persistence.Configure(options) // before the database is opened
	db, err := pebble.Open(dir, options)
	if err != nil {
		return err
	}
	defer db.Close()

	bus, err := retinue.Open("", &retinue.Options{
		ActorSystem: system, DB: db, Prefix: []byte("bus/"), Fence: fence,
	})
	if err != nil {
		return err
	}
	defer bus.Close() // before the database, which it leaves open
	return use(ctx, bus, db)
}

func use(ctx context.Context, bus *retinue.Bus, db *pebble.DB) error {
	// The normal way: the bus commits the program's batch.
	batch := db.NewBatch()
	defer batch.Close()
	if err := batch.Set([]byte("users/1"), []byte("Ada"), nil); err != nil {
		return err
	}
	if _, err := bus.Commit(ctx, batch, Renamed{"1", "Ada"}); err != nil {
		return err
	}

	// Where the program must commit it itself.
	own := db.NewBatch()
	defer own.Close()
	if err := own.Set([]byte("users/2"), []byte("Grace"), nil); err != nil {
		return err
	}
	ticket, err := bus.Stage(own, Renamed{"2", "Grace"})
	if err != nil {
		return err
	}
	if err := own.Commit(pebble.Sync); err != nil {
		return err
	}
	bus.Poke(ticket) // else the bus finds it by itself, also after a crash
	at, err := ticket.Wait(ctx)
	if err != nil {
		return err
	}

	greet := func(t *followers.Turn, e Renamed) error {
		value, closer, err := db.Get([]byte("users/" + e.User))
		if err != nil {
			return err
		}
		defer closer.Close()
		fmt.Printf("entry %v: user %s is %s; in the database: %s\n", t.Entry().ID, e.User, e.Name, value)
		return nil
	}
	if err := bus.Follow(followers.Follower{Name: "greeter", Reactions: []followers.Reaction{followers.On(greet)}}); err != nil {
		return err
	}
	return bus.Await(ctx, "greeter", at)
}

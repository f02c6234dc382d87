// Hello appends one event and waits until a follower has reacted to it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// Greeted is an event: a Go value that knows its type.
type Greeted struct{ Name string }

// EventType names the event on disk.
func (Greeted) EventType() messages.Type { return messages.Type{Kind: "greeted"} }

func greet(_ *followers.Turn, e Greeted) error {
	fmt.Println("hello,", e.Name)
	return nil
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "hello")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bus, err := retinue.Open(filepath.Join(dir, "hello.db"), nil)
	if err != nil {
		return err
	}
	defer bus.Close()

	if err := bus.Follow(followers.Follower{
		Name:      "greeter",
		Reactions: []followers.Reaction{followers.On(greet)},
	}); err != nil {
		return err
	}
	ctx := context.Background()
	at, err := bus.Append(ctx, Greeted{"world"})
	if err != nil {
		return err
	}
	return bus.Await(ctx, "greeter", at)
}

// Behavior follows the log with a raw protoactor behaviour, which becomes
// another one when it has caught up: it reads the past in silence and tells
// of what comes after.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// Said is a line of a chat.
type Said struct{ Who, What string }

// EventType names the event on disk.
func (Said) EventType() messages.Type { return messages.Type{Module: "chat", Kind: "said"} }

// reader is one incarnation of the follower. After a failure a new one takes
// its place: what must outlive it belongs into the turn's keys.
type reader struct {
	behavior actor.Behavior
	missed   int
	caughtUp func()
}

func newReader(caughtUp func()) *reader {
	r := &reader{behavior: actor.NewBehavior(), caughtUp: caughtUp}
	r.behavior.Become(r.catchingUp)
	return r
}

// Receive implements [actor.Actor].
func (r *reader) Receive(c actor.Context) { r.behavior.Receive(c) }

func (r *reader) catchingUp(c actor.Context) {
	switch m := c.Message().(type) {
	case *followers.Deliver:
		r.missed++
		c.Respond(m.Done(nil)) // commits the turn: the cursor moves on
	case *followers.CaughtUp:
		fmt.Printf("%d lines while you were away, next is entry %v\n", r.missed, m.At)
		r.behavior.Become(r.listening)
		r.caughtUp()
	}
}

func (r *reader) listening(c actor.Context) {
	if m, ok := c.Message().(*followers.Deliver); ok {
		said, err := messages.Decode[Said](m.Turn.Entry())
		if err == nil {
			fmt.Printf("%s: %s\n", said.Who, said.What)
		}
		c.Respond(m.Done(err)) // an error: a new incarnation, from the cursor
	}
}

func main() {
	dir, err := os.MkdirTemp("", "behavior")
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
	for _, what := range []string{"hello?", "anybody?", "oh well"} {
		if _, err := bus.Append(ctx, Said{"alice", what}); err != nil {
			return err
		}
	}

	live := make(chan struct{})
	caughtUp := sync.OnceFunc(func() { close(live) })
	props := actor.PropsFromProducer(func() actor.Actor { return newReader(caughtUp) })
	if err := bus.Follow(followers.Follower{Name: "bob", Props: props}); err != nil {
		return err
	}
	<-live
	at, err := bus.Append(ctx, Said{"alice", "there you are"}, Said{"alice", "at last"})
	if err != nil {
		return err
	}
	return bus.Await(ctx, "bob", at)
}

package retinue_test

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
)

type rawContext = actor.Context

// raw is a raw behaviour that answers every delivery at once.
func raw(name string, handle func(rawContext, *followers.Deliver) error) followers.Follower {
	return followers.Follower{Name: name, Props: actor.PropsFromProducer(func() actor.Actor {
		return actor.ReceiveFunc(func(c actor.Context) {
			if d, ok := c.Message().(*followers.Deliver); ok {
				c.Respond(d.Done(handle(c, d)))
			}
		})
	})}
}

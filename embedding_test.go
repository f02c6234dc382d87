package retinue_test

import (
	"sync/atomic"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// What the user hangs on the root context of his system - here all there is -
// sees his own messages, and none of the bus.
func TestABusIsUntouchedByWhatTheUserHangsOnHisRootContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var sent, spawned atomic.Int32
		opts := inMemory()
		opts.ActorSystem = quietActors(t)
		opts.ActorSystem.Root.
			WithHeaders(map[string]string{"tenant": "a"}).
			WithSenderMiddleware(func(next actor.SenderFunc) actor.SenderFunc {
				return func(c actor.SenderContext, to *actor.PID, m *actor.MessageEnvelope) {
					sent.Add(1)
					next(c, to, m)
				}
			}).
			WithSpawnMiddleware(func(next actor.SpawnFunc) actor.SpawnFunc {
				return func(s *actor.ActorSystem, id string, props *actor.Props, parent actor.SpawnerContext) (*actor.PID, error) {
					spawned.Add(1)
					return next(s, id, props, parent)
				}
			})
		bus := openBus(t, opts)
		var j journal
		told := make(chan *actor.PID, 1)
		mustFollow(t, bus, noting("typed", &j))
		mustFollow(t, bus, tellable("raw", told, released()))
		mustFollow(t, bus, refusing("parking", followers.Poison{Action: followers.Park, After: 2}))
		at := putTexts(t, bus, "a", "bad", "b")
		reached(t, bus, "typed", at)
		reached(t, bus, "raw", at)
		reached(t, bus, "parking", at.LastEvent)
		j.want(t, "a", "bad", "b")
		if sent.Load() > 0 || spawned.Load() > 0 {
			t.Errorf("the user's middleware saw %d messages and %d actors of the bus", sent.Load(), spawned.Load())
		}

		opts.ActorSystem.Root.Send(<-told, "hello") // and the user's own goes through it
		wantEcho(t, opts.ActorSystem, spawnEcho(opts.ActorSystem))
		if sent.Load() != 2 || spawned.Load() != 1 {
			t.Errorf("the user's middleware saw %d of 2 messages and %d of 1 actors", sent.Load(), spawned.Load())
		}
		wantTexts(t, bus, messages.Permanent, "a", "bad", "b")
		closeBus(t, bus)
	})
}

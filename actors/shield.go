package actors

import (
	"log/slog"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/messages"
)

// apart makes a call on a goroutine of its own: a Goexit in it must not end
// who has more to do, the halves of a batch, the record of a replay or an
// actor. Its error is a [messages.PanicError] where the call did not return.
func apart(call func() error) error {
	done := make(chan error, 1)
	go func() {
		err := error(&messages.PanicError{})
		defer func() {
			if p := recover(); p != nil {
				err = &messages.PanicError{Value: p, Stack: debug.Stack()}
			}
			done <- err
		}()
		err = call()
	}()
	return <-done
}

// panicked is what an actor has panicked with: what apart returned, or a value.
func panicked(reason any) error {
	if err, ok := reason.(*messages.PanicError); ok {
		return err
	}
	return &messages.PanicError{Value: reason}
}

// apart is apart for the user's reactions.
func (r *run) apart(call func() error) error {
	return apart(func() error {
		defer r.tracker.engine.callers.enterReaction()()
		return call()
	})
}

// shield calls the user's actor apart and turns what ends it - a panic, a
// Goexit - into a failure with a stack. While an actor stops, it is logged
// only: protoactor survives neither then. One that somebody restarts in place
// is stopped: it would not know of the delivery that it has to answer.
func shield(r *run) actor.ReceiverMiddleware {
	return func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(c actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			err := r.apart(func() error {
				next(c, envelope)
				return nil
			})
			if _, ok := envelope.Message.(*actor.Restarting); ok {
				r.tracker.engine.root.Stop(c.Self())
			}
			if r.tracker.unheard(envelope.Message, err) {
				return
			}
			if err != nil {
				panic(err)
			}
			r.startOnce.Do(func() { close(r.ready) }) // the first message is Started
		}
	}
}

// shieldChildren does so for the children of the user's actor, and for theirs:
// one that does not stop would keep its parents from stopping. What else they
// panic with is for the supervision that the user chose.
func shieldChildren(t *tracker) actor.SpawnMiddleware {
	receive := func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(c actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			err := apart(func() error {
				next(c, envelope)
				return nil
			})
			if err == nil || t.unheard(envelope.Message, err) {
				return
			}
			if p, ok := err.(*messages.PanicError); ok && p.Value != nil {
				panic(p.Value)
			}
			panic(err)
		}
	}
	return func(next actor.SpawnFunc) actor.SpawnFunc {
		return func(system *actor.ActorSystem, id string, props *actor.Props, parent actor.SpawnerContext) (*actor.PID, error) {
			props = props.Clone(actor.WithReceiverMiddleware(receive), actor.WithSpawnMiddleware(shieldChildren(t)))
			return next(system, id, props, parent)
		}
	}
}

// unheard reports whether a message is of the kind whose failure nobody may
// hear of, and logs it.
func (t *tracker) unheard(message any, err error) bool {
	switch message.(type) {
	case *actor.Stopping, *actor.Stopped, *actor.Restarting:
	default:
		return false
	}
	if err != nil {
		t.engine.error(&t.logged, "behaviour failed while stopping",
			slog.String("follower", t.name), slog.Any("error", err))
	}
	return true
}

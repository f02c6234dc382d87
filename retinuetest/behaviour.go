package retinuetest

import (
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// pending is a delivery that a raw behaviour has not answered yet. What the
// turn's end needs is kept: the turn itself is the host's again after it.
type pending struct {
	deliver *followers.Deliver
	seen    Delivery
	fault   *Fault
}

// wrapProps puts the gate in front of a raw behaviour, and behind its answers.
func (s *station) wrapProps(props *actor.Props, bus *retinue.Bus, l *life) *actor.Props {
	receive := func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(c actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			if d, ok := envelope.Message.(*followers.Deliver); ok {
				err := s.deliver(bus, l, d)
				if panicked, ok := err.(*messages.PanicError); ok {
					panic(panicked)
				}
				if err != nil {
					c.ActorSystem().Root.Send(envelope.Sender, d.Done(err))
					return
				}
			}
			s.guarded(func() { next(c, envelope) })
		}
	}
	send := func(next actor.SenderFunc) actor.SenderFunc {
		return func(c actor.SenderContext, target *actor.PID, envelope *actor.MessageEnvelope) {
			if done, ok := envelope.Message.(*followers.Done); ok {
				copied := *envelope
				copied.Message = s.answered(l, done)
				envelope = &copied
			}
			next(c, target, envelope)
		}
	}
	return props.Clone(actor.WithReceiverMiddleware(receive), actor.WithSenderMiddleware(send))
}

// deliver lets a delivery through to the behaviour; an error answers it
// instead.
func (s *station) deliver(bus *retinue.Bus, l *life, d *followers.Deliver) error {
	seen, fault, err := s.begin(bus, l, d.Turn, []messages.Entry{d.Turn.Entry()})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.pending = &pending{deliver: d, seen: seen, fault: fault}
	s.mu.Unlock()
	if !fault.at(Before) {
		return nil
	}
	err = apart(func() error { return s.play(d.Turn.Context(), l, fault) })
	if err != nil {
		s.conclude(err)
	}
	return err
}

// apart calls f on a goroutine of its own, and returns a panic or a Goexit as
// an error: the latter may not end an actor's goroutine.
func apart(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := error(&messages.PanicError{})
		defer func() {
			if p := recover(); p != nil {
				err = &messages.PanicError{Value: p, Stack: debug.Stack()}
			}
			done <- err
		}()
		err = f()
	}()
	return <-done
}

// guarded notes a panic while a delivery is pending. It stands before the
// host's own shield, which makes a panic of a Goexit.
func (s *station) guarded(call func()) {
	defer func() {
		if p := recover(); p != nil {
			err, ok := p.(*messages.PanicError)
			if !ok {
				err = &messages.PanicError{Value: p, Stack: debug.Stack()}
			}
			s.conclude(err)
			panic(p)
		}
	}()
	call()
}

// answered returns the answer to give instead of a behaviour's.
func (s *station) answered(l *life, done *followers.Done) *followers.Done {
	s.mu.Lock()
	p := s.pending
	s.mu.Unlock()
	if p == nil || p.deliver.Done(nil).Token() != done.Token() {
		return done
	}
	if done.Err() == nil && p.fault.at(BeforeCommit) {
		if err := s.play(p.deliver.Turn.Context(), l, p.fault); err != nil {
			done = p.deliver.Done(err)
		}
	}
	s.conclude(done.Err())
	return done
}

// conclude notes the end of the pending delivery, if there is one.
func (s *station) conclude(err error) {
	s.mu.Lock()
	p := s.pending
	s.pending = nil
	s.mu.Unlock()
	if p != nil {
		s.end(p.deliver.Turn.Context(), p.seen, p.fault, err)
	}
}

package main

import (
	"context"
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
)

// scribe is the raw behaviour. It answers a delivery at once, and once it has
// caught up, in a later message; every answer comes twice, and the last one
// once more with the next, as a failure that nobody must hear.
type scribe struct {
	world    *world
	walker   *walker
	behavior actor.Behavior
	stale    *followers.Done
}

// later is a delivery that the behaviour has put off.
type later struct {
	deliver *followers.Deliver
	host    *actor.PID
}

func newScribe(w *world, f *walker) *scribe {
	s := &scribe{world: w, walker: f, behavior: actor.NewBehavior()}
	s.behavior.Become(s.history)
	return s
}

// Receive implements [actor.Actor].
func (s *scribe) Receive(c actor.Context) { s.behavior.Receive(c) }

func (s *scribe) history(c actor.Context) {
	switch m := c.Message().(type) {
	case *followers.Deliver:
		s.answer(c, m, c.Sender())
	case *followers.CaughtUp:
		s.behavior.Become(s.live)
	}
}

func (s *scribe) live(c actor.Context) {
	switch m := c.Message().(type) {
	case *followers.Deliver:
		c.Send(c.Self(), &later{m, c.Sender()})
	case *later:
		s.answer(c, m.deliver, m.host)
	}
}

func (s *scribe) answer(c actor.Context, d *followers.Deliver, host *actor.PID) {
	if s.stale != nil {
		c.Send(host, s.stale)
	}
	s.stale = d.Done(errPlanned)
	err := s.world.react(s.walker, d.Turn, d.Turn.Entry())
	if errors.Is(err, errStops) {
		c.Stop(c.Self())
		return
	}
	c.Send(host, d.Done(err))
	c.Send(host, s.stale)
}

// listen subscribes until the bus closes: what is heard is durable, and in
// order.
func (w *world) listen() {
	bus := w.bus
	w.listening.Go(func() {
		last := uint64(0)
		for e := range bus.Subscribe(context.Background(), retinue.Subscription{Ordered: true}) {
			if e.TrimmableID == 0 { // a transient event, a gap, or the end
				continue
			}
			if id := uint64(e.TrimmableID); id <= last {
				w.complain("a subscriber heard entry %d after %d", id, last)
			}
			last = uint64(e.TrimmableID)
			w.tell(&e)
		}
	})
}

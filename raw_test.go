package retinue_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

type rawContext = actor.Context

// behaviour is a raw follower of one function; each incarnation gets its
// number, from 1.
func behaviour(name string, receive func(c rawContext, incarnation int)) followers.Follower {
	var mu sync.Mutex
	incarnations := 0
	return followers.Follower{Name: name, Props: actor.PropsFromProducer(func() actor.Actor {
		mu.Lock()
		defer mu.Unlock()
		incarnations++
		n := incarnations
		return actor.ReceiveFunc(func(c actor.Context) { receive(c, n) })
	})}
}

// raw is a raw behaviour that answers every delivery at once.
func raw(name string, handle func(rawContext, *followers.Deliver) error) followers.Follower {
	return behaviour(name, func(c rawContext, _ int) {
		if d, ok := c.Message().(*followers.Deliver); ok {
			c.Respond(d.Done(handle(c, d)))
		}
	})
}

func TestARawBehaviourIsDeliveredEntriesAndToldWhenItHasCaughtUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		putTexts(t, bus, "a", "b")
		var j journal
		mustFollow(t, bus, behaviour("f", func(c rawContext, _ int) {
			switch m := c.Message().(type) {
			case *followers.Deliver:
				j.add("%d live %v", m.Turn.Entry().ID, m.Turn.Live())
				c.Respond(m.Done(increment(m.Turn, "n")))
			case *followers.CaughtUp:
				j.add("caught up at %v", m.At)
			}
		}))
		synctest.Wait()
		putTexts(t, bus, "c")
		synctest.Wait()
		j.want(t, "1 live false", "2 live false", "caught up at 3", "3 live true")
		wantKeys(t, bus, "f", "n=3")

		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		putTexts(t, bus, "d")
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := j.all()[4:]; !slices.Equal(got, []string{"4 live false", "caught up at 5"}) {
			t.Errorf("after falling behind: %q", got)
		}
	})
}

func TestARawBehaviourOfAnEmptyLogIsCaughtUpAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		f := behaviour("f", func(c rawContext, _ int) {
			if m, ok := c.Message().(*followers.CaughtUp); ok {
				j.add("%T %v", m.At, m.At)
			}
		})
		f.Log = messages.TrimmableLog
		mustFollow(t, bus, f)
		synctest.Wait()
		j.want(t, "messages.TrimmableID 1")
	})
}

// switching is a behaviour that becomes another one when it has caught up.
type switching struct {
	behavior actor.Behavior
	j        *journal
}

func (s *switching) Receive(c actor.Context) { s.behavior.Receive(c) }

func (s *switching) history(c actor.Context) {
	switch m := c.Message().(type) {
	case *followers.Deliver:
		s.j.add("history %d", m.Turn.Entry().ID)
		c.Respond(m.Done(nil))
	case *followers.CaughtUp:
		s.behavior.Become(s.live)
	}
}

func (s *switching) live(c actor.Context) {
	if m, ok := c.Message().(*followers.Deliver); ok {
		s.j.add("live %d", m.Turn.Entry().ID)
		c.Respond(m.Done(nil))
	}
}

func TestARawBehaviourMayBecomeAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		putTexts(t, bus, "a", "b")
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "f", Props: actor.PropsFromProducer(func() actor.Actor {
			s := &switching{behavior: actor.NewBehavior(), j: &j}
			s.behavior.Become(s.history)
			return s
		})})
		synctest.Wait()
		reached(t, bus, "f", putTexts(t, bus, "c"))
		j.want(t, "history 1", "history 2", "live 3")
	})
}

func TestASecondOrStaleDoneIsIgnored(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		var stale *followers.Deliver
		mustFollow(t, bus, behaviour("f", func(c rawContext, _ int) {
			d, ok := c.Message().(*followers.Deliver)
			if !ok {
				return
			}
			j.add("%d", d.Turn.Entry().ID)
			if stale != nil {
				c.Respond(stale.Done(errRefused))
			}
			stale = d
			err := increment(d.Turn, "n")
			c.Respond(d.Done(err))
			c.Respond(d.Done(errRefused))
			c.Respond(d.Done(errRefused))
		}))
		reached(t, bus, "f", putTexts(t, bus, "a", "b", "c", "d"))
		j.want(t, "1", "2", "3", "4")
		wantKeys(t, bus, "f", "n=4")
		if s := statusOf(t, bus, "f"); s.Restarts != 0 {
			t.Errorf("%d restarts", s.Restarts)
		}
	})
}

// A token is of one delivery, over all incarnations: an answer that comes when
// its incarnation was replaced must not end the turn of the next one.
func TestALateDoneOfAnEarlierIncarnationIsIgnored(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var late *followers.Deliver
		started, release := make(chan struct{}), make(chan struct{})
		mustFollow(t, bus, behaviour("f", func(c rawContext, incarnation int) {
			d, ok := c.Message().(*followers.Deliver)
			switch {
			case !ok:
			case incarnation == 1:
				late = d
				panic("the first one fails")
			default:
				err := d.Turn.Set([]byte("k"), []byte("v"))
				c.Request(c.Sender(), late.Done(nil))
				close(started)
				<-release
				c.Respond(d.Done(errors.Join(err, errRefused)))
			}
		}))
		put(t, bus, note{"a"})
		<-started
		synctest.Wait()
		wantCursor(t, bus, "f", 1)
		close(release)
		synctest.Wait()
		wantCursor(t, bus, "f", 1)
		wantKeys(t, bus, "f")
		wantError(t, statusOf(t, bus, "f").LastError, errRefused)
	})
}

func TestARawBehaviourMayAnswerInALaterMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var held *followers.Deliver
		var sender *actor.PID
		type later struct{}
		mustFollow(t, bus, behaviour("f", func(c rawContext, _ int) {
			switch m := c.Message().(type) {
			case *followers.Deliver:
				held, sender = m, c.Sender()
				self, root := c.Self(), c.ActorSystem().Root
				time.AfterFunc(time.Second, func() { root.Send(self, later{}) })
			case later:
				err := increment(held.Turn, "n")
				c.Send(sender, held.Done(err))
			}
		}))
		before := time.Now()
		reached(t, bus, "f", putTexts(t, bus, "a", "b"))
		if d := time.Since(before); d != 2*time.Second {
			t.Errorf("two turns of a second took %v", d)
		}
		wantKeys(t, bus, "f", "n=2")
	})
}

func TestRawBehavioursAreExactlyOnceAcrossAPowerCut(t *testing.T) {
	exactlyOnce(t, raw("count", func(_ rawContext, d *followers.Deliver) error { return countAndEcho(d.Turn) }))
}

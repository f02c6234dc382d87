package actors

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

type essay struct{ Text string }

func (essay) EventType() messages.Type { return messages.Type{Module: "test", Kind: "essay"} }

// fadingContext ends when it is asked for the nth time.
type fadingContext struct {
	context.Context
	left int
}

func (c *fadingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestARunThatIsInterruptedAnywhereReactsToEveryEntryOnce(t *testing.T) {
	e := startEngine(t)
	const entries = 3
	for range entries { // so long that a page holds one
		ticket, err := e.Submit(t.Context(), Append{Events: []messages.Event{essay{strings.Repeat("x", 2*pageBytes/3)}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for asked, whole := 0, false; !whole; asked++ {
		plan, err := followers.Follower{Name: fmt.Sprint("f", asked), Every: func(turn *followers.Turn) error {
			key := []byte(turn.Entry().ID.String())
			before, err := turn.Get(key)
			if err != nil {
				return err
			}
			return turn.Set(key, append(before, 'x'))
		}}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		tr, err := e.enrol(plan)
		if err != nil {
			t.Fatal(err)
		}
		incarnation, _, err := tr.begin()
		if err != nil {
			t.Fatal(err)
		}
		r := newRun(tr, plan, incarnation)
		tr.slot <- struct{}{}
		fading := &fadingContext{t.Context(), asked}
		for _, ctx := range []context.Context{fading, t.Context()} {
			if o := r.catchUp(ctx); o.err != nil {
				t.Fatal(o.err)
			}
		}
		<-tr.slot
		r.cancel()
		whole = fading.left >= 0
		for id := range messages.EventID(entries) {
			if v, err := e.Store.FollowerState(tr.number).Get([]byte((id + 1).String())); string(v) != "x" || err != nil {
				t.Errorf("interrupted when asked for the %d. time: entry %d was reacted to %d times, %v", asked+1, id+1, len(v), err)
			}
		}
	}
}

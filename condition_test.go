package retinue_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// fresh has a kind that no other test appends.
type fresh struct{ Text string }

func (fresh) EventType() messages.Type { return messages.Type{Module: "test", Kind: "fresh"} }

func on(c ...messages.Condition) retinue.Request {
	return retinue.Request{Events: []messages.Event{other{"conditional"}}, If: c}
}

var noNoteSince = func(id messages.EventID) messages.Condition { return messages.NoneSince(id, note{}.EventType()) }

func TestHeadIsHoldsOnlyAtThatHead(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"a"}, hint{"b"})
	for _, wrong := range []messages.EventID{1, 3, 1 << 60} {
		_, err := submit(t, bus, on(messages.HeadIs(wrong)))
		wantError(t, err, messages.ErrConditionFailed)
		var condition *messages.ConditionError
		if errors.As(err, &condition) && (condition.Head != 2 || condition.Found != 0) {
			t.Errorf("error = %+v", condition)
		}
	}
	wantHeads(t, bus, 2, 3)
	if at, err := submit(t, bus, on(messages.HeadIs(2))); err != nil || at.FirstEvent != 2 {
		t.Errorf("receipt = %+v, %v", at, err)
	}
}

func TestHeadIsLetsOneOfManyWin(t *testing.T) {
	bus := openBus(t, inMemory())
	won := make(chan int, 50)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := submit(t, bus, on(messages.HeadIs(1)))
			if err == nil {
				won <- i
			} else if !errors.Is(err, messages.ErrConditionFailed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d appends won", len(won))
	}
	wantHeads(t, bus, 2, 2)
}

func TestNoneSinceLooksAtItsTypesFromItsIDOn(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, other{"1"}, note{"2"}, other{"3"}, hint{"-"}, other{"4"})
	for _, test := range []struct {
		since messages.EventID
		types []messages.Type
		found messages.EventID // 0: it holds
	}{
		{1, []messages.Type{note{}.EventType()}, 2},
		{2, []messages.Type{note{}.EventType()}, 2},
		{3, []messages.Type{note{}.EventType()}, 0},
		{100, []messages.Type{note{}.EventType()}, 0},
		{1, []messages.Type{fresh{}.EventType()}, 0},
		{3, []messages.Type{fresh{}.EventType(), other{}.EventType()}, 3},
		{1, []messages.Type{bare{}.EventType()}, 0}, // of the same kind, in no module
	} {
		request := retinue.Request{Events: []messages.Event{hint{"conditional"}}, If: []messages.Condition{messages.NoneSince(test.since, test.types...)}}
		_, err := submit(t, bus, request)
		if test.found == 0 {
			if err != nil {
				t.Errorf("none of %v since %v: %v", test.types, test.since, err)
			}
			continue
		}
		var condition *messages.ConditionError
		if !errors.As(err, &condition) || condition.Found != test.found {
			t.Errorf("none of %v since %v: %v, want %v to stand in the way", test.types, test.since, err, test.found)
		}
	}
}

func TestNoneSinceLooksFarBack(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"first"})
	var events []messages.Event
	for i := range 1000 {
		events = append(events, other{fmt.Sprint(i)})
	}
	for range 5 {
		put(t, bus, events...)
	}
	_, err := submit(t, bus, on(noNoteSince(1)))
	wantError(t, err, messages.ErrConditionFailed)
	if _, err := submit(t, bus, on(noNoteSince(2))); err != nil {
		t.Error(err)
	}
}

// The condition was checked when it was submitted; what was placed in front of
// it since then must count.
func TestNoneSinceSeesWhatIsPlacedBetweenSubmitAndItsTurn(t *testing.T) {
	for _, between := range []struct {
		name string
		jobs int // a round takes 1024 events
	}{
		{"in the same round", 1},
		{"in an earlier round", 3000},
	} {
		t.Run(between.name, func(t *testing.T) {
			bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), UpdateTimeout: time.Hour})
			put(t, bus, other{"before"})
			release := holdWriter(t, bus)
			var tickets []*retinue.Ticket
			send := func(r retinue.Request) {
				ticket, err := bus.Submit(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				tickets = append(tickets, ticket)
			}
			noFresh := messages.NoneSince(2, fresh{}.EventType())
			send(on(noFresh)) // holds: nothing of it is there yet
			send(retinue.Request{Events: []messages.Event{fresh{"a"}}})
			for range between.jobs {
				send(retinue.Request{Events: []messages.Event{hint{"between"}}})
			}
			send(on(noFresh))
			send(on(messages.NoneSince(4, fresh{}.EventType()))) // behind it
			release()
			if _, err := tickets[0].Wait(t.Context()); err != nil {
				t.Error(err)
			}
			_, err := tickets[len(tickets)-2].Wait(t.Context())
			var condition *messages.ConditionError
			if !errors.As(err, &condition) || condition.Found != 3 {
				t.Errorf("error = %v, want that entry 3 stands in the way", err)
			}
			if _, err := tickets[len(tickets)-1].Wait(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestConditionsSeeWhatAnUpdateAppendedBeforeThem(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		// The update is under way when the conditions are submitted.
		var tickets []*retinue.Ticket
		at := make(chan messages.Receipt, 1)
		held, let := make(chan struct{}), make(chan struct{})
		go func() {
			r, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
				close(held)
				<-let
				return tx.Append(note{"in the update"})
			})
			if err != nil {
				t.Error(err)
			}
			at <- r
		}()
		<-held
		for _, r := range []retinue.Request{on(messages.HeadIs(1)), on(noNoteSince(1)), on(messages.HeadIs(2)), on(noNoteSince(2))} {
			ticket, err := bus.Submit(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, ticket)
		}
		close(let)
		if r := <-at; r.FirstEvent != 1 {
			t.Fatalf("update = %+v", r)
		}
		for i, holds := range []bool{false, false, true, true} {
			_, err := tickets[i].Wait(t.Context())
			if holds && err != nil || !holds && !errors.Is(err, messages.ErrConditionFailed) {
				t.Errorf("condition %d: %v, holds should be %v", i, err, holds)
			}
		}
	})
}

func TestAllConditionsOfAnAppendMustHold(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"a"})
	_, err := submit(t, bus, on(messages.HeadIs(2), noNoteSince(1)))
	wantError(t, err, messages.ErrConditionFailed)
	_, err = submit(t, bus, on(noNoteSince(2), messages.HeadIs(3)))
	wantError(t, err, messages.ErrConditionFailed)
	wantHeads(t, bus, 2, 2)
	if _, err := submit(t, bus, on(noNoteSince(2), messages.HeadIs(2))); err != nil {
		t.Error(err)
	}
}

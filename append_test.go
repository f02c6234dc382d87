package retinue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func TestAppendIsOnDiskWhenItReturns(t *testing.T) {
	fs := vfs.NewCrashableMem()
	bus := openBus(t, &retinue.Options{FS: fs})
	for i := range 20 {
		put(t, bus, note{fmt.Sprint(i)}, hint{fmt.Sprint(i)})
		cut := openBus(t, &retinue.Options{FS: powerCut(fs), Name: fmt.Sprint(i)})
		wantHeads(t, cut, uint64(i)+2, 2*uint64(i)+3)
		closeBus(t, cut)
	}
}

// Trap 1: trimmable events are kept, in the trimmable log alone.
func TestTrimmableEventsAreStored(t *testing.T) {
	opts := inMemory()
	bus := openBus(t, opts)
	at := put(t, bus, hint{"a"}, note{"b"}, hint{"c"})
	want := messages.Receipt{FirstEvent: 1, LastEvent: 1, FirstTrimmable: 1, LastTrimmable: 3, NextEvent: 2, NextTrimmable: 4}
	if at != want {
		t.Errorf("receipt = %+v, want %+v", at, want)
	}
	closeBus(t, bus)
	bus = openBus(t, opts)
	wantTexts(t, bus, messages.Permanent, "b")
	wantTexts(t, bus, messages.TrimmableLog, "a", "b", "c")
	for i, e := range read(t, bus, messages.TrimmableLog) {
		if e.TrimmableID != messages.TrimmableID(i+1) || (e.ID != 0) != (e.Type.Kind == "note") {
			t.Errorf("entry %d has ids %v and %v of a %v", i, e.ID, e.TrimmableID, e.Type)
		}
	}
}

func TestIDsAreContiguousAndAppendsAdjacentUnderConcurrentProducers(t *testing.T) {
	bus := openBus(t, inMemory())
	const producers, appends = 16, 40
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := range appends {
				var events []messages.Event
				for part := range 1 + (p+i)%4 {
					name := fmt.Sprintf("%d.%d.%d", p, i, part)
					events = append(events, note{name}, hint{name})
				}
				at, err := bus.Append(t.Context(), events...)
				if err != nil {
					t.Error(err)
					return
				}
				n := uint64(len(events))
				if uint64(at.LastEvent-at.FirstEvent)+1 != n/2 || uint64(at.LastTrimmable-at.FirstTrimmable)+1 != n {
					t.Errorf("receipt of %d events: %+v", n, at)
				}
			}
		})
	}
	wg.Wait()
	for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
		entries := read(t, bus, log)
		next := make(map[string]int) // append -> part that must follow
		previous := ""
		for i, e := range entries {
			if id := idIn(log, e); id != uint64(i)+1 {
				t.Fatalf("%v log: entry %d has id %d", log, i, id)
			}
			if log == messages.TrimmableLog && e.ID == 0 {
				continue // a hint stands behind its note
			}
			name := text(t, e)
			cut := strings.LastIndex(name, ".")
			if part := fmt.Sprint(next[name[:cut]]); part != name[cut+1:] {
				t.Fatalf("%v log: %s where part %s of the append was due", log, name, part)
			}
			if next[name[:cut]] > 0 && previous != name[:cut] {
				t.Fatalf("%v log: %s is apart from its append", log, name)
			}
			previous = name[:cut]
			next[previous]++
		}
		if len(next) != producers*appends {
			t.Errorf("%v log has %d appends, want %d", log, len(next), producers*appends)
		}
	}
}

func idIn(log messages.Log, e messages.Entry) uint64 {
	if log == messages.Permanent {
		return uint64(e.ID)
	}
	return uint64(e.TrimmableID)
}

func TestPersistentEventsHaveTheSameOrderInBothLogs(t *testing.T) {
	bus := openBus(t, inMemory())
	for i := range 50 {
		put(t, bus, hint{"h"}, note{fmt.Sprint(i)}, hint{"h"}, note{fmt.Sprint(i, "b")})
	}
	permanent := read(t, bus, messages.Permanent)
	i := 0
	for _, e := range read(t, bus, messages.TrimmableLog) {
		if e.ID == 0 {
			continue
		}
		if i == len(permanent) || e.ID != permanent[i].ID || !bytes.Equal(e.Payload, permanent[i].Payload) {
			t.Fatalf("entry %v of the trimmable log is not the %dth of the permanent one", e.TrimmableID, i+1)
		}
		i++
	}
	if i != len(permanent) {
		t.Errorf("%d persistent entries in the trimmable log, want %d", i, len(permanent))
	}
}

func TestTicketsResolveInTheOrderOfSubmit(t *testing.T) {
	bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), UpdateTimeout: time.Hour})
	release := holdWriter(t, bus)
	var tickets []*retinue.Ticket
	for i := range 3000 { // more than one round
		ticket, err := bus.Submit(t.Context(), retinue.Request{Events: []messages.Event{note{fmt.Sprint(i)}}})
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	release()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, last := range []int{1, 1500, 2999} {
		if _, err := tickets[last].Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range last {
			at, err := tickets[i].Wait(over) // an outcome that is known comes before ctx
			if err != nil || at.FirstEvent != messages.EventID(i+1) {
				t.Fatalf("ticket %d, resolved before %d: %v, %v", i, last, at.FirstEvent, err)
			}
		}
	}
}

func TestAContextThatEndedBeforeTheWriterAcceptedAppendsNothing(t *testing.T) {
	bus := openBus(t, inMemory())
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := bus.Append(over, note{"a"})
	wantError(t, err, context.Canceled)
	if errors.Is(err, messages.ErrUncertain) {
		t.Errorf("error = %v: nothing is uncertain", err)
	}
	_, err = bus.Update(over, func(*retinue.Tx) error { t.Error("the closure ran"); return nil })
	wantError(t, err, context.Canceled)
	put(t, bus, note{"b"})
	wantTexts(t, bus, messages.Permanent, "b")
}

func TestAContextThatEndsAfterwardsIsUncertainAndAKeyMakesTheRetrySafe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		release := holdWriter(t, bus)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := bus.Append(ctx, note{"plain"})
			result <- err
		}()
		synctest.Wait() // accepted, not answered
		keyed := retinue.Request{Events: []messages.Event{note{"keyed"}}, Key: "k"}
		ticket, err := bus.Submit(ctx, keyed)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		err = <-result
		wantError(t, err, messages.ErrUncertain, context.Canceled)
		var uncertain *messages.UncertainError
		if !errors.As(err, &uncertain) {
			t.Errorf("error = %T, want an UncertainError", err)
		}
		_, err = ticket.Wait(ctx)
		wantError(t, err, messages.ErrUncertain, context.Canceled)
		release()
		again, err := bus.Submit(t.Context(), keyed)
		if err != nil {
			t.Fatal(err)
		}
		at, err := again.Wait(t.Context())
		if err != nil || !at.Repeated || at.FirstEvent != 2 {
			t.Errorf("retry = %+v, %v", at, err)
		}
		wantTexts(t, bus, messages.Permanent, "plain", "keyed")
	})
}

func TestSubmitWaitsForRoomAmongWhatIsPending(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit retinue.Options
	}{
		{"events", retinue.Options{MaxPendingEvents: 2}},
		{"bytes", retinue.Options{MaxPendingBytes: 1000, MaxAppendSize: 1000, MaxEventSize: 1000}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				opts := test.limit
				opts.FS = vfs.NewMem()
				bus := openBus(t, &opts)
				release := holdWriter(t, bus)
				request := retinue.Request{Events: []messages.Event{note{strings.Repeat("x", 350)}}}
				for range 2 {
					if _, err := bus.Submit(t.Context(), request); err != nil {
						t.Fatal(err)
					}
				}
				late, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := bus.Submit(late, request)
				wantError(t, err, context.DeadlineExceeded)
				if errors.Is(err, messages.ErrUncertain) {
					t.Errorf("error = %v: nothing is uncertain", err)
				}
				var patient sync.WaitGroup
				patient.Go(func() {
					if _, err := bus.Append(t.Context(), request.Events...); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
				release()
				patient.Wait()
				wantHeads(t, bus, 4, 4)
			})
		})
	}
}

// An Update that waits is an event that waits; the one that runs is not.
func TestUpdatesThatWaitTakeRoomAmongWhatIsPending(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), MaxPendingEvents: 2})
		release := holdWriter(t, bus)
		update := func(ctx context.Context) error {
			_, err := bus.Update(ctx, func(tx *retinue.Tx) error { return tx.Append(note{"u"}) })
			return err
		}
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() {
				if err := update(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantError(t, update(late), context.DeadlineExceeded)
		_, err := bus.Append(late, note{"a"})
		wantError(t, err, context.DeadlineExceeded)
		release()
		waiting.Wait()
		for range 5 {
			if err := update(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		wantHeads(t, bus, 8, 8)
	})
}

func TestAnAppendLargerThanAllRoomWaitsUntilItIsAlone(t *testing.T) {
	bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), MaxPendingEvents: 2, MaxPendingBytes: 500})
	for range 3 {
		put(t, bus, note{strings.Repeat("x", 1000)}, note{"b"}, note{"c"}, note{"d"})
	}
	wantHeads(t, bus, 13, 13)
}

func TestCloseAnswersEveryAcceptedAppend(t *testing.T) {
	opts := inMemory()
	bus := openBus(t, opts)
	const producers = 8
	tickets := make([][]*retinue.Ticket, producers)
	var wg sync.WaitGroup
	begun := make(chan struct{}, producers)
	for p := range producers {
		wg.Go(func() {
			for i := 0; ; i++ {
				ticket, err := bus.Submit(t.Context(), retinue.Request{Events: []messages.Event{note{fmt.Sprint(p, ".", i)}}})
				if err != nil {
					wantError(t, err, messages.ErrClosed)
					return
				}
				tickets[p] = append(tickets[p], ticket)
				if i == 10 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range producers {
		<-begun
	}
	closeBus(t, bus)
	wg.Wait()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	bus = openBus(t, opts)
	entries := read(t, bus, messages.Permanent)
	accepted := 0
	for p := range tickets {
		for i, ticket := range tickets[p] {
			at, err := ticket.Wait(over)
			if err != nil {
				t.Fatalf("ticket %d.%d: %v", p, i, err)
			}
			if got, want := text(t, entries[at.FirstEvent-1]), fmt.Sprint(p, ".", i); got != want {
				t.Fatalf("entry %v = %q, want %q", at.FirstEvent, got, want)
			}
			accepted++
		}
	}
	if accepted != len(entries) {
		t.Errorf("%d entries, %d were accepted", len(entries), accepted)
	}
}

// Trap 13: an idle bus holds no transaction open, and appends never conflict.
func TestConcurrentUpdatesAndAppendsNeverConflict(t *testing.T) {
	bus := openBus(t, inMemory())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				if _, err := bus.Append(t.Context(), note{"a"}); err != nil {
					t.Error(err)
				}
				if err := countUp(t.Context(), bus); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantCount(t, bus, 200)
	wantHeads(t, bus, 401, 401)
}

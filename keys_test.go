package retinue_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/internal/wallclock"
	"github.com/retinue-go/retinue/messages"
)

// wantKeyed appends with a key and compares where, and whether anew.
func wantKeyed(t testing.TB, bus *retinue.Bus, key, said string, event messages.EventID, repeated bool) {
	t.Helper()
	at, err := appendKeyed(t, bus, key, note{said}, hint{said})
	if err != nil || at.FirstEvent != event || at.Repeated != repeated {
		t.Errorf("key %q: event %v, repeated %v, %v; want event %v, repeated %v", key, at.FirstEvent, at.Repeated, err, event, repeated)
	}
}

func TestARepeatedKeyReturnsTheFirstReceiptAndAppendsNothing(t *testing.T) {
	bus := openBus(t, inMemory())
	first, err := appendKeyed(t, bus, "k", note{"a"}, hint{"b"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, bus, note{"between"})
	again, err := appendKeyed(t, bus, "k", note{"a"}, hint{"b"})
	if err != nil {
		t.Fatal(err)
	}
	if first.Repeated || !again.Repeated {
		t.Errorf("repeated = %v and %v", first.Repeated, again.Repeated)
	}
	again.Repeated = false
	if again != first {
		t.Errorf("receipts differ: %+v and %+v", first, again)
	}
	wantTexts(t, bus, messages.TrimmableLog, "a", "b", "between")
}

func TestAKeyWithOtherContentIsAConflict(t *testing.T) {
	bus := openBus(t, inMemory())
	wantKeyed(t, bus, "k", "a", 1, false)
	for _, other := range [][]messages.Event{
		{note{"b"}, hint{"a"}},
		{note{"a"}},
		{hint{"a"}, note{"a"}},
		{note{"a"}, hint{"a"}, hint{"a"}},
		{messages.Draft{Event: note{"a"}, Instance: 1}, hint{"a"}},
	} {
		_, err := appendKeyed(t, bus, "k", other...)
		wantError(t, err, messages.ErrKeyConflict)
	}
	wantHeads(t, bus, 2, 3)
	wantKeyed(t, bus, "k", "a", 1, true)
}

func TestAKeyIsRememberedAfterReopenAndPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	bus := openBus(t, &retinue.Options{FS: fs})
	wantKeyed(t, bus, "k", "a", 1, false)
	cut := powerCut(fs)
	closeBus(t, bus)
	wantKeyed(t, openBus(t, &retinue.Options{FS: fs}), "k", "a", 1, true)
	wantKeyed(t, openBus(t, &retinue.Options{FS: cut}), "k", "a", 1, true)
}

func TestAKeyExpiresAfterItsWindowInOrderingTime(t *testing.T) {
	day := 24 * time.Hour
	for _, test := range []struct {
		name     string
		window   time.Duration
		wait     time.Duration
		repeated bool
	}{
		{"default, almost over", 0, 14*day - time.Second, true},
		{"default, over", 0, 14*day + time.Second, false},
		{"an hour, almost over", time.Hour, 59 * time.Minute, true},
		{"an hour, over", time.Hour, 61 * time.Minute, false},
		{"for ever", retinue.Forever, 5000 * day, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			clock := newWallClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
			opts := &retinue.Options{FS: vfs.NewMem(), KeyWindow: test.window}
			wallclock.Set(opts, clock.Now)
			bus := openBus(t, opts)
			wantKeyed(t, bus, "k", "a", 1, false)
			wantKeyed(t, bus, "other", "b", 2, false)
			clock.Advance(test.wait)
			event := messages.EventID(3)
			if test.repeated {
				event = 1
			}
			wantKeyed(t, bus, "k", "a", event, test.repeated)
			closeBus(t, bus)
			bus = openBus(t, opts)
			wantKeyed(t, bus, "k", "a", event, true)
			if !test.repeated {
				// An expired key is free for other content too.
				wantKeyed(t, bus, "other", "c", 4, false)
			}
		})
	}
}

func TestKeysExpireInBucketsAndLeaveNothingOnDisk(t *testing.T) {
	clock := newWallClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	db := openDatabase(t, vfs.NewMem())
	opts := &retinue.Options{DB: db, Prefix: []byte("p"), KeyWindow: 48 * time.Hour}
	wallclock.Set(opts, clock.Now)
	bus := openBus(t, opts)
	for i := range 20 {
		wantKeyed(t, bus, fmt.Sprint(i), "a", messages.EventID(i+1), false)
		clock.Advance(24 * time.Hour)
	}
	kept := 0
	for key := range keysOf(t, db) {
		if key[:4] == "p\x00\x01I" {
			kept++
		}
	}
	if kept > 4 {
		t.Errorf("%d keys are on disk, want those of the window's days", kept)
	}
}

func TestTheSameKeyTwiceInOneRoundAppendsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		release := holdWriter(t, bus)
		request := retinue.Request{Events: []messages.Event{note{"a"}}, Key: "k"}
		var tickets []*retinue.Ticket
		for _, r := range []retinue.Request{request, request, {Events: []messages.Event{note{"b"}}, Key: "k"}} {
			ticket, err := bus.Submit(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, ticket)
		}
		synctest.Wait()
		release()
		first, err := tickets[0].Wait(t.Context())
		if err != nil || first.Repeated {
			t.Errorf("first = %+v, %v", first, err)
		}
		second, err := tickets[1].Wait(t.Context())
		if err != nil || !second.Repeated || second.FirstEvent != first.FirstEvent {
			t.Errorf("second = %+v, %v", second, err)
		}
		_, err = tickets[2].Wait(t.Context())
		wantError(t, err, messages.ErrKeyConflict)
		wantTexts(t, bus, messages.Permanent, "a")
	})
}

func TestTheKeyOfARefusedAppendIsNotRemembered(t *testing.T) {
	bus := openBus(t, inMemory())
	request := retinue.Request{Events: []messages.Event{note{"a"}}, Key: "k", If: []messages.Condition{messages.HeadIs(7)}}
	_, err := submit(t, bus, request)
	wantError(t, err, messages.ErrConditionFailed)
	wantKeyed(t, bus, "k", "other", 1, false)
}

func TestARepetitionIsAnsweredEvenWhereItsConditionHoldsNoLonger(t *testing.T) {
	bus := openBus(t, inMemory())
	request := retinue.Request{Events: []messages.Event{note{"a"}}, Key: "k", If: []messages.Condition{messages.HeadIs(1)}}
	for i := range 2 {
		at, err := submit(t, bus, request)
		if err != nil || at.FirstEvent != 1 || at.Repeated != (i == 1) {
			t.Errorf("attempt %d = %+v, %v", i, at, err)
		}
	}
}

func TestANoneSinceThatARepetitionBreaksItselfDoesNotHideTheRepetition(t *testing.T) {
	bus := openBus(t, inMemory())
	request := retinue.Request{
		Events: []messages.Event{note{"a"}}, Key: "k",
		If: []messages.Condition{messages.NoneSince(1, note{}.EventType())},
	}
	for i := range 2 {
		at, err := submit(t, bus, request)
		if err != nil || at.FirstEvent != 1 || at.Repeated != (i == 1) {
			t.Errorf("attempt %d = %+v, %v", i, at, err)
		}
	}
}

func TestAnEventTimeOfItsOwnIsPartOfAKeysContentAndTheTimeOfTheCallIsNot(t *testing.T) {
	clock := newWallClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	opts := inMemory()
	wallclock.Set(opts, clock.Now)
	bus := openBus(t, opts)
	wantKeyed(t, bus, "k", "a", 1, false)
	clock.Advance(time.Hour)
	wantKeyed(t, bus, "k", "a", 1, true)
	_, err := appendKeyed(t, bus, "k", messages.Draft{Event: note{"a"}, Time: clock.Now()}, hint{"a"})
	wantError(t, err, messages.ErrKeyConflict)
}

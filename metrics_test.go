package retinue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// metricsOf returns what was measured of a follower.
func metricsOf(t *testing.T, bus *retinue.Bus, name string) retinue.FollowerMetrics {
	t.Helper()
	for _, f := range bus.Metrics().Followers {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no follower %q in %+v", name, bus.Metrics().Followers)
	return retinue.FollowerMetrics{}
}

func TestMetricsCountWhatWasAppended(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"a"}, hint{"b"}, signal{"c"})
	put(t, bus, note{"d"})
	m := bus.Metrics()
	if m.Persistent != 2 || m.Trimmable != 1 || m.Transient != 1 {
		t.Errorf("%d persistent, %d trimmable, %d transient; want 2, 1, 1", m.Persistent, m.Trimmable, m.Transient)
	}
	if n := m.Append.Count(); n != 2 {
		t.Errorf("%d appends, want 2", n)
	}
	if n := m.RoundEvents.Count(); n != 2 || m.RoundEvents.Sum != 4 {
		t.Errorf("%v events in %d rounds, want 4 in 2", m.RoundEvents.Sum, n)
	}
	if m.Synced.Count() < 2 || m.Order.Count() < m.RoundEvents.Count() || m.RoundBytes.Sum < 100 {
		t.Errorf("%d synced commits, %d rounds, %v bytes; want at least 2, 2 and 100", m.Synced.Count(), m.Order.Count(), m.RoundBytes.Sum)
	}
	if m.Bus != "store" || m.Store != bus.StoreID() {
		t.Errorf("of bus %q, store %v", m.Bus, m.Store)
	}
}

func TestMetricsCountRepetitionsAndRefusals(t *testing.T) {
	bus := openBus(t, inMemory())
	submit := func(r retinue.Request) error {
		ticket, err := bus.Submit(t.Context(), r)
		if err == nil {
			_, err = ticket.Wait(t.Context())
		}
		return err
	}
	keyed := retinue.Request{Events: []messages.Event{note{"a"}}, Key: "k"}
	for range 3 {
		if err := submit(keyed); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []messages.Condition{messages.HeadIs(1), messages.NoneSince(1, note{}.EventType())} {
		wantError(t, submit(retinue.Request{Events: []messages.Event{note{"b"}}, If: []messages.Condition{c}}), messages.ErrConditionFailed)
	}
	if m := bus.Metrics(); m.Repeated != 2 || m.Refused != 2 {
		t.Errorf("%d repeated, %d refused; want 2 and 2", m.Repeated, m.Refused)
	}
}

func TestMetricsMeasureTheTurnsOfAFollower(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{FS: vfs.NewMem()})
		err := bus.Follow(followers.Follower{Name: "slow", Every: func(turn *followers.Turn) error {
			time.Sleep(30 * time.Millisecond)
			if turn.Attempt() < 3 && turn.Entry().ID == 2 {
				return errors.New("not yet")
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		put(t, bus, note{"a"}, note{"b"}, note{"c"})
		if err := bus.CaughtUp(t.Context(), "slow"); err != nil {
			t.Fatal(err)
		}
		m := metricsOf(t, bus, "slow")
		if n := m.Turn.Count(); n != 5 || m.Turn.Mean() != 30*time.Millisecond {
			t.Errorf("%d turns of %v, want 5 of 30ms", n, m.Turn.Mean())
		}
		if m.Failed != 2 || m.Retried != 2 || m.Restarts != 2 {
			t.Errorf("%d failed, %d retried, %d restarts; want 2 each", m.Failed, m.Retried, m.Restarts)
		}
		if m.Commit.Count() < 3 {
			t.Errorf("%d commits, want at least 3", m.Commit.Count())
		}
	})
}

func TestAnInterruptedTurnIsNotAFailedOne(t *testing.T) {
	bus := openBus(t, inMemory())
	begun := make(chan struct{})
	err := bus.Follow(followers.Follower{Name: "patient", Every: func(turn *followers.Turn) error {
		close(begun)
		<-turn.Context().Done()
		return turn.Context().Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, bus, note{"a"})
	<-begun
	if err := bus.Pause(t.Context(), "patient"); err != nil {
		t.Fatal(err)
	}
	if m := metricsOf(t, bus, "patient"); m.Failed != 0 || m.Retried != 0 {
		t.Errorf("%d failed, %d retried; want none", m.Failed, m.Retried)
	}
}

func TestMetricsMeasureHowLongAnUpdateHoldsTheWriter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{FS: vfs.NewMem()})
		if _, err := bus.Update(t.Context(), func(*retinue.Tx) error { time.Sleep(time.Second); return nil }); err != nil {
			t.Fatal(err)
		}
		if m := bus.Metrics().Update; m.Count() != 1 || m.Mean() != time.Second {
			t.Errorf("%d updates of %v, want one of 1s", m.Count(), m.Mean())
		}
	})
}

// An append that waits behind an Update counts with its wait in the queue.
func TestAppendsOfARoundCountWithTheTimeOfTheOldest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), UpdateTimeout: time.Minute})
		release := holdWriter(t, bus)
		submit := func() *retinue.Ticket {
			ticket, err := bus.Submit(t.Context(), retinue.Request{Events: []messages.Event{note{"a"}}})
			if err != nil {
				t.Fatal(err)
			}
			return ticket
		}
		first := submit()
		time.Sleep(2 * time.Second)
		second := submit()
		time.Sleep(time.Second)
		release()
		for _, ticket := range []*retinue.Ticket{first, second} {
			if _, err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if m := bus.Metrics().Append; m.Count() != 2 || m.Mean() != 3*time.Second {
			t.Errorf("%d appends of %v, want 2 of 3s", m.Count(), m.Mean())
		}
	})
}

func TestMetricsMeasureHowLongAppendsWaitForRoom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), MaxPendingEvents: 1, UpdateTimeout: time.Minute})
		release := holdWriter(t, bus)
		var err error
		for err == nil { // until there is no room
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			_, err = bus.Submit(ctx, retinue.Request{Events: []messages.Event{note{"a"}}})
			cancel()
		}
		wantError(t, err, context.DeadlineExceeded)
		release()
		if m := bus.Metrics().Wait; m.Count() != 1 || m.Mean() != 2*time.Second {
			t.Errorf("%d waits of %v, want one of 2s", m.Count(), m.Mean())
		}
	})
}

func TestMetricsCountGapsOfSubscribers(t *testing.T) {
	bus := openBus(t, inMemory())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	entries := bus.Subscribe(ctx, retinue.Subscription{Buffer: 2, Ordered: true})
	put(t, bus, note{"a"}, note{"b"}, note{"c"}, note{"d"}, note{"e"})
	m := bus.Metrics()
	if m.Subscribers != 1 || m.Gaps != 1 || m.Lost != 3 {
		t.Errorf("%d subscribers, %d gaps, %d lost; want 1, 1, 3", m.Subscribers, m.Gaps, m.Lost)
	}
	for range entries {
		break
	}
	if n := bus.Metrics().Subscribers; n != 0 {
		t.Errorf("%d subscribers after the loop, want none", n)
	}
}

func TestMetricsCountWhatWasTrimmed(t *testing.T) {
	bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), Trim: retinue.Trim{MinEntries: -1, MinAge: -1}})
	put(t, bus, hint{"a"}, hint{"b"}, hint{"c"})
	if _, err := bus.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := bus.Metrics().Trimmed; n != 3 {
		t.Errorf("%d trimmed, want 3", n)
	}
}

func TestMetricsTellOfTheDatabaseWhileItIsOpen(t *testing.T) {
	bus := openBus(t, nil)
	put(t, bus, note{"a"})
	d := bus.Metrics().Database
	if !d.Known || d.WALSync.Count() == 0 || d.WALSync.Sum <= 0 || d.WALWritten == 0 || d.Memtables == 0 || d.MemtableBytes == 0 {
		t.Errorf("database = %+v, want synced log files and a memtable", d)
	}
	if d.DiskFree == 0 || d.DiskTotal < d.DiskFree || d.DiskBytes == 0 {
		t.Errorf("%d bytes used, %d of %d free", d.DiskBytes, d.DiskFree, d.DiskTotal)
	}
	closeBus(t, bus)
	m := bus.Metrics()
	if m.Database.Known || m.Database.Memtables != 0 || m.Persistent != 1 {
		t.Errorf("after Close: %+v, %d persistent", m.Database, m.Persistent)
	}
}

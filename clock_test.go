package retinue_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/internal/wallclock"
	"github.com/retinue-go/retinue/messages"
)

// Traps 9 and 10: a wall clock that jumps neither inverts ordering time nor
// hides how far it is off, and what happens afterwards is still told apart.
func TestOrderingTimeNeverDecreasesWhenTheWallClockJumps(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := newWallClock(start)
	opts := inMemory()
	wallclock.Set(opts, clock.Now)
	bus := openBus(t, opts)
	year := 365 * 24 * time.Hour
	for _, step := range []struct {
		by     time.Duration
		offset time.Duration // of ordering time to the wall clock afterwards
	}{
		{0, 0},
		{time.Hour, 0},
		{4 * year, 0},         // forward
		{-4 * year, 4 * year}, // and back
		{time.Hour, 4 * year}, // both go on at one pace
		{-time.Second, 4*year + 1e9},
		{time.Minute, 4*year + 1e9},
	} {
		clock.Advance(step.by)
		put(t, bus, note{"a"}, hint{"b"}, note{"c"})
		if got := bus.Status().ClockOffset; got != step.offset {
			t.Errorf("offset after a step of %v = %v, want %v", step.by, got, step.offset)
		}
		closeBus(t, bus)
		bus = openBus(t, opts)
		if got := bus.Status().ClockOffset; got != step.offset {
			t.Errorf("offset after reopening = %v, want %v", got, step.offset)
		}
	}
	var last messages.Entry
	for i, e := range read(t, bus, messages.TrimmableLog) {
		if e.Ordered.Before(last.Ordered) {
			t.Errorf("entry %v was ordered at %v, behind one at %v", e.TrimmableID, e.Ordered, last.Ordered)
		}
		if i%3 != 0 && e.Ordered.Before(last.Ordered) {
			t.Errorf("entry %v is before its neighbour of the same append", e.TrimmableID)
		}
		last = e
	}
	if want := start.Add(4*year + 2*time.Hour + time.Minute); !last.Ordered.Equal(want) {
		t.Errorf("last ordering time = %v, want %v", last.Ordered, want)
	}
	if wall := clock.Now(); !last.Time.Equal(wall) {
		t.Errorf("last event time = %v, want the time of the call, %v", last.Time, wall)
	}
}

func TestTimeGoesOnWhileABusIsClosed(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := newWallClock(start)
	opts := inMemory()
	wallclock.Set(opts, clock.Now)
	bus := openBus(t, opts)
	put(t, bus, note{"a"})
	clock.Advance(-time.Hour)
	put(t, bus, note{"b"})
	closeBus(t, bus)
	clock.Advance(30 * time.Minute)
	bus = openBus(t, opts)
	put(t, bus, note{"c"})
	entries := read(t, bus, messages.Permanent)
	if want := start.Add(30 * time.Minute); !entries[2].Ordered.Equal(want) {
		t.Errorf("ordered at %v, want %v: the offset of an hour stays, the half hour has passed", entries[2].Ordered, want)
	}
}

// Trap 11: names of Stage calls do not come from the clock, so none is given
// twice when it is set back.
func TestStageCallsAreToldApartWhenTheClockIsSetBack(t *testing.T) {
	clock := newWallClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	db := openDatabase(t, vfs.NewMem())
	opts := &retinue.Options{DB: db, Prefix: []byte("p")}
	wallclock.Set(opts, clock.Now)
	b := db.NewBatch()
	defer b.Close()
	for _, said := range []string{"a", "b", "c"} {
		bus := openBus(t, opts)
		stageInto(t, bus, b, note{said})
		stageInto(t, bus, b, note{said + "2"})
		if said == "c" {
			commitBatch(t, b)
		}
		closeBus(t, bus)
		clock.Advance(-time.Hour)
	}
	wantTexts(t, openBus(t, opts), messages.Permanent, "a", "a2", "b", "b2", "c", "c2")
}

// Trap 2: a log that was trimmed empty and opened again goes on with fresh
// ids, and a follower of it hears what comes next.
func TestIDsAreNotGivenAgainAfterEverythingWasTrimmed(t *testing.T) {
	clock := newWallClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	opts := inMemory()
	wallclock.Set(opts, clock.Now)
	opts.Trim = retinue.Trim{MinEntries: -1}
	bus := openBus(t, opts)
	put(t, bus, hint{"a"})
	if at := put(t, bus, hint{"b"}); at.FirstTrimmable != 2 {
		t.Fatalf("receipt = %+v", at)
	}
	clock.Advance(15 * 24 * time.Hour)
	trimmed, err := bus.Trim(t.Context())
	if err != nil || trimmed.Entries != 2 || trimmed.Horizon != 3 {
		t.Fatalf("trimmed = %+v, %v", trimmed, err)
	}
	wantTexts(t, bus, messages.TrimmableLog)
	closeBus(t, bus)
	bus = openBus(t, opts)
	wantHeads(t, bus, 1, 3)
	if at := put(t, bus, hint{"c"}); at.FirstTrimmable != 3 {
		t.Errorf("the first id after the trim = %v, want 3", at.FirstTrimmable)
	}
	wantTexts(t, bus, messages.TrimmableLog, "c")
}

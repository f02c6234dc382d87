package retinue_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// perEntry bounds what reading an entry allocates: a page costs a constant,
// shared by its 256 entries. perDelivery bounds what delivering one allocates:
// beside the page there is a commit, on the host and on the writer; all of it
// together is below 40 per page, whatever the entries are.
const (
	perEntry    = 0.1
	perDelivery = 40.0 / 256
)

// perAppend bounds what Submit and Wait allocate for one small event without
// headers: the event's JSON, its Prepared, the job with its ticket, and the
// writer's share for a round of one.
const perAppend = 20

// wantAllocations compares a count with its bound. Under the race detector
// the code runs, and only the bound is left out.
func wantAllocations(t *testing.T, got, most float64) {
	t.Helper()
	t.Logf("%.3f allocations", got)
	if got > most && !raceDetector {
		t.Errorf("%.3f allocations, want at most %v", got, most)
	}
}

// allocations counts those of f, with what other goroutines do for it.
func allocations(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// filled returns a bus with n notes and n hints.
func filled(t testing.TB, n int) *retinue.Bus {
	t.Helper()
	bus := openBus(t, inMemory())
	const chunk = 1000
	for i := 0; i < n; i += chunk {
		var events []messages.Event
		for j := range chunk {
			events = append(events, note{fmt.Sprint(i + j)}, hint{fmt.Sprint(i + j)})
		}
		put(t, bus, events...)
	}
	return bus
}

func TestReadingAllocatesNothingPerEntry(t *testing.T) {
	const n = 20_000
	bus := filled(t, n)
	for _, q := range []retinue.Query{
		{},
		{Log: messages.TrimmableLog},
		{Reverse: true},
		{Log: messages.TrimmableLog, Filter: messages.Filter{Kinds: []string{"note"}}},
	} {
		seen := 0
		perRun := testing.AllocsPerRun(3, func() {
			seen = 0
			for _, err := range bus.Entries(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				seen++
			}
		})
		if seen < n {
			t.Fatalf("read %d entries, want %d", seen, n)
		}
		wantAllocations(t, perRun/float64(seen), perEntry)
	}
}

func TestDeliveringAllocatesNothingPerEntry(t *testing.T) {
	const n = 50_000
	bus := filled(t, n)
	for _, f := range []followers.Follower{
		{Name: "permanent"},
		{Name: "trimmable", Log: messages.TrimmableLog},
		{Name: "filtered", Log: messages.TrimmableLog, Filter: messages.Filter{Kinds: []string{"hint"}}},
	} {
		seen := 0
		f.Every = func(*followers.Turn) error { seen++; return nil }
		count := allocations(func() {
			if err := bus.Follow(f); err != nil {
				t.Fatal(err)
			}
			if err := bus.CaughtUp(t.Context(), f.Name); err != nil {
				t.Fatal(err)
			}
		})
		if seen < n {
			t.Fatalf("%s saw %d entries, want %d", f.Name, seen, n)
		}
		wantAllocations(t, float64(count)/float64(seen), perDelivery)
	}
}

func TestDeliveringABatchAllocatesNothingPerEntry(t *testing.T) {
	const n = 50_000
	bus := filled(t, n)
	seen := 0
	count := allocations(func() {
		if err := bus.Follow(followers.Follower{Name: "batch", Batch: func(_ *followers.Turn, entries []messages.Entry) error {
			seen += len(entries)
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		if err := bus.CaughtUp(t.Context(), "batch"); err != nil {
			t.Fatal(err)
		}
	})
	if seen != n {
		t.Fatalf("saw %d entries, want %d", seen, n)
	}
	wantAllocations(t, float64(count)/float64(seen), perDelivery)
}

func TestAnAppendAllocatesAHandful(t *testing.T) {
	bus := filled(t, 1000)
	event := note{"a"}
	wantAllocations(t, testing.AllocsPerRun(500, func() { put(t, bus, event) }), perAppend)
}

func TestAnEventOfALargeAppendAllocatesItsOwnBytesOnly(t *testing.T) {
	bus := filled(t, 1000)
	events := make([]messages.Event, 1000)
	for i := range events {
		events[i] = note{"a"}
	}
	wantAllocations(t, testing.AllocsPerRun(5, func() { put(t, bus, events...) })/1000, 1.5)
}

package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/internal/wallclock"
	"github.com/retinue-go/retinue/messages"
)

// numbered appends n events: every third is a note, the others are hints.
func numbered(t testing.TB, bus *retinue.Bus, n int) {
	t.Helper()
	events := make([]messages.Event, n)
	for i := range events {
		if events[i] = messages.Event(hint{fmt.Sprint(i + 1)}); i%3 == 2 {
			events[i] = note{fmt.Sprint(i + 1)}
		}
	}
	put(t, bus, events...)
}

// ask returns the texts that a query gives, and its error.
func ask(t testing.TB, bus *retinue.Bus, q retinue.Query) (string, error) {
	t.Helper()
	var all []string
	for e, err := range bus.Entries(t.Context(), q) {
		if err != nil {
			return strings.Join(all, " "), err
		}
		all = append(all, text(t, e))
	}
	return strings.Join(all, " "), nil
}

// page asks for one page.
func page(t testing.TB, bus *retinue.Bus, q retinue.Query) (string, retinue.Page) {
	t.Helper()
	p, err := bus.Page(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range p.Entries {
		all = append(all, text(t, e))
	}
	return strings.Join(all, " "), p
}

func TestQueriesChooseByPositionLimitDirectionAndFilter(t *testing.T) {
	bus := openBus(t, inMemory())
	numbered(t, bus, 8)
	last := put(t, bus, note{"9"}, hint{"10"})
	put(t, bus, hint{"11"})
	notes := read(t, bus, messages.Permanent)
	trimmable := messages.TrimmableLog
	for _, test := range []struct {
		query retinue.Query
		want  string
	}{
		{retinue.Query{}, "3 6 9"},
		{retinue.Query{Reverse: true}, "9 6 3"},
		{retinue.Query{From: messages.EventID(2)}, "6 9"},
		{retinue.Query{To: messages.EventID(2)}, "3"},
		{retinue.Query{From: notes[1], To: notes[2]}, "6"},
		{retinue.Query{From: messages.EventID(4)}, ""},
		{retinue.Query{From: messages.EventID(99), To: messages.EventID(100)}, ""},
		{retinue.Query{From: messages.EventID(3), To: messages.EventID(2)}, ""},
		{retinue.Query{Log: trimmable}, "1 2 3 4 5 6 7 8 9 10 11"},
		{retinue.Query{Log: trimmable, Limit: 2}, "1 2"},
		{retinue.Query{Log: trimmable, Limit: 2, Reverse: true}, "11 10"},
		{retinue.Query{Log: trimmable, From: notes[1]}, "6 7 8 9 10 11"},
		{retinue.Query{Log: trimmable, To: notes[1], Reverse: true}, "5 4 3 2 1"},
		{retinue.Query{Log: trimmable, From: last}, "9 10 11"},
		{retinue.Query{Log: trimmable, To: last, From: messages.TrimmableID(8)}, "8 9 10"},
		{retinue.Query{Log: trimmable, From: last, To: last}, "9 10"},
		{retinue.Query{From: last, To: last}, "9"},
		{retinue.Query{Log: trimmable, Filter: messages.Filter{Kinds: []string{"note"}}}, "3 6 9"},
		{retinue.Query{Log: trimmable, Filter: messages.Filter{Kinds: []string{"note"}}, Limit: 2, Reverse: true}, "9 6"},
		{retinue.Query{Log: trimmable, Filter: messages.Filter{Modules: []string{"unknown"}}}, ""},
	} {
		if got, err := ask(t, bus, test.query); err != nil || got != test.want {
			t.Errorf("%+v: %q, %v, want %q", test.query, got, err, test.want)
		}
		if got, _ := page(t, bus, test.query); got != test.want {
			t.Errorf("%+v: the page is %q, want %q", test.query, got, test.want)
		}
	}
}

func TestQueriesChooseByOrderingTime(t *testing.T) {
	clock := newWallClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	opts := inMemory()
	wallclock.Set(opts, clock.Now)
	bus := openBus(t, opts)
	start := clock.Now()
	for i := range 12 {
		var e messages.Event = hint{fmt.Sprint(i)}
		if i%2 == 0 {
			e = note{fmt.Sprint(i)}
		}
		put(t, bus, messages.Draft{Event: e, Time: start.AddDate(-i, 0, 0)})
		clock.Advance(time.Minute)
	}
	at := func(minutes float64) time.Time { return start.Add(time.Duration(minutes * float64(time.Minute))) }
	trimmable := messages.TrimmableLog
	for _, test := range []struct {
		query retinue.Query
		want  string
	}{
		{retinue.Query{Log: trimmable, Since: at(9)}, "9 10 11"},
		{retinue.Query{Log: trimmable, Since: at(8.5)}, "9 10 11"},
		{retinue.Query{Log: trimmable, Until: at(2)}, "0 1"},
		{retinue.Query{Log: trimmable, Since: at(2), Until: at(5), Reverse: true}, "4 3 2"},
		{retinue.Query{Log: trimmable, Since: at(99)}, ""},
		{retinue.Query{Log: trimmable, Until: at(-99)}, ""},
		{retinue.Query{Log: trimmable, Since: at(5), Until: at(2)}, ""},
		{retinue.Query{Log: trimmable, Since: at(2), From: messages.TrimmableID(5), Limit: 1}, "4"},
		{retinue.Query{Since: at(3), Until: at(8)}, "4 6"},
		{retinue.Query{Since: at(7.5)}, "8 10"},
	} {
		if got, err := ask(t, bus, test.query); err != nil || got != test.want {
			t.Errorf("%+v: %q, %v, want %q", test.query, got, err, test.want)
		}
	}
}

// Traps 15 and 19: the limit counts entries that match, and a page without any
// is the end only where it says so.
func TestPagesGoOnUntilNextIsNilTraps15And19(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: 12, MinAge: -1})
	numbered(t, b.Bus, 30)
	b.wantPass(t, retinue.Trimmed{Entries: 18, Horizon: 19})
	got, p := page(t, b.Bus, retinue.Query{Log: messages.TrimmableLog, Limit: 2})
	if got != "19 20" || p.Next != messages.TrimmableID(21) || p.Horizon != 19 || p.Head != 31 {
		t.Errorf("from the horizon: %q, %+v", got, p)
	}
	for _, test := range []struct {
		query retinue.Query
		want  string
	}{
		{retinue.Query{Log: messages.TrimmableLog, Limit: 5}, "19 20 21 22 23|24 25 26 27 28|29 30"},
		{retinue.Query{Log: messages.TrimmableLog, Limit: 5, Reverse: true}, "30 29 28 27 26|25 24 23 22 21|20 19"},
		{retinue.Query{Limit: 4, Reverse: true}, "30 27 24 21|18 15 12 9|6 3"},
		{retinue.Query{Log: messages.TrimmableLog, Limit: 3, Filter: messages.Filter{Kinds: []string{"note"}}}, "21 24 27|30"},
		{retinue.Query{Limit: 3, Filter: messages.Filter{Kinds: []string{"hint"}}}, ""},
	} {
		var all []string
		q := test.query
		for more := true; more; {
			text, p := page(t, b.Bus, q)
			all = append(all, text)
			if more = p.Next != nil; q.Reverse {
				q.To = p.Next
			} else {
				q.From = p.Next
			}
		}
		if got := strings.TrimSuffix(strings.Join(all, "|"), "|"); got != test.want {
			t.Errorf("%+v: %q, want %q", test.query, got, test.want)
		}
	}
}

func TestPageHasAHundredEntriesByDefaultAndTenThousandAtMost(t *testing.T) {
	bus := openBus(t, inMemory())
	numbered(t, bus, 10_001)
	for limit, want := range map[int]int{0: 100, -1: 100, 20_000: 10_000} {
		_, p := page(t, bus, retinue.Query{Log: messages.TrimmableLog, Limit: limit})
		if len(p.Entries) != want || p.Next != messages.TrimmableID(want+1) {
			t.Errorf("limit %d: %d entries, next %v", limit, len(p.Entries), p.Next)
		}
	}
}

func TestQueriesRefuseBoundsThatAreNotInTheLog(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: 2, MinAge: -1})
	only := put(t, b.Bus, hint{"1"}, hint{"2"}, hint{"3"}, hint{"4"})
	b.wantPass(t, retinue.Trimmed{Entries: 2, Horizon: 3})
	for _, test := range []struct {
		query retinue.Query
		want  error
	}{
		{retinue.Query{From: messages.TrimmableID(1)}, messages.ErrNotInLog},
		{retinue.Query{To: only}, messages.ErrNotInLog},
		{retinue.Query{From: messages.EventID(0)}, messages.ErrNotInLog},
		{retinue.Query{Log: messages.TrimmableLog, From: messages.EventID(1)}, messages.ErrNotInLog},
		{retinue.Query{Log: messages.TrimmableLog, From: only}, messages.ErrTrimmed},
		{retinue.Query{Log: messages.TrimmableLog, From: messages.TrimmableID(2)}, messages.ErrTrimmed},
	} {
		_, err := ask(t, b.Bus, test.query)
		wantError(t, err, test.want)
		_, err = b.Page(t.Context(), test.query)
		wantError(t, err, test.want)
	}
	_, err := ask(t, b.Bus, retinue.Query{Log: messages.TrimmableLog, From: messages.TrimmableID(2)})
	var trimmed *messages.TrimmedError
	if !errors.As(err, &trimmed) || trimmed.Wanted != 2 || trimmed.Horizon != 3 {
		t.Errorf("error = %v, want 2 below 3", err)
	}
}

func TestReaderStopsAtTheDurableHead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		opts.Durability = retinue.Interval(time.Second)
		bus := openBus(t, opts)
		put(t, bus, note{"provisional"})
		for range 2 {
			want := "provisional"
			if bus.Status().Permanent.Head == 1 {
				want = ""
			}
			for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
				if got, p := page(t, bus, retinue.Query{Log: log}); got != want || p.Next != nil {
					t.Errorf("%v log: %q, next %v, want %q", log, got, p.Next, want)
				}
			}
			time.Sleep(2 * time.Second)
		}
		wantHeads(t, bus, 2, 2)
	})
}

func TestReaderDoesNotSeeWhatCameAfterItsCall(t *testing.T) {
	bus := openBus(t, inMemory())
	numbered(t, bus, 3)
	var all []string
	for e, err := range bus.Entries(t.Context(), retinue.Query{Log: messages.TrimmableLog}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text(t, e))
		put(t, bus, hint{"later"})
	}
	if want := []string{"1", "2", "3"}; !slices.Equal(all, want) {
		t.Errorf("%q, want %q", all, want)
	}
}

func TestReaderEndsWithItsContextAndWithTheBus(t *testing.T) {
	bus := openBus(t, inMemory())
	numbered(t, bus, 3)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := bus.Page(ended, retinue.Query{})
	wantError(t, err, context.Canceled)
	entries := bus.Entries(t.Context(), retinue.Query{})
	closeBus(t, bus)
	n := 0
	for _, err := range entries {
		n++
		wantError(t, err, messages.ErrClosed)
	}
	_, err = bus.Page(t.Context(), retinue.Query{})
	wantError(t, err, messages.ErrClosed)
	if n != 1 {
		t.Errorf("%d entries of a closed bus, want its error once", n)
	}
}

func TestReadingIsBoundedInMemory(t *testing.T) {
	opts := &retinue.Options{FS: vfs.NewMem(), Durability: retinue.None()}
	bus := openBus(t, opts)
	const n, batch = 100_000, 5000
	for range n / batch {
		numbered(t, bus, batch)
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	opts.Durability = retinue.Durability{}
	bus = openBus(t, opts)
	whole := func(at func()) {
		count := 0
		for _, err := range bus.Entries(t.Context(), retinue.Query{Log: messages.TrimmableLog}) {
			if err != nil {
				t.Fatal(err)
			}
			if count++; count%(n/4) == 0 {
				at()
			}
		}
		if count != n {
			t.Errorf("%d entries, want %d", count, n)
		}
	}
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	whole(func() {}) // fills the cache
	before := live()
	whole(func() {
		if now := live(); now > before+n*40 {
			t.Errorf("a reader of %d entries holds %d bytes", n, now-before)
		}
	})
}

package retinue_test

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func TestQueriesChooseByCorrelationAndEventTime(t *testing.T) {
	bus := openBus(t, inMemory())
	noon := time.Date(2020, 2, 2, 12, 0, 0, 0, time.UTC)
	for i, correlation := range []string{"a", "", "b", "a", "", "b"} {
		text := string(rune('0' + i))
		at := noon.Add(-time.Duration(i) * time.Hour) // happened backwards
		put(t, bus, messages.Draft{Event: note{text}, Time: at, Correlation: correlation, Instance: uint32(i % 2)})
	}
	for _, test := range []struct {
		query retinue.Query
		want  string
	}{
		{retinue.Query{Filter: messages.Filter{Correlations: []string{"a"}}}, "0 3"},
		{retinue.Query{Filter: messages.Filter{Correlations: []string{"b", "a"}}, Reverse: true, Limit: 3}, "5 3 2"},
		{retinue.Query{Filter: messages.Filter{Correlations: []string{""}}, Log: messages.TrimmableLog}, "1 4"},
		{retinue.Query{Filter: messages.Filter{Correlations: []string{"c"}}}, ""},
		{retinue.Query{Filter: messages.Filter{HappenedSince: noon.Add(-2 * time.Hour)}}, "0 1 2"},
		{retinue.Query{Filter: messages.Filter{HappenedUntil: noon.Add(-3 * time.Hour)}}, "4 5"},
		{retinue.Query{Filter: messages.Filter{HappenedSince: noon.Add(-4 * time.Hour), HappenedUntil: noon}, Limit: 2}, "1 2"},
		{retinue.Query{Filter: messages.Filter{Instances: []uint32{1}, Correlations: []string{"a"}}, From: messages.EventID(2)}, "3"},
	} {
		if got, err := ask(t, bus, test.query); err != nil || got != test.want {
			t.Errorf("%+v: %q, %v, want %q", test.query, got, err, test.want)
		}
		if got, p := page(t, bus, test.query); got != test.want {
			t.Errorf("%+v: the page is %q, want %q, next %v", test.query, got, test.want, p.Next)
		}
	}
}

func TestTimesFarOffAreNoBounds(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"a"})
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	for _, y := range []int{2200, 2262, 2263, 3000, 9999} {
		if got, err := ask(t, bus, retinue.Query{Until: year(y)}); err != nil || got != "a" {
			t.Errorf("until %d: %q, %v", y, got, err)
		}
		if got, err := ask(t, bus, retinue.Query{Since: year(y)}); err != nil || got != "" {
			t.Errorf("since %d: %q, %v", y, got, err)
		}
	}
	for _, y := range []int{1969, 1700, 1600, 2} {
		if got, err := ask(t, bus, retinue.Query{Since: year(y)}); err != nil || got != "a" {
			t.Errorf("since %d: %q, %v", y, got, err)
		}
		if got, err := ask(t, bus, retinue.Query{Until: year(y)}); err != nil || got != "" {
			t.Errorf("until %d: %q, %v", y, got, err)
		}
	}
}

func TestOneEntryIsReadByItsPlaceInEitherLog(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: -1})
	put(t, b.Bus, hint{"1"}, note{"2"}, hint{"3"})
	for _, test := range []struct {
		log  messages.Log
		at   messages.Position
		want string
	}{
		{messages.Permanent, messages.EventID(1), "2"},
		{messages.TrimmableLog, messages.TrimmableID(2), "2"},
		{messages.TrimmableLog, messages.TrimmableID(3), "3"},
	} {
		e, err := b.Entry(test.log, test.at)
		if err != nil || text(t, e) != test.want || e.Log != test.log {
			t.Errorf("%v log at %v: %+v, %v, want %s", test.log, test.at, e, err, test.want)
		}
	}
	refused := func(log messages.Log, at messages.Position, want error) {
		t.Helper()
		_, err := b.Entry(log, at)
		wantError(t, err, want)
	}
	refused(messages.Permanent, messages.EventID(2), messages.ErrOutOfRange)
	refused(messages.TrimmableLog, messages.TrimmableID(4), messages.ErrOutOfRange)
	refused(messages.TrimmableLog, messages.EventID(1), messages.ErrNotInLog)
	refused(messages.Permanent, nil, messages.ErrNotInLog)
	if _, err := b.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(messages.TrimmableLog, messages.TrimmableID(1), messages.ErrTrimmed)
	closeBus(t, b.Bus)
	refused(messages.Permanent, messages.EventID(1), messages.ErrClosed)
}

// A rare kind and a window of time are read from a few blocks of a flushed
// log, an event time and a correlation from all of them.
func TestQueriesReadASmallShareOfTheBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := inMemory()
		opts.Trim.Off = true
		bus := openBus(t, opts)
		start, noise, rand := time.Now(), make([]byte, 100), rand.NewChaCha8([32]byte{})
		for i := range 200 {
			events := make([]messages.Event, 100)
			for j := range events {
				rand.Read(noise)
				events[j] = messages.Draft{Event: note{hex.EncodeToString(noise)}, Correlation: "order 7"}
			}
			if i%40 == 20 {
				events[0], events[1] = remark{"rare"}, hint{"rare"}
			}
			put(t, bus, events...)
			time.Sleep(time.Minute)
		}
		closeBus(t, bus) // opening writes to tables what is in the logs
		bus = openBus(t, opts)
		cost := func(q retinue.Query) (entries int, s retinue.ReadStats) {
			q.Stats = &s
			for _, err := range bus.Entries(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				entries++
			}
			if s.Bytes < s.Cached || s.Entries < uint64(entries) {
				t.Errorf("%+v: %d entries cost %+v", q, entries, s)
			}
			return entries, s
		}
		middle := start.Add(100 * time.Minute)
		for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
			all, whole := cost(retinue.Query{Log: log})
			for _, test := range []struct {
				name  string
				query retinue.Query
				want  int
				share uint64 // of the whole, at most one in so many
			}{
				{"rare kind", retinue.Query{Filter: messages.Filter{Kinds: []string{"remark"}}}, 5, 10},
				{"rare kind, reverse", retinue.Query{Filter: messages.Filter{Kinds: []string{"remark"}}, Reverse: true}, 5, 10},
				{"two minutes", retinue.Query{Since: middle, Until: middle.Add(2 * time.Minute)}, 199, 10},
				{"two minutes, reverse", retinue.Query{Since: middle, Until: middle.Add(2 * time.Minute), Reverse: true}, 199, 10},
				{"rare kind in an hour", retinue.Query{Since: middle, Until: middle.Add(time.Hour), Filter: messages.Filter{Kinds: []string{"remark"}}}, 2, 10},
				{"correlation", retinue.Query{Filter: messages.Filter{Correlations: []string{"absent"}}}, 0, 1},
			} {
				test.query.Log = log
				n, s := cost(test.query)
				t.Logf("%v log, %s: %d of %d entries, %d of %d bytes, looked at %d", log, test.name, n, all, s.Bytes, whole.Bytes, s.Entries)
				if log == messages.Permanent && n != test.want || s.Bytes*test.share > whole.Bytes+whole.Bytes/10 {
					t.Errorf("%v log, %s: %d entries for %+v, of %+v", log, test.name, n, s, whole)
				}
			}
		}
		closeBus(t, bus)
		time.Sleep(2 * time.Second)
	})
}

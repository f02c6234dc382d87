package queries_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries"
	"github.com/retinue-go/retinue/retinuetest"
)

func TestStatsCountWhatIsReadFromMemory(t *testing.T) {
	bus := retinuetest.Open(t, nil)
	shareTail(t, bus)
	retinuetest.Append(t, bus, step{"A"}, traced{"a"}, paid{1}, step{"B"})
	for log, want := range map[messages.Log]uint64{messages.Permanent: 3, messages.TrimmableLog: 4} {
		for _, reverse := range []bool{false, true} {
			var s retinue.ReadStats
			for _, err := range bus.Entries(t.Context(), retinue.Query{Log: log, Reverse: reverse, Stats: &s}) {
				if err != nil {
					t.Fatal(err)
				}
			}
			if s != (retinue.ReadStats{Entries: want}) {
				t.Errorf("%v log, reverse %v: %+v, want %d entries", log, reverse, s, want)
			}
		}
	}
}

// What of a log is in tables, in memory, and in blocks of ids whose kinds are
// known makes no difference to what a query finds.
func TestEachFindsWhatALoopOverAllEntriesFinds(t *testing.T) {
	bus := retinuetest.Open(t, nil)
	shareTail(t, bus)
	var n int
	fill := func(to int) {
		for n < to {
			events := make([]messages.Event, 0, 100)
			for ; len(events) < cap(events); n++ {
				switch {
				case n%1700 == 5, n%2048 == 1023: // rare, also at the end of a block
					events = append(events, paid{n})
				case n%5 == 0:
					events = append(events, traced{"often"})
				default:
					events = append(events, step{"OFTEN"})
				}
			}
			retinuetest.Append(t, bus, events...)
		}
	}
	fill(3000)
	bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
	middle := time.Now()
	fill(12_000)

	all := make(map[messages.Log][]messages.Entry)
	for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
		for e, err := range bus.Entries(t.Context(), retinue.Query{Log: log}) {
			if err != nil {
				t.Fatal(err)
			}
			all[log] = append(all[log], e.Clone())
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		log := rapid.SampledFrom([]messages.Log{messages.Permanent, messages.TrimmableLog}).Draw(t, "log")
		entries := all[log]
		from := rapid.IntRange(0, len(entries)).Draw(t, "from")
		to := rapid.IntRange(from, len(entries)).Draw(t, "to")
		var stats retinue.ReadStats
		q := retinue.Query{Log: log, From: place(log, from), To: place(log, to), Stats: &stats,
			Reverse: rapid.Bool().Draw(t, "reverse"), Limit: rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "limit")}
		if rapid.Bool().Draw(t, "since") {
			q.Since = middle
		}
		var want, got []messages.TrimmableID
		for _, e := range entries[from:to] {
			if e.Type.Kind == "paid" && !e.Ordered.Before(q.Since) {
				want = append(want, e.TrimmableID)
			}
		}
		if q.Reverse {
			slices.Reverse(want)
		}
		if q.Limit > 0 {
			want = want[:min(len(want), q.Limit)]
		}
		for d, err := range queries.Each[paid](t.Context(), bus, q) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d.Entry.TrimmableID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: found %v, want %v", q, got, want)
		}
		if stats.Entries < uint64(len(got)) || stats.Entries > uint64(to-from) {
			t.Errorf("%+v: looked at %d entries of %d and found %d", q, stats.Entries, to-from, len(got))
		}
	})
}

// place is the id of an entry by its index.
func place(log messages.Log, i int) messages.Position {
	if log == messages.Permanent {
		return messages.EventID(i + 1)
	}
	return messages.TrimmableID(i + 1)
}

// shareTail has two followers, so that the end of the log is kept in memory.
func shareTail(t *testing.T, bus *retinue.Bus) {
	t.Helper()
	for _, name := range []string{"one", "two"} {
		retinuetest.Follow(t, bus, followers.Follower{Name: name, Every: func(*followers.Turn) error { return nil }})
	}
}

package actors

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// filled returns which buckets hold how much.
func filled[U ~int64](h persistence.Histogram[U]) map[int]uint64 {
	found := make(map[int]uint64)
	for i, n := range h.Counts {
		if n > 0 {
			found[i] = n
		}
	}
	return found
}

func TestAnObservationLiesInTheFirstBucketWhoseBoundIsNotBelowIt(t *testing.T) {
	for _, d := range []time.Duration{
		-time.Second, 0, 1, time.Microsecond - 1, time.Microsecond, time.Microsecond + 1, 2 * time.Microsecond,
		3 * time.Microsecond, time.Millisecond, 1024 * time.Microsecond, 1024*time.Microsecond + 1,
		latencyBounds[buckets-1], latencyBounds[buckets-1] + 1, time.Hour, 1 << 62,
	} {
		var l latencies
		l.observe(d, 3)
		want := slices.IndexFunc(latencyBounds, func(bound time.Duration) bool { return bound >= d })
		if want < 0 {
			want = buckets
		}
		h := l.snapshot()
		if got := filled(h); len(got) != 1 || got[want] != 3 {
			t.Errorf("%v is in %v, want 3 in bucket %d", d, got, want)
		}
		if sum := 3 * float64(max(d, 0)); h.Sum != sum {
			t.Errorf("sum of 3 times %v = %v, want %v", d, h.Sum, sum)
		}
	}
	for _, size := range []int{0, 1, 2, 3, 4, 5, 1024, 1025, 1 << 24, 1<<24 + 1, 1 << 40} {
		var s sizes
		s.observe(size)
		want := slices.IndexFunc(sizeBounds, func(bound int64) bool { return bound >= int64(size) })
		if want < 0 {
			want = buckets
		}
		if got := filled(s.snapshot()); len(got) != 1 || got[want] != 1 {
			t.Errorf("%d is in %v, want bucket %d", size, got, want)
		}
	}
}

func TestMeasuringAllocatesNothing(t *testing.T) {
	var m measures
	r := &run{tracker: &tracker{engine: &Engine{}}}
	if n := testing.AllocsPerRun(100, func() {
		m.append.observe(time.Millisecond, 7)
		m.order.since(ticks())
		m.roundBytes.observe(4096)
		m.miss(true)
		m.refuse(messages.ErrConditionFailed)
		r.countTurn(2)
		r.endTurns()
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestWithoutATracerAppendsAndTurnsAllocateNothing(t *testing.T) {
	e := &Engine{}
	r := &run{tracker: &tracker{engine: e}}
	events, entries := make([]messages.Prepared, 1), make([]messages.Entry, 1)
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		addTrace(events, e.traceOf(ctx))
		_, end := r.trace(ctx, entries, 1)
		end(nil)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

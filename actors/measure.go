package actors

import (
	"errors"
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// buckets are the bounds of a histogram: 1, 2, 4 and so on up to 2^24, in
// microseconds (17 s) or in events or bytes (16 Mi).
const buckets = 25

var (
	latencyBounds = boundsOf(time.Microsecond)
	sizeBounds    = boundsOf(int64(1))
)

func boundsOf[U ~int64](unit U) []U {
	bounds := make([]U, buckets)
	for i := range bounds {
		bounds[i] = unit << i
	}
	return bounds
}

// latencies and sizes are histograms that are counted into without a lock or
// an allocation.
type (
	latencies struct{ histogram }
	sizes     struct{ histogram }
)

// observe counts n observations of d each.
func (l *latencies) observe(d time.Duration, n int) {
	d = max(d, 0)
	l.add(bits.Len64(uint64(max(d-1, 0)/time.Microsecond)), float64(d), n)
}

func (l *latencies) since(began time.Duration) { l.endOf(began) }

// endOf is since that tells the time.
func (l *latencies) endOf(began time.Duration) (now time.Duration) {
	now = ticks()
	l.observe(now-began, 1)
	return now
}

func (l *latencies) snapshot() persistence.Histogram[time.Duration] {
	return snapshot(&l.histogram, latencyBounds)
}

// observe counts one observation of size.
func (s *sizes) observe(size int) {
	s.add(bits.Len64(uint64(max(size-1, 0))), float64(size), 1)
}

func (s *sizes) snapshot() persistence.Histogram[int64] { return snapshot(&s.histogram, sizeBounds) }

// histogram counts by the number of the bucket. The sum is the bits of a
// float64: as an integer, the nanoseconds of a busy bus overflow in days.
type histogram struct {
	counts [buckets + 1]atomic.Uint64
	sum    atomic.Uint64
}

func (h *histogram) add(bucket int, value float64, n int) {
	h.counts[min(bucket, buckets)].Add(uint64(n))
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+value*float64(n))) {
			return
		}
	}
}

func snapshot[U ~int64](h *histogram, bounds []U) persistence.Histogram[U] {
	counts := make([]uint64, buckets+1)
	for i := range h.counts {
		counts[i] = h.counts[i].Load()
	}
	return persistence.Histogram[U]{Bounds: bounds, Counts: counts, Sum: math.Float64frombits(h.sum.Load())}
}

var started = time.Now()

// ticks reads the monotonic clock, which costs half of what time.Now does.
func ticks() time.Duration { return time.Since(started) }

// measures of a bus, counted by the round and not by the append.
type measures struct {
	append, order, synced, unsynced, update latencies
	roundEvents, roundBytes                 sizes
	persistent, trimmable, transient        atomic.Uint64
	repeated, refused, trimmed, gaps, lost  atomic.Uint64
}

// followerMeasures of one follower.
type followerMeasures struct {
	turn, commit    latencies
	failed, retried atomic.Uint64
}

// tally is what a round of the writer counts up for itself. first are the
// heads that it found.
type tally struct {
	began                                 time.Duration
	first                                 persistence.Heads
	appends, repeated, refused, transient int
}

func (w *writer) beginTally() { w.tally = tally{began: ticks(), first: w.heads} }

// publishTally counts a round before it is answered: who was answered finds
// himself counted. All appends of a round count with the age of its oldest
// job, so that no quantile is too low.
func (w *writer) publishTally(r *round) {
	m, t, now := &w.engine.measured, &w.tally, ticks()
	m.order.observe(now-t.began, 1)
	if t.appends > 0 {
		m.append.observe(now-r.born, t.appends)
		m.repeated.Add(uint64(t.repeated))
		m.refused.Add(uint64(t.refused))
	}
	persistent := int(w.heads.Event - t.first.Event)
	trimmable := int(w.heads.Trimmable-t.first.Trimmable) - persistent
	if events := persistent + trimmable + t.transient; events > 0 {
		m.roundEvents.observe(events)
		m.persistent.Add(uint64(persistent))
		m.trimmable.Add(uint64(trimmable))
		m.transient.Add(uint64(t.transient))
	}
}

// refuse counts an append that did not reach the writer.
func (m *measures) refuse(err error) {
	if errors.Is(err, messages.ErrConditionFailed) {
		m.refused.Add(1)
	}
}

// miss counts an entry that a subscriber lost, the first of a gap or not.
func (m *measures) miss(first bool) {
	m.lost.Add(1)
	if first {
		m.gaps.Add(1)
	}
}

// count notes how an append ended.
func (t *tally) count(repeated bool, err error) {
	t.appends++
	if repeated {
		t.repeated++
	}
	if errors.Is(err, messages.ErrConditionFailed) {
		t.refused++
	}
}

// apply commits the batch and measures it.
func (w *writer) apply(sync bool) error {
	m, size, began := &w.engine.measured, w.batch.Size(), ticks()
	err := w.batch.Commit(sync)
	m.roundBytes.observe(size)
	if sync {
		m.synced.since(began)
	} else {
		m.unsynced.since(began)
	}
	return err
}

// sync syncs what was committed before and measures it.
func (w *writer) sync() error {
	began := ticks()
	err := w.store.Sync()
	w.engine.measured.synced.since(began)
	return err
}

// timing of the turns since the last commit: spent until since, and on from
// there. proposed is when the commit under way was handed over.
type timing struct {
	turns                  int
	spent, since, proposed time.Duration
}

func (r *run) countTurn(attempt int) {
	r.timing.turns++
	if attempt > 1 {
		r.tracker.measured.retried.Add(1)
	}
}

// pauseTurns ends what counts as time of turns, until since is set again.
func (r *run) pauseTurns() {
	now := ticks()
	r.timing.spent += now - r.timing.since
	r.timing.since = now
}

// endTurns measures the turns that are about to commit.
func (r *run) endTurns() {
	r.pauseTurns()
	if n := r.timing.turns; n > 0 {
		r.tracker.measured.turn.observe(r.timing.spent/time.Duration(n), n)
	}
	r.timing = timing{proposed: r.timing.since}
}

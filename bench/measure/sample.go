package measure

import (
	"runtime"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Sample is what one run of a case measured.
type Sample struct {
	// Events that were done in Elapsed; without events the case has no rate.
	Events  int64
	Elapsed time.Duration
	// Latency of the operations, in nanoseconds; nil where the case measures
	// none.
	Latency *hdrhistogram.Histogram
	// Mallocs of the process meanwhile; 0 where nobody counted.
	Mallocs uint64
	// Extra figures, reduced by their medians.
	Extra map[string]float64
}

// slowest is the longest time that a histogram tells from a longer one.
const slowest = 100 * time.Second

// NewLatency returns an empty histogram that is exact to one percent.
func NewLatency() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(slowest), 2)
}

// Record adds a time to h, n times.
func Record(h *hdrhistogram.Histogram, d time.Duration, n int64) {
	_ = h.RecordValues(max(1, min(int64(d), int64(slowest))), n) // in range by construction
}

// Timed measures one call that does n events.
func Timed(n int, do func() error) (Sample, error) {
	before := mallocs()
	began := time.Now()
	if err := do(); err != nil {
		return Sample{}, err
	}
	elapsed := time.Since(began)
	return Sample{Events: int64(n), Elapsed: elapsed, Mallocs: mallocs() - before}, nil
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// Median of values, the mean of the middle two for an even number; 0 for none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func (s Sample) rate() float64 { return float64(s.Events) / s.Elapsed.Seconds() }

// reduce fills the figures of r from the samples of its rounds.
func reduce(r Result, samples []Sample) Result {
	r.Rounds = len(samples)
	median := func(has func(Sample) bool, figure func(Sample) float64) *float64 {
		var values []float64
		for _, s := range samples {
			if has(s) {
				values = append(values, figure(s))
			}
		}
		if len(values) == 0 {
			return nil
		}
		m := Median(values)
		return &m
	}
	counted := func(s Sample) bool { return s.Events > 0 }
	timed := func(s Sample) bool { return s.Latency != nil && s.Latency.TotalCount() > 0 }
	quantile := func(percent float64) func(Sample) float64 {
		return func(s Sample) float64 { return float64(s.Latency.ValueAtPercentile(percent)) / 1e3 }
	}
	r.EventsPerS = median(counted, Sample.rate)
	r.Allocs = median(func(s Sample) bool { return counted(s) && s.Mallocs > 0 }, func(s Sample) float64 { return float64(s.Mallocs) / float64(s.Events) })
	r.P50 = median(timed, quantile(50))
	r.P99 = median(timed, quantile(99))
	for _, s := range samples {
		for name := range s.Extra {
			if r.Extra == nil {
				r.Extra = map[string]float64{}
			}
			has := func(s Sample) bool { _, ok := s.Extra[name]; return ok }
			r.Extra[name] = *median(has, func(s Sample) float64 { return s.Extra[name] })
		}
	}
	return r
}

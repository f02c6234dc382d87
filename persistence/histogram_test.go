package persistence

import (
	"slices"
	"testing"
	"time"
)

func TestQuantilesOfAHistogramLieInTheirBucket(t *testing.T) {
	h := Histogram[time.Duration]{
		Bounds: []time.Duration{10, 20, 40},
		Counts: []uint64{4, 0, 4, 2},
		Sum:    4*5 + 4*30 + 2*60,
	}
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{-1, 0}, {0, 0}, {0.1, 2}, {0.4, 10}, {0.5, 25}, {0.8, 40}, {0.9, 40}, {1, 40}, {2, 40}} {
		if got := h.Quantile(c.q); got != c.want {
			t.Errorf("Quantile(%v) = %v, want %v", c.q, got, c.want)
		}
	}
	if h.Count() != 10 || h.Mean() != 26 {
		t.Errorf("count %d, mean %v; want 10 and 26ns", h.Count(), h.Mean())
	}
}

func TestTheZeroHistogramIsOneOfNothing(t *testing.T) {
	var h Histogram[int64]
	if h.Count() != 0 || h.Mean() != 0 || h.Quantile(0.5) != 0 || h.Since(h).Count() != 0 {
		t.Errorf("%+v is not empty", h)
	}
}

func TestSinceLeavesWhatCameLater(t *testing.T) {
	bounds := []int64{1, 2}
	earlier := Histogram[int64]{Bounds: bounds, Counts: []uint64{1, 2, 3}, Sum: 100}
	now := Histogram[int64]{Bounds: bounds, Counts: []uint64{1, 5, 4}, Sum: 130}
	got := now.Since(earlier)
	if want := []uint64{0, 3, 1}; !slices.Equal(got.Counts, want) || got.Sum != 30 {
		t.Errorf("since = %+v, want %v and 30", got, want)
	}
	if !slices.Equal(now.Counts, []uint64{1, 5, 4}) {
		t.Errorf("Since changed its receiver to %v", now.Counts)
	}
	if got := now.Since(Histogram[int64]{}); got.Count() != 10 {
		t.Errorf("since nothing: %d, want 10", got.Count())
	}
}

package persistence

// Histogram counts observations of durations or of sizes by the bucket that
// they fall into. It is a copy of its moment and belongs to the caller, but
// for Bounds, which is shared and must not be changed.
//
// Invariant: len(Counts) = len(Bounds)+1, or both are empty: the zero value
// is a histogram of nothing.
type Histogram[U ~int64] struct {
	// Bounds are the largest values of the buckets, ascending.
	Bounds []U
	// Counts of the buckets, the last of them for what is above all bounds.
	Counts []uint64
	// Sum of all observations in U's unit: nanoseconds for durations.
	Sum float64
}

// Count returns how many observations there are.
func (h Histogram[U]) Count() uint64 {
	var all uint64
	for _, n := range h.Counts {
		all += n
	}
	return all
}

// Mean returns the mean of all observations, 0 where there are none.
func (h Histogram[U]) Mean() U {
	if n := h.Count(); n > 0 {
		return U(h.Sum / float64(n))
	}
	return 0
}

// Quantile estimates the value that a share q in [0, 1] of the observations
// does not exceed, spreading those of a bucket evenly over it; 0 where there
// are none. What lies above all bounds counts as the highest bound.
func (h Histogram[U]) Quantile(q float64) U {
	rank := min(max(q, 0), 1) * float64(h.Count())
	if rank == 0 {
		return 0
	}
	var below float64
	var low U
	for i, bound := range h.Bounds {
		n := float64(h.Counts[i])
		if n > 0 && below+n >= rank {
			return low + U(float64(bound-low)*(rank-below)/n)
		}
		below += n
		low = bound
	}
	return low
}

// Since returns what was observed after an earlier copy of the same histogram
// was taken.
func (h Histogram[U]) Since(earlier Histogram[U]) Histogram[U] {
	counts := append([]uint64(nil), h.Counts...)
	for i, n := range earlier.Counts {
		counts[i] -= n
	}
	return Histogram[U]{Bounds: h.Bounds, Counts: counts, Sum: h.Sum - earlier.Sum}
}

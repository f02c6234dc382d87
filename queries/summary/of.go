package summary

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// Accuracy is how far a quantile may be from the exact one, relative to it. A
// float within 1e-300 of 0 may count as 0.
const Accuracy = 0.0001

// Value is what can be summed up: a duration, or a number that has a unit by
// its type.
type Value interface{ ~int64 | ~float64 }

// Of is a summary of values. The zero Of is empty and ready to use; it must
// not be copied once it is in use, and is not safe for concurrent use.
//
// Invariants: count values were added, all in [min, max]; sketch holds as many,
// and is nil for none.
type Of[T Value] struct {
	count    uint64
	min, max T
	sum      float64
	sketch   *ddsketch.DDSketch
}

// magnitudes are the intervals that the sketch counts by: each is wider than
// the one before by a factor of about 1 + 2*Accuracy.
var magnitudes = must(mapping.NewLogarithmicMapping(Accuracy))

func must(m *mapping.LogarithmicMapping, err error) *mapping.LogarithmicMapping {
	if err != nil {
		panic(err)
	}
	return m
}

// Add adds a value. NaN and the infinities are no values and are left out.
func (s *Of[T]) Add(v T) {
	f := float64(v)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return
	}
	if s.sketch == nil {
		s.sketch = ddsketch.NewDDSketchFromStoreProvider(magnitudes, store.DefaultProvider)
		s.min, s.max = v, v
	}
	if err := s.sketch.Add(clamp(f)); err != nil {
		panic(fmt.Sprintf("summary: %v is refused: %v", v, err))
	}
	s.count++
	s.sum += f
	s.min, s.max = min(s.min, v), max(s.max, v)
}

// clamp keeps a value within what the sketch can index, which is all but the
// last of the range of float64.
func clamp(f float64) float64 {
	most := magnitudes.MaxIndexableValue()
	return min(max(f, -most), most)
}

// Combine adds what other summed up, and leaves other as it is.
func (s *Of[T]) Combine(other *Of[T]) {
	switch {
	case other.count == 0:
		return
	case s.count == 0:
		*s = *other
		s.sketch = other.sketch.Copy()
		return
	}
	if err := s.sketch.MergeWith(other.sketch); err != nil {
		panic("summary: two sketches of one mapping: " + err.Error())
	}
	s.count += other.count
	s.sum += other.sum
	s.min, s.max = min(s.min, other.min), max(s.max, other.max)
}

// Count is how many values there are.
func (s *Of[T]) Count() uint64 { return s.count }

// Min is the lowest value; 0 where there are none.
func (s *Of[T]) Min() T { return s.min }

// Max is the highest value; 0 where there are none.
func (s *Of[T]) Max() T { return s.max }

// Sum is the sum of the values, with the 53 bits of a float64, and at most the
// highest T.
func (s *Of[T]) Sum() T {
	if half := 0.5; T(half) == 0 {
		switch {
		case s.sum >= math.MaxInt64:
			return T(math.MaxInt64)
		case s.sum <= math.MinInt64:
			return T(math.MinInt64)
		}
	}
	return T(s.sum)
}

// Mean is the sum of the values, divided by their count, and rounded where T is
// a whole number; 0 where there are none.
func (s *Of[T]) Mean() T {
	if s.count == 0 {
		return 0
	}
	return s.within(s.sum / float64(s.count))
}

// Quantile is the lowest value that at least that part of the values, from 0
// to 1, does not exceed, within [Accuracy] and rounded where T is a whole
// number; 0 where there are no values.
func (s *Of[T]) Quantile(part float64) T {
	if s.count == 0 {
		return 0
	}
	const exact = 1 - 1e-12                                                // 0.07 * 100 is a little over 7
	rank := max(math.Ceil(min(max(part, 0), 1)*float64(s.count)*exact), 1) // from 1
	below := s.sketch.GetNegativeValueStore().TotalCount()
	zero := s.sketch.GetZeroCount()
	switch {
	case rank <= below:
		return s.within(-s.sketch.Value(s.sketch.GetNegativeValueStore().KeyAtRank(below - rank)))
	case rank <= below+zero:
		return s.within(0)
	}
	return s.within(s.sketch.Value(s.sketch.GetPositiveValueStore().KeyAtRank(rank - below - zero - 1)))
}

// P50 is Quantile(0.5), the median.
func (s *Of[T]) P50() T { return s.Quantile(0.50) }

// P90 is Quantile(0.9).
func (s *Of[T]) P90() T { return s.Quantile(0.90) }

// P99 is Quantile(0.99).
func (s *Of[T]) P99() T { return s.Quantile(0.99) }

// within rounds f to a T that lies where the values do.
func (s *Of[T]) within(f float64) T {
	if half := 0.5; T(half) == 0 { // a T is whole
		f = math.Round(f)
	}
	if f <= float64(s.min) {
		return s.min
	}
	if f >= float64(s.max) {
		return s.max
	}
	return T(f)
}

// Rate is the count by time.
func (s *Of[T]) Rate(span time.Duration) Rate { return RateOf(s.count, span) }

// String returns the figures in a line, to four digits.
func (s *Of[T]) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "count %d", s.count)
	if s.count > 0 {
		for _, f := range s.figures() {
			fmt.Fprintf(&b, "  %s %s", f.name, show(f.value))
		}
	}
	return b.String()
}

type figure[T Value] struct {
	name  string
	value T
}

func (s *Of[T]) figures() []figure[T] {
	return []figure[T]{
		{"min", s.Min()}, {"mean", s.Mean()}, {"p50", s.P50()}, {"p90", s.P90()}, {"p99", s.P99()}, {"max", s.Max()},
	}
}

// show writes a value with its unit, to four digits.
func show[T Value](v T) string {
	switch v := any(v).(type) {
	case time.Duration:
		return rounded(v).String()
	case fmt.Stringer:
		return v.String()
	}
	if half := 0.5; T(half) == 0 {
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%.4g", float64(v))
}

// rounded leaves a duration its first four digits.
func rounded(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for unit < time.Second && d.Abs() >= 10_000*unit {
		unit *= 10
	}
	for _, longer := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour} {
		if d.Abs() >= 1000*longer {
			unit = longer
		}
	}
	return d.Round(unit)
}

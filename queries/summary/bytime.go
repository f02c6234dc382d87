package summary

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Step is the length of the buckets of a [ByTime].
type Step uint8

const (
	// Hour is a bucket of an hour of the zone's clock.
	Hour Step = iota
	// Day is a bucket of a day of the zone's calendar, of 23 to 25 hours.
	Day
)

// Bucket is a time [From, To), aligned to the zone's clock.
type Bucket struct{ From, To time.Time }

// Length is the time from From to To.
func (b Bucket) Length() time.Duration { return b.To.Sub(b.From) }

// String returns "2006-01-02 15:04 -0700", the beginning of the bucket.
func (b Bucket) String() string { return b.From.Format("2006-01-02 15:04 -0700") }

// ByTime keeps an S for each hour or day, where S is a type whose zero value
// is ready to use: an Of or [Outcomes]. The zero ByTime goes by hours in UTC.
// It must not be copied once it is in use, and is not safe for concurrent use.
//
//	var days summary.ByTime[summary.Of[time.Duration]]
//	days.Step = summary.Day
//	days.At(r.LeftEntry.Time).Add(r.Took)
type ByTime[S any] struct {
	// Step is the length of the buckets.
	Step Step
	// Zone is whose clock and calendar the buckets are aligned to; nil is UTC.
	Zone *time.Location

	buckets map[int64]*S // by the Unix second at which they begin
}

// At returns the summary of the bucket that a time lies in.
func (b *ByTime[S]) At(t time.Time) *S { return b.in(b.Bucket(t).From) }

func (b *ByTime[S]) in(from time.Time) *S {
	s := b.buckets[from.Unix()]
	if s == nil {
		if b.buckets == nil {
			b.buckets = make(map[int64]*S)
		}
		s = new(S)
		b.buckets[from.Unix()] = s
	}
	return s
}

// Bucket returns the bucket that a time lies in.
func (b *ByTime[S]) Bucket(t time.Time) Bucket {
	t = t.In(b.zone())
	if b.Step == Day {
		year, month, day := t.Date()
		return Bucket{midnight(year, month, day, b.zone()), midnight(year, month, day+1, b.zone())}
	}
	// Not time.Date: where the clock is set back, it has two hours of one name.
	past := time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
	return Bucket{t.Add(-past), t.Add(time.Hour - past)}
}

// midnight is the first moment of a day, which is not 0:00 where the clock is
// set forward then, and the first of two where it is set back.
func midnight(year int, month time.Month, day int, zone *time.Location) time.Time {
	const quarter = 15 * time.Minute
	noon := time.Date(year, month, day, 12, 0, 0, 0, zone)
	first := time.Date(year, month, day, 0, 0, 0, 0, zone)
	for first.Day() != noon.Day() {
		first = first.Add(quarter)
	}
	for first.Add(-quarter).Day() == noon.Day() {
		first = first.Add(-quarter)
	}
	return first
}

func (b *ByTime[S]) zone() *time.Location {
	if b.Zone == nil {
		return time.UTC
	}
	return b.Zone
}

// All yields the buckets that there is something in, in the order of time,
// with their summaries.
func (b *ByTime[S]) All() iter.Seq2[Bucket, *S] {
	return func(yield func(Bucket, *S) bool) {
		starts := make([]int64, 0, len(b.buckets))
		for start := range b.buckets {
			starts = append(starts, start)
		}
		slices.Sort(starts)
		for _, start := range starts {
			if !yield(b.Bucket(time.Unix(start, 0)), b.buckets[start]) {
				return
			}
		}
	}
}

// Combine adds what other keeps, of the same step and zone, and leaves other
// as it is. combine is that of S: (*Outcomes).Combine.
func (b *ByTime[S]) Combine(other *ByTime[S], combine func(into, from *S)) {
	for bucket, s := range other.All() {
		combine(b.At(bucket.From), s)
	}
}

// String returns a table, one bucket a line or paragraph.
func (b *ByTime[S]) String() string {
	var text strings.Builder
	for bucket, s := range b.All() {
		said := fmt.Sprint(s)
		separator := "  "
		if strings.Contains(said, "\n") {
			separator = "\n"
		}
		fmt.Fprintf(&text, "%v%s%s\n", bucket, separator, said)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

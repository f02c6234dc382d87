package summary

import (
	"fmt"
	"strings"
	"time"

	"github.com/retinue-go/retinue/queries/join"
)

// Outcomes sums up what became of the lefts of a join, and how long they took.
// The zero Outcomes is empty and ready to use; it must not be copied once it
// is in use, and is not safe for concurrent use.
type Outcomes struct {
	// Succeeded and Failed say how long the matched lefts took.
	Succeeded, Failed Of[time.Duration]
	// TimedOut and Open count the lefts without a right, Unmatched the rights
	// without a left, and Late what came too late to be joined.
	TimedOut, Open, Unmatched, Late uint64
}

// Add counts a result of a join. Of a match, took is how long the left took,
// and failed says which of the two kinds of right it has; otherwise they do not
// count.
func (o *Outcomes) Add(what join.Outcome, took time.Duration, failed bool) {
	switch what {
	case join.Matched:
		if failed {
			o.Failed.Add(took)
		} else {
			o.Succeeded.Add(took)
		}
	case join.TimedOut:
		o.TimedOut++
	case join.Open:
		o.Open++
	case join.Unmatched:
		o.Unmatched++
	case join.Late:
		o.Late++
	}
}

// Combine adds what other counted, and leaves other as it is.
func (o *Outcomes) Combine(other *Outcomes) {
	o.Succeeded.Combine(&other.Succeeded)
	o.Failed.Combine(&other.Failed)
	o.TimedOut += other.TimedOut
	o.Open += other.Open
	o.Unmatched += other.Unmatched
	o.Late += other.Late
}

// Incomplete counts the lefts that did not get a right, timed out or open.
func (o *Outcomes) Incomplete() uint64 { return o.TimedOut + o.Open }

// Begun counts the lefts: those that succeeded, failed or are incomplete.
func (o *Outcomes) Begun() uint64 {
	return o.Succeeded.Count() + o.Failed.Count() + o.Incomplete()
}

// SuccessRatio is how many of the lefts that are not open any more succeeded,
// from 0 to 1; 0 where there are none.
func (o *Outcomes) SuccessRatio() float64 {
	over := o.Begun() - o.Open
	if over == 0 {
		return 0
	}
	return float64(o.Succeeded.Count()) / float64(over)
}

// Rate is the lefts by time.
func (o *Outcomes) Rate(span time.Duration) Rate { return RateOf(o.Begun(), span) }

// String returns the figures as a table.
func (o *Outcomes) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %v\n%-10s %v\n", "succeeded", &o.Succeeded, "failed", &o.Failed)
	for _, n := range []struct {
		name  string
		count uint64
	}{{"timed out", o.TimedOut}, {"open", o.Open}, {"unmatched", o.Unmatched}, {"late", o.Late}} {
		fmt.Fprintf(&b, "%-10s count %d\n", n.name, n.count)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

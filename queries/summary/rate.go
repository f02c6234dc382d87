package summary

import (
	"fmt"
	"time"
)

// Rate is how often something happens, per second.
type Rate float64

// RateOf is count by span; 0 for a span that is not above 0.
func RateOf(count uint64, span time.Duration) Rate {
	if span <= 0 {
		return 0
	}
	return Rate(float64(count) / span.Seconds())
}

// String returns the rate by the second, or by the longest of minute, hour and
// day that it takes to be at least 1: "12.5/s", "3/h".
func (r Rate) String() string {
	for _, unit := range []struct {
		name    string
		seconds float64
	}{{"s", 1}, {"min", 60}, {"h", 3600}} {
		if n := float64(r) * unit.seconds; n >= 1 {
			return fmt.Sprintf("%.4g/%s", n, unit.name)
		}
	}
	return fmt.Sprintf("%.4g/d", float64(r)*86400)
}

package summary_test

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/retinue-go/retinue/queries/join"
	"github.com/retinue-go/retinue/queries/summary"
)

func ExampleOf() {
	var took summary.Of[time.Duration]
	for i := range 1000 {
		took.Add(time.Duration(i) * time.Millisecond)
	}
	fmt.Println(&took)
	fmt.Println(took.Rate(time.Minute), "over a minute, the slowest tenth took over", took.P90().Round(time.Millisecond))

	var fees summary.Of[Sats] // a number prints with its own unit
	fees.Add(3)
	fees.Add(5)
	fmt.Println(fees.Sum(), "in fees,", fees.Mean(), "on average")
	// Output:
	// count 1000  min 0s  mean 499.5ms  p50 499ms  p90 898.9ms  p99 989.1ms  max 999ms
	// 16.67/s over a minute, the slowest tenth took over 899ms
	// 8 sat in fees, 4 sat on average
}

func ExampleOutcomes() {
	var day, night summary.Outcomes
	// For the results r of a join: day.Add(r.Outcome, r.Took, failed)
	day.Add(join.Matched, 900*time.Millisecond, false)
	day.Add(join.Matched, 2*time.Second, false)
	day.Add(join.Matched, 3*time.Second, true)
	night.Add(join.Open, 0, false)

	day.Combine(&night)
	fmt.Println(&day)
	fmt.Printf("%d begun, %d incomplete, %.0f%% of the others succeeded\n", day.Begun(), day.Incomplete(), 100*day.SuccessRatio())
	// Output:
	// succeeded  count 2  min 900ms  mean 1.45s  p50 900ms  p90 2s  p99 2s  max 2s
	// failed     count 1  min 3s  mean 3s  p50 3s  p90 3s  p99 3s  max 3s
	// timed out  count 0
	// open       count 1
	// unmatched  count 0
	// late       count 0
	// 4 begun, 1 incomplete, 67% of the others succeeded
}

func ExampleByTime() {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	days := summary.ByTime[summary.Of[Sats]]{Step: summary.Day, Zone: berlin}
	days.At(time.Date(2026, 1, 2, 23, 30, 0, 0, time.UTC)).Add(21) // the 3rd in Berlin
	days.At(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)).Add(4)
	for day, fees := range days.All() {
		fmt.Println(day.From.Format(time.DateOnly), fees.Sum(), "at", fees.Rate(day.Length()))
	}
	_ = json.NewEncoder(os.Stdout).Encode(&days)
	// Output:
	// 2026-01-02 4 sat at 1/d
	// 2026-01-03 21 sat at 1/d
	// [{"from":"2026-01-02T00:00:00+01:00","to":"2026-01-03T00:00:00+01:00","summary":{"count":1,"sum":4,"min":4,"mean":4,"p50":4,"p90":4,"p99":4,"max":4}},{"from":"2026-01-03T00:00:00+01:00","to":"2026-01-04T00:00:00+01:00","summary":{"count":1,"sum":21,"min":21,"mean":21,"p50":21,"p90":21,"p99":21,"max":21}}]
}

// Package summary says in a few figures what many values were: how many, the
// lowest, the mean, the highest, and the percentiles between.
//
//	var took summary.Of[time.Duration]
//	for r, err := range payments.Each(ctx, bus, lastDay) {
//		if err != nil {
//			return err
//		}
//		took.Add(r.Took)
//	}
//	fmt.Println(&took) // count 812  min 210ms  mean 1.31s  p50 1.18s  p90 …
//
// The unit is in the type: an Of[time.Duration] takes durations and gives
// durations, and a type of your own with a String method is printed by it.
//
// [Outcomes] counts what became of the lefts of a join beside how long they
// took, and [ByTime] keeps one summary per hour or day. All are mergeable:
// summaries that were made apart combine to the one that would have been made
// of all values together, in whatever order.
//
// # What is exact
//
// Count, min and max are. The mean is a sum of float64s, divided. A quantile is
// the nearest-rank one, within [Accuracy] of the value that a sorted list would
// give, however many values there are: a summary keeps counts by magnitude, a
// DDSketch, and no values.
package summary

package summary

import (
	"encoding/json"
	"time"
)

// MarshalJSON returns {"count", "sum", "min", "mean", "p50", "p90", "p99", "max"},
// and "unit": "s" before them for durations, which are in seconds. A number of
// another type is written as its own MarshalJSON does. Where there are no
// values there is "count" alone.
func (s *Of[T]) MarshalJSON() ([]byte, error) {
	form := struct {
		Unit  string `json:"unit,omitempty"`
		Count uint64 `json:"count"`
		Sum   any    `json:"sum,omitempty"`
		Min   any    `json:"min,omitempty"`
		Mean  any    `json:"mean,omitempty"`
		P50   any    `json:"p50,omitempty"`
		P90   any    `json:"p90,omitempty"`
		P99   any    `json:"p99,omitempty"`
		Max   any    `json:"max,omitempty"`
	}{Count: s.count}
	if _, ok := any(s.min).(time.Duration); ok {
		form.Unit = "s"
	}
	if s.count > 0 {
		form.Sum = plain(s.Sum())
		for i, into := range []*any{&form.Min, &form.Mean, &form.P50, &form.P90, &form.P99, &form.Max} {
			*into = plain(s.figures()[i].value)
		}
	}
	return json.Marshal(form)
}

// plain is a value as JSON shows it.
func plain[T Value](v T) any {
	if d, ok := any(v).(time.Duration); ok {
		return d.Seconds()
	}
	return v
}

// MarshalJSON returns {"succeeded", "failed", "timed_out", "open", "unmatched",
// "late"}; the first two are objects.
func (o *Outcomes) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Succeeded *Of[time.Duration] `json:"succeeded"`
		Failed    *Of[time.Duration] `json:"failed"`
		TimedOut  uint64             `json:"timed_out"`
		Open      uint64             `json:"open"`
		Unmatched uint64             `json:"unmatched"`
		Late      uint64             `json:"late"`
	}{&o.Succeeded, &o.Failed, o.TimedOut, o.Open, o.Unmatched, o.Late})
}

// MarshalJSON returns an array of {"from", "to", "summary"}, in the order of
// time; the times are RFC 3339 in the zone of b.
func (b *ByTime[S]) MarshalJSON() ([]byte, error) {
	type bucket struct {
		From    time.Time `json:"from"`
		To      time.Time `json:"to"`
		Summary *S        `json:"summary"`
	}
	all := []bucket{}
	for at, s := range b.All() {
		all = append(all, bucket{at.From, at.To, s})
	}
	return json.Marshal(all)
}

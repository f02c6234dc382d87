package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries"
	"github.com/retinue-go/retinue/queries/summary"
)

// findings is what the followers know. All of it comes from the log, their
// keys and their cursors, so it is the same however often the program was
// killed on the way. The exception is live: what is live is a matter of luck.
type findings struct {
	strongest []Detected                // one per network, the strongest first
	detected  int                       // quakes, in the permanent log
	took      summary.Of[time.Duration] // by the reviews
	live      int                       // entries that were seen as they happened
	alerts    int                       // in the trimmable log
	followers []retinue.FollowerStatus
}

func report(ctx context.Context, bus *retinue.Bus, out io.Writer) error {
	f := findings{followers: bus.Status().Followers}
	if err := bus.View(f.readKeys); err != nil {
		return err
	}
	var err error
	if f.detected, err = countOf[Detected](ctx, bus, messages.Permanent); err != nil {
		return err
	}
	if f.alerts, err = countOf[Alert](ctx, bus, messages.TrimmableLog); err != nil {
		return err
	}
	f.table(out)
	return json.NewEncoder(out).Encode(f.figures())
}

// readKeys reads the keys of three followers in one snapshot.
func (f *findings) readKeys(v *retinue.View) error {
	for follower, read := range map[string]func(key string, value []byte) error{
		"catalog": f.readCatalog,
		"latency": f.readLatency,
		"live":    f.readLive,
	} {
		keys, err := v.Follower(follower)
		if err != nil {
			return err
		}
		for kv, err := range keys.Scan(nil) {
			if err != nil {
				return err
			}
			if err := read(string(kv.Key), kv.Value); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(f.strongest, func(a, b Detected) int {
		return cmp.Or(cmp.Compare(b.Magnitude, a.Magnitude), cmp.Compare(a.Network, b.Network))
	})
	return nil
}

func (f *findings) readCatalog(_ string, value []byte) error {
	var strongest Detected
	err := json.Unmarshal(value, &strongest)
	f.strongest = append(f.strongest, strongest)
	return err
}

func (f *findings) readLatency(key string, value []byte) error {
	if strings.HasPrefix(key, "\x00") {
		return nil // the join's own
	}
	millis, err := number(value)
	f.took.Add(time.Duration(millis) * time.Millisecond)
	return err
}

func (f *findings) readLive(_ string, value []byte) error {
	n, err := number(value)
	f.live = int(n)
	return err
}

func countOf[E messages.Event](ctx context.Context, bus *retinue.Bus, log messages.Log) (n int, err error) {
	for _, err := range queries.Each[E](ctx, bus, retinue.Query{Log: log}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (f *findings) unreviewed() int { return f.detected - int(f.took.Count()) }

func (f *findings) table(out io.Writer) {
	fmt.Fprintf(out, "\nnetwork  strongest  place\n")
	for _, q := range f.strongest {
		fmt.Fprintf(out, "%-7s  %9.2f  %s\n", q.Network, q.Magnitude, q.Place)
	}
	fmt.Fprintf(out, "\nalerts       %16d\n", f.alerts)
	for _, p := range []int{50, 90, 99} {
		fmt.Fprintf(out, "review p%d   %16v\n", p, f.took.Quantile(float64(p)/100).Round(time.Minute))
	}
	fmt.Fprintf(out, "unreviewed   %16d\n", f.unreviewed())

	fmt.Fprintf(out, "\nfollower  entries  lag\n")
	for _, s := range f.followers {
		fmt.Fprintf(out, "%-8s  %7d  %3d\n", s.Name, s.Handled, s.Lag)
	}
	fmt.Fprintf(out, "\n%d entries were live\n\n", f.live)
}

// figures is the last line. Percentiles are within 0.01 % of the truth.
type figures struct {
	Detected   int               `json:"detected"`
	Reviewed   uint64            `json:"reviewed"`
	Alerts     int               `json:"alerts"`
	Unreviewed int               `json:"unreviewed"`
	P50        seconds           `json:"p50_s"`
	P90        seconds           `json:"p90_s"`
	P99        seconds           `json:"p99_s"`
	Followers  map[string]uint64 `json:"followers"` // their cursors
}

func (f *findings) figures() figures {
	last := figures{
		Detected:   f.detected,
		Reviewed:   f.took.Count(),
		Alerts:     f.alerts,
		Unreviewed: f.unreviewed(),
		P50:        seconds(f.took.P50()),
		P90:        seconds(f.took.P90()),
		P99:        seconds(f.took.P99()),
		Followers:  make(map[string]uint64),
	}
	for _, follower := range f.followers {
		last.Followers[follower.Name] = follower.Cursor
	}
	return last
}

// seconds is a duration that JSON shows in whole seconds.
type seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (s seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.0f", time.Duration(s).Seconds()), nil
}

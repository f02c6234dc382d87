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
)

// findings is what the followers know. All of it comes from the log, their
// keys and their cursors, so it is the same however often the program was
// killed on the way. The exception is live: what is live is a matter of luck.
type findings struct {
	strongest []Detected      // one per network, the strongest first
	waiting   int             // quakes without a review
	took      []time.Duration // by the reviews, ascending
	live      int             // entries that were seen as they happened
	alerts    int             // in the trimmable log
	followers []retinue.FollowerStatus
}

func report(ctx context.Context, bus *retinue.Bus, out io.Writer) error {
	f := findings{followers: bus.Status().Followers}
	if err := bus.View(f.readKeys); err != nil {
		return err
	}
	if err := f.countAlerts(ctx, bus); err != nil {
		return err
	}
	f.table(out)
	return json.NewEncoder(out).Encode(f.summary())
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
	slices.Sort(f.took)
	return nil
}

func (f *findings) readCatalog(_ string, value []byte) error {
	var strongest Detected
	err := json.Unmarshal(value, &strongest)
	f.strongest = append(f.strongest, strongest)
	return err
}

func (f *findings) readLatency(key string, value []byte) error {
	if strings.HasPrefix(key, waiting) {
		f.waiting++
		return nil
	}
	millis, err := number(value)
	f.took = append(f.took, time.Duration(millis)*time.Millisecond)
	return err
}

func (f *findings) readLive(_ string, value []byte) error {
	n, err := number(value)
	f.live = int(n)
	return err
}

func (f *findings) countAlerts(ctx context.Context, bus *retinue.Bus) error {
	alerts := retinue.Query{
		Log:    messages.TrimmableLog,
		Filter: messages.Filter{Types: []messages.Type{Alert{}.EventType()}},
	}
	for _, err := range bus.Entries(ctx, alerts) {
		if err != nil {
			return err
		}
		f.alerts++
	}
	return nil
}

func (f *findings) table(out io.Writer) {
	fmt.Fprintf(out, "\nnetwork  strongest  place\n")
	for _, q := range f.strongest {
		fmt.Fprintf(out, "%-7s  %9.2f  %s\n", q.Network, q.Magnitude, q.Place)
	}
	fmt.Fprintf(out, "\nalerts       %16d\n", f.alerts)
	for _, p := range []int{50, 90, 99} {
		fmt.Fprintf(out, "review p%d   %16v\n", p, percentile(f.took, p))
	}
	fmt.Fprintf(out, "unreviewed   %16d\n", f.waiting)

	fmt.Fprintf(out, "\nfollower  entries  lag\n")
	for _, s := range f.followers {
		fmt.Fprintf(out, "%-8s  %7d  %3d\n", s.Name, s.Handled, s.Lag)
	}
	fmt.Fprintf(out, "\n%d entries were live\n\n", f.live)
}

// summary is the last line.
type summary struct {
	Detected   int               `json:"detected"`
	Reviewed   int               `json:"reviewed"`
	Alerts     int               `json:"alerts"`
	Unreviewed int               `json:"unreviewed"`
	P50        seconds           `json:"p50_s"`
	P90        seconds           `json:"p90_s"`
	P99        seconds           `json:"p99_s"`
	Followers  map[string]uint64 `json:"followers"` // their cursors
}

func (f *findings) summary() summary {
	s := summary{
		Detected:   f.waiting + len(f.took),
		Reviewed:   len(f.took),
		Alerts:     f.alerts,
		Unreviewed: f.waiting,
		P50:        seconds(percentile(f.took, 50)),
		P90:        seconds(percentile(f.took, 90)),
		P99:        seconds(percentile(f.took, 99)),
		Followers:  make(map[string]uint64),
	}
	for _, follower := range f.followers {
		s.Followers[follower.Name] = follower.Cursor
	}
	return s
}

// percentile is the nearest-rank one: the lowest of the values that at least
// p per cent of them do not exceed.
func percentile(ascending []time.Duration, p int) time.Duration {
	if len(ascending) == 0 {
		return 0
	}
	rank := (len(ascending)*p + 99) / 100
	return ascending[rank-1]
}

// seconds is a duration that JSON shows to the millisecond: 1.500.
type seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (s seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", time.Duration(s).Seconds()), nil
}

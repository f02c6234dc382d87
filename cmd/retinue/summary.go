package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/summary"
)

func summaryVerb() *cobra.Command {
	var f storeFlags
	var q queryFlags
	var j joinFlags
	var value, unit, by string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "summary STORE",
		Short: "Count entries, values or outcomes by the hour, and plot them",
		Long: `Count entries by type; with --value sum up a number of their payload; with
--left and --right sum up how the join of them went and how long it took. Each
comes with a plot by the hour or the day, in the local time zone.`,
		Example: `  retinue summary wallet.db --since -24h
  retinue summary wallet.db --type wallet/deposited --value Sats --by day
  retinue summary wallet.db --type mail/sent --value took --unit ms
  retinue summary gateway.db --left pay/started --right pay/succeeded --failed pay/failed --key payment --since -24h`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := q.query()
			if err != nil {
				return err
			}
			of := summing{query: query, by: by, happened: j.happened, json: asJSON}
			if of.step, err = stepOf(by); err != nil {
				return err
			}
			joins := j.left != "" || len(j.rights)+len(j.failed) > 0
			switch {
			case joins && value != "":
				return usagef("--value and a join are two summaries: give one")
			case value == "" && cmd.Flags().Changed("value"):
				return usagef("--value has no field")
			case unit != "" && value == "":
				return usagef("--unit is that of a --value")
			case !joins && changed(cmd, "key", "within", "lateness", "many") != "":
				return usagef("--%s is that of a join: give --left and --right", changed(cmd, "key", "within", "lateness", "many"))
			case joins:
				if of.joining, err = j.joining(query); err != nil {
					return err
				}
			}
			length, known := units[unit]
			if !known {
				return usagef("--unit %q is none of ns, us, ms and s", unit)
			}
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				if err := q.fitsIn(cmd.Context(), s); err != nil {
					return err
				}
				return show(cmd.Context(), func(out *screen) error {
					of.ctx, of.store, of.out = cmd.Context(), s, out
					switch {
					case joins:
						return of.outcomes()
					case unit != "":
						return sumValues[time.Duration](&of, field(value), float64(length), math.MaxInt64)
					case value != "":
						return sumValues[number](&of, field(value), 1, math.MaxFloat64)
					}
					return of.entries()
				})
			})
		},
	}
	f.add(cmd)
	q.add(cmd)
	j.add(cmd)
	cmd.Flags().StringVar(&value, "value", "", "`field` of the payload to sum up, as in --key")
	cmd.Flags().StringVar(&unit, "unit", "", "the value is a time in this `unit`: ns, us, ms or s")
	cmd.Flags().StringVar(&by, "by", "hour", "`hour` or day")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// changed is the first of flags that was given, "" for none.
func changed(cmd *cobra.Command, flags ...string) string {
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

var units = map[string]time.Duration{"": 0, "ns": 1, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second}

func stepOf(by string) (summary.Step, error) {
	switch by {
	case "hour":
		return summary.Hour, nil
	case "day":
		return summary.Day, nil
	}
	return 0, usagef("--by %q is neither hour nor day", by)
}

// summing is a summary under way.
type summing struct {
	ctx      context.Context
	store    *store
	out      *screen
	query    retinue.Query
	joining  *joining
	step     summary.Step
	by       string
	happened bool
	json     bool
}

// when is the time that an entry counts for.
func (s *summing) when(e messages.Entry) time.Time {
	if s.happened {
		return e.Time
	}
	return e.Ordered
}

// tally counts.
type tally struct{ n uint64 }

// MarshalJSON implements [json.Marshaler].
func (t *tally) MarshalJSON() ([]byte, error) { return strconv.AppendUint(nil, t.n, 10), nil }

func (s *summing) entries() error {
	times := summary.ByTime[tally]{Step: s.step, Zone: time.Local}
	types := map[string]uint64{}
	var first, last time.Time
	var total uint64
	for e, err := range s.store.Entries(s.ctx, s.query) {
		if err != nil {
			return err
		}
		at := s.when(e)
		if total == 0 || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
		total++
		types[e.Type.String()]++
		times.At(at).n++
	}
	if s.json {
		return s.out.line(map[string]any{"entries": total, "types": types, "by_" + s.by: &times})
	}
	if total == 0 {
		_, err := fmt.Fprintln(s.out, "no entries")
		return err
	}
	t := s.out.table("TYPE", "ENTRIES", "SHARE")
	for _, name := range slices.SortedFunc(maps.Keys(types), func(a, b string) int {
		return cmp.Or(cmp.Compare(types[b], types[a]), cmp.Compare(a, b))
	}) {
		t.row(plain, name, count(types[name]), fmt.Sprintf("%.1f %%", 100*float64(types[name])/float64(total)))
	}
	if err := t.end(); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\n%s, %v, from %s to %s\n", plural(total, "entry", "entries"), summary.RateOf(total, last.Sub(first)), stamp(first), stamp(last))
	plot(s.out, "entries by the "+s.by, &times, func(t *tally) float64 { return float64(t.n) })
	return nil
}

// sumValues sums up values that are given in a unit; what is further from 0
// than most is no T.
func sumValues[T summary.Value](s *summing, value field, unit, most float64) error {
	var all summary.Of[T]
	times := summary.ByTime[summary.Of[T]]{Step: s.step, Zone: time.Local}
	without := 0
	for e, err := range s.store.Entries(s.ctx, s.query) {
		if err != nil {
			return err
		}
		text, _ := value.of(e)
		f, err := strconv.ParseFloat(text, 64)
		f *= unit
		if err != nil || !(math.Abs(f) < most) { // nor NaN
			without++
			continue
		}
		all.Add(T(f))
		times.At(s.when(e)).Add(T(f))
	}
	if s.json {
		return s.out.line(map[string]any{"value": value, "summary": &all, "without": without, "by_" + s.by: &times})
	}
	fmt.Fprintf(s.out, "%s  %v\n", s.out.paint(bold, string(value)), &all)
	s.without(without, string(value))
	plot(s.out, string(value)+", median by the "+s.by, &times, func(of *summary.Of[T]) float64 {
		if d, ok := any(of.P50()).(time.Duration); ok {
			return d.Seconds()
		}
		return float64(of.P50())
	})
	return nil
}

// number is a value of no known unit.
type number float64

// String implements [fmt.Stringer].
func (n number) String() string {
	if n > 1000 || n < -1000 {
		return strconv.FormatFloat(float64(n), 'f', 0, 64)
	}
	return strconv.FormatFloat(float64(n), 'g', 4, 64)
}

func (s *summing) outcomes() error {
	var all summary.Outcomes
	times := summary.ByTime[summary.Outcomes]{Step: s.step, Zone: time.Local}
	for p, err := range s.joining.pairs(s.ctx, s.store) {
		if err != nil {
			return err
		}
		began := p.Left
		if began == nil {
			began = p.Right
		}
		all.Add(p.Outcome, p.Took(), s.joining.failed(p))
		times.At(s.when(began.Entry)).Add(p.Outcome, p.Took(), s.joining.failed(p))
	}
	if s.json {
		return s.out.line(map[string]any{"summary": &all, "without": s.joining.unread, "by_" + s.by: &times})
	}
	fmt.Fprintf(s.out, "%v\n%-10s %.1f %%\n", &all, "success", 100*all.SuccessRatio())
	s.without(s.joining.unread, string(s.joining.key))
	plot(s.out, "begun by the "+s.by, &times, func(o *summary.Outcomes) float64 { return float64(o.Begun()) })
	plot(s.out, "p90 of what succeeded, in seconds, by the "+s.by, &times, func(o *summary.Outcomes) float64 { return o.Succeeded.P90().Seconds() })
	return nil
}

func (s *summing) without(n int, what string) {
	if n > 0 {
		fmt.Fprintln(s.out, s.out.paint(yellow, plural(n, "entry has", "entries have")+" no "+what))
	}
}

// mostBuckets bounds a plot over a time that is nearly empty.
const mostBuckets = 10_000

// plot draws a value by time, empty buckets included.
func plot[S any](out *screen, title string, times *summary.ByTime[S], value func(*S) float64) {
	var points []float64
	var begin, end time.Time
	for bucket, s := range times.All() {
		for !end.IsZero() && end.Before(bucket.From) && len(points) < mostBuckets {
			points = append(points, 0)
			end = times.Bucket(end).To
		}
		if begin.IsZero() {
			begin = bucket.From
		}
		points = append(points, value(s))
		end = bucket.To
	}
	if len(points) < 2 {
		return
	}
	width := 72
	if out.terminal {
		width = max(out.width-12, 20)
	}
	wide := min(max(width/len(points), 1), 8) // cells a bucket
	graph := asciigraph.Plot(points, asciigraph.Height(8), asciigraph.LowerBound(0),
		asciigraph.Precision(precision(points)), asciigraph.Width(min(wide*len(points), width)))
	caption := fmt.Sprintf("%s, %s to %s", title, begin.Format("2006-01-02 15:04"), end.Format("2006-01-02 15:04"))
	fmt.Fprintf(out, "\n%s\n%s\n", out.paint(bold, caption), graph)
}

// precision is how many decimals tell points apart.
func precision(points []float64) uint {
	switch most := slices.Max(points); {
	case most >= 20:
		return 0
	case most >= 1:
		return 1
	}
	return 3
}

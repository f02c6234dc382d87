package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/guptarohit/asciigraph"
	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/queries/summary"
)

// summaryFlags say what is summed up.
type summaryFlags struct {
	value, unit string
	step        string
	asJSON      bool
}

func summaryVerb() *cobra.Command {
	var f storeFlags
	var q queryFlags
	var j joinFlags
	var of summaryFlags
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
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := q.query()
			if err != nil {
				return err
			}
			unit, ok := units[of.unit]
			step, known := map[string]summary.Step{"hour": summary.Hour, "day": summary.Day}[of.step]
			switch {
			case !ok:
				return usagef("--unit %q is none of ns, us, ms, s", of.unit)
			case !known:
				return usagef("--by %q is neither hour nor day", of.step)
			}
			var joining *joining
			if j.left != "" || len(j.rights)+len(j.failed) > 0 {
				if of.value != "" {
					return usagef("--value and a join are two summaries: give one")
				}
				if joining, err = j.joining(query); err != nil {
					return err
				}
			}
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				return show(func(out *screen) error {
					ctx := cmd.Context()
					switch {
					case joining != nil:
						return sumJoin(ctx, out, s, joining, step, of.asJSON)
					case of.unit != "":
						return sumValues(ctx, out, s, query, field(of.value), step, of.asJSON, func(f float64) time.Duration { return time.Duration(f * float64(unit)) })
					case of.value != "":
						return sumValues(ctx, out, s, query, field(of.value), step, of.asJSON, func(f float64) float64 { return f })
					}
					return sumEntries(ctx, out, s, query, step, of.asJSON)
				})
			})
		},
	}
	f.add(cmd)
	q.add(cmd)
	j.add(cmd)
	cmd.Flags().StringVar(&of.value, "value", "", "`field` of the payload to sum up, as in --key")
	cmd.Flags().StringVar(&of.unit, "unit", "", "the value is a time in this `unit`: ns, us, ms or s")
	cmd.Flags().StringVar(&of.step, "by", "hour", "`hour` or day")
	cmd.Flags().BoolVar(&of.asJSON, "json", false, "one JSON object")
	return cmd
}

var units = map[string]time.Duration{"": 0, "ns": 1, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second}

// tally counts.
type tally struct{ n uint64 }

// MarshalJSON implements [json.Marshaler].
func (t *tally) MarshalJSON() ([]byte, error) { return strconv.AppendUint(nil, t.n, 10), nil }

func sumEntries(ctx context.Context, out *screen, s *store, q retinue.Query, step summary.Step, asJSON bool) error {
	times := summary.ByTime[tally]{Step: step, Zone: time.Local}
	types := map[string]uint64{}
	var first, last time.Time
	var total uint64
	for e, err := range s.Entries(ctx, q) {
		if err != nil {
			return err
		}
		if total == 0 {
			first = e.Ordered
		}
		last = e.Ordered
		total++
		types[e.Type.String()]++
		times.At(e.Ordered).n++
	}
	if asJSON {
		return out.line(map[string]any{"entries": total, "types": types, "by_" + stepName(step): &times})
	}
	t := out.table("TYPE", "ENTRIES", "SHARE")
	for _, name := range slices.SortedFunc(maps.Keys(types), func(a, b string) int { return int(types[b]) - int(types[a]) }) {
		t.row(plain, name, count(types[name]), fmt.Sprintf("%.1f %%", 100*float64(types[name])/float64(total)))
	}
	if err := t.end(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s, %v, from %s to %s\n", plural(total, "entry", "entries"), summary.RateOf(total, last.Sub(first)), stamp(first), stamp(last))
	plot(out, "entries by the "+stepName(step), step, &times, func(t *tally) float64 { return float64(t.n) })
	return nil
}

func sumValues[T summary.Value](ctx context.Context, out *screen, s *store, q retinue.Query, value field, step summary.Step, asJSON bool, unit func(float64) T) error {
	if value == "" {
		return usagef("--unit is of a --value")
	}
	var all summary.Of[T]
	times := summary.ByTime[summary.Of[T]]{Step: step, Zone: time.Local}
	var without uint64
	for e, err := range s.Entries(ctx, q) {
		if err != nil {
			return err
		}
		text, _ := value.of(e)
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			without++
			continue
		}
		all.Add(unit(f))
		times.At(e.Ordered).Add(unit(f))
	}
	if asJSON {
		return out.line(map[string]any{"value": value, "summary": &all, "without": without, "by_" + stepName(step): &times})
	}
	fmt.Fprintf(out, "%s  %v\n", out.paint(bold, string(value)), &all)
	if without > 0 {
		fmt.Fprintln(out, out.paint(yellow, plural(without, "entry has", "entries have")+" no such number"))
	}
	plot(out, string(value)+", median by the "+stepName(step), step, &times, func(s *summary.Of[T]) float64 { return figure(s.P50()) })
	return nil
}

func sumJoin(ctx context.Context, out *screen, s *store, j *joining, step summary.Step, asJSON bool) error {
	var all summary.Outcomes
	times := summary.ByTime[summary.Outcomes]{Step: step, Zone: time.Local}
	for p, err := range j.pairs(ctx, s) {
		if err != nil {
			return err
		}
		began := p.Left
		if began == nil {
			began = p.Right
		}
		all.Add(p.Outcome, p.Took(), j.failed(p))
		times.At(began.Entry.Ordered).Add(p.Outcome, p.Took(), j.failed(p))
	}
	if asJSON {
		return out.line(map[string]any{"summary": &all, "without": j.unread, "by_" + stepName(step): &times})
	}
	fmt.Fprintf(out, "%v\n%-10s %.1f %%\n", &all, "success", 100*all.SuccessRatio())
	if j.unread > 0 {
		fmt.Fprintln(out, out.paint(yellow, plural(j.unread, "entry has", "entries have")+" no "+string(j.key)))
	}
	plot(out, "begun by the "+stepName(step), step, &times, func(o *summary.Outcomes) float64 { return float64(o.Begun()) })
	plot(out, "p90 of what succeeded, in seconds, by the "+stepName(step), step, &times, func(o *summary.Outcomes) float64 { return o.Succeeded.P90().Seconds() })
	return nil
}

func stepName(step summary.Step) string {
	if step == summary.Day {
		return "day"
	}
	return "hour"
}

// figure is a value as a plot shows it: durations in seconds.
func figure[T summary.Value](v T) float64 {
	if d, ok := any(v).(time.Duration); ok {
		return d.Seconds()
	}
	return float64(v)
}

// mostBuckets bounds a plot over a time that is nearly empty.
const mostBuckets = 10_000

// plot draws a value by time, empty buckets included.
func plot[S any](out *screen, title string, step summary.Step, times *summary.ByTime[S], value func(*S) float64) {
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
	o := []asciigraph.Option{asciigraph.Height(8), asciigraph.LowerBound(0), asciigraph.Precision(precision(points))}
	if len(points) > width {
		o = append(o, asciigraph.Width(width))
	}
	caption := fmt.Sprintf("%s, %s to %s", title, begin.Format("2006-01-02 15:04"), end.Format("2006-01-02 15:04"))
	fmt.Fprintf(out, "\n%s\n%s\n", out.paint(bold, caption), asciigraph.Plot(points, o...))
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

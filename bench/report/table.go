package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/retinue-go/retinue/bench/measure"
)

// Table writes the results of one workload, aligned. A column that no line
// has is left out.
func Table(w io.Writer, title string, results []measure.Result) {
	first := results[0]
	fmt.Fprintf(w, "\n%s: %s (profile %s, median of %d)\n", first.Workload, title, first.Profile, first.Rounds)
	columns := slices.Clone(fixed)
	if slices.ContainsFunc(results, func(r measure.Result) bool { return r.Profile != first.Profile }) {
		columns = slices.Insert(columns, 1, column{"profile", func(r measure.Result) string { return r.Profile }})
	}
	for _, name := range extras(results) {
		columns = append(columns, column{name, func(r measure.Result) string {
			value, found := r.Extra[name]
			if !found {
				return ""
			}
			return number(value)
		}})
	}
	columns = slices.DeleteFunc(columns, func(c column) bool {
		return !slices.ContainsFunc(results, func(r measure.Result) bool { return c.cell(r) != "" })
	})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cell func(column) string) {
		for _, c := range columns {
			fmt.Fprintf(t, "%s\t", cell(c))
		}
		fmt.Fprintln(t)
	}
	line(func(c column) string { return c.head })
	for _, r := range results {
		line(func(c column) string { return c.cell(r) })
	}
	t.Flush()
}

type column struct {
	head string
	cell func(measure.Result) string
}

var fixed = []column{
	{"system", func(r measure.Result) string { return r.System }},
	{"variant", func(r measure.Result) string { return r.Variant }},
	{"durability", func(r measure.Result) string { return r.Durability }},
	{"payload", func(r measure.Result) string { return whole(r.Payload) }},
	{"producers", func(r measure.Result) string { return whole(r.Producers) }},
	{"followers", func(r measure.Result) string { return whole(r.Followers) }},
	{"entries", func(r measure.Result) string { return whole(r.Entries) }},
	{"events/s", func(r measure.Result) string { return optional(r.EventsPerS) }},
	{"p50 us", func(r measure.Result) string { return optional(r.P50) }},
	{"p99 us", func(r measure.Result) string { return optional(r.P99) }},
	{"allocs/event", func(r measure.Result) string { return optional(r.Allocs) }},
	{"of raw", func(r measure.Result) string { return optional(r.RatioToRaw) }},
}

func extras(results []measure.Result) []string {
	names := map[string]bool{}
	for _, r := range results {
		for name := range r.Extra {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func whole(n int) string {
	if n == 0 {
		return ""
	}
	return number(float64(n))
}

func optional(f *float64) string {
	if f == nil {
		return ""
	}
	return number(*f)
}

// number writes three digits or so: 0.83, 12.5, 1,234,567.
func number(f float64) string {
	switch {
	case f < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", f), ".00")
	case f < 100:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0")
	}
	digits := fmt.Sprintf("%.0f", f)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

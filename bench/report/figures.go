package report

import (
	"slices"

	"github.com/retinue-go/retinue/bench/measure"
)

// line picks results; a zero field picks all.
type line struct {
	workload, system, variant, durability, profile string
	producers, followers, payload                  int
}

func appended(system string, producers, payload int) line {
	return line{workload: "append", system: system, producers: producers, payload: payload}
}

func (l line) matches(r measure.Result) bool {
	text := func(want, got string) bool { return want == "" || want == got }
	count := func(want, got int) bool { return want == 0 || want == got }
	return text(l.workload, r.Workload) && text(l.system, r.System) && text(l.variant, r.Variant) &&
		text(l.durability, r.Durability) && text(l.profile, r.Profile) &&
		count(l.producers, r.Producers) && count(l.followers, r.Followers) && count(l.payload, r.Payload)
}

// figures of a run.
type figures []measure.Result

// all results that l picks, of profile server where there are any and l names
// no profile.
func (f figures) all(l line) []measure.Result {
	var found []measure.Result
	for _, r := range f {
		if l.matches(r) {
			found = append(found, r)
		}
	}
	if server := func(r measure.Result) bool { return r.Profile == "server" }; l.profile == "" && slices.ContainsFunc(found, server) {
		found = slices.DeleteFunc(found, func(r measure.Result) bool { return !server(r) })
	}
	return found
}

// value is a figure of the first result that l picks.
func (f figures) value(figure func(measure.Result) *float64, l line) (float64, bool) {
	for _, r := range f.all(l) {
		if v := figure(r); v != nil {
			return *v, true
		}
	}
	return 0, false
}

func rate(r measure.Result) *float64 { return r.EventsPerS }
func p50(r measure.Result) *float64  { return r.P50 }
func p99(r measure.Result) *float64  { return r.P99 }

func extra(name string) func(measure.Result) *float64 {
	return func(r measure.Result) *float64 {
		if v, found := r.Extra[name]; found {
			return &v
		}
		return nil
	}
}

// scaled is a figure of one line, times factor.
func scaled(factor float64, figure func(measure.Result) *float64, of line) func(figures) (float64, bool) {
	return func(f figures) (float64, bool) {
		v, found := f.value(figure, of)
		return v * factor, found
	}
}

// ratio is a figure of one line over that of another.
func ratio(figure func(measure.Result) *float64, of, over line) func(figures) (float64, bool) {
	return func(f figures) (float64, bool) {
		a, found := f.value(figure, of)
		b, foundToo := f.value(figure, over)
		return a / b, found && foundToo && b > 0
	}
}

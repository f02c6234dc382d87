package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// Case is one system at one point of a workload.
type Case struct {
	// Result names the case; its figures are filled in by the rounds.
	Result
	// Run measures once, in an empty directory that is removed after it.
	Run func(ctx context.Context, dir string) (Sample, error)
	// Raw marks the reference of the group's ratios: raw Pebble, one committer,
	// batches of Producers entries of one key each. At most one per group.
	Raw bool
	// OverRaw asks for the ratio to it.
	OverRaw bool
}

// Group holds the cases that are interleaved with each other.
type Group struct {
	Cases []Case
	// Setup, if not nil, prepares what all rounds start from, in a directory
	// that lives as long as the group.
	Setup func(ctx context.Context, dir string) error
	// Rounds, if not 0, is how many are enough for this group.
	Rounds int
}

// Runner runs groups.
type Runner struct {
	// Dir is where the stores are made, each in a directory of its own.
	Dir string
	// Rounds of every group, at least 1.
	Rounds int
	// Budget, if not 0, ends a group when that much time has passed: no round
	// is begun after it but the first.
	Budget time.Duration
	// Progress hears of every case that has been run.
	Progress func(format string, args ...any)
}

// Run runs the rounds of a group and returns a result for every case that did
// not fail, in the order of the cases, and the failures.
func (r Runner) Run(ctx context.Context, g Group) ([]Result, error) {
	began := time.Now()
	if g.Setup != nil {
		dir, err := os.MkdirTemp(r.Dir, "setup-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		r.Progress("%s: preparing", g.Cases[0].Workload)
		if err := g.Setup(ctx, dir); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", g.Cases[0].Workload, err)
		}
	}
	samples := make([][]Sample, len(g.Cases))
	failed := make([]error, len(g.Cases))
	rounds := r.Rounds
	if g.Rounds > 0 {
		rounds = min(rounds, g.Rounds)
	}
	for round := range rounds {
		if round > 0 && r.Budget > 0 && time.Since(began) > r.Budget {
			break
		}
		for i := range g.Cases {
			i = (i + round) % len(g.Cases)
			if failed[i] != nil {
				continue
			}
			sample, err := r.once(ctx, g.Cases[i])
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				failed[i] = fmt.Errorf("%v: %w", g.Cases[i].Result, err)
				r.Progress("%v", failed[i])
				continue
			}
			samples[i] = append(samples[i], sample)
			r.Progress("%d/%d %v%s", round+1, rounds, g.Cases[i].Result, sample.brief())
		}
	}
	return reduceGroup(g, samples, failed), errors.Join(failed...)
}

func (s Sample) brief() string {
	if s.Events == 0 {
		return ""
	}
	return fmt.Sprintf(": %.0f/s", s.rate())
}

func (r Runner) once(ctx context.Context, c Case) (s Sample, err error) {
	dir, err := os.MkdirTemp(r.Dir, "run-")
	if err != nil {
		return Sample{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	runtime.GC()
	return c.Run(ctx, dir)
}

func reduceGroup(g Group, samples [][]Sample, failed []error) []Result {
	var raw *float64
	var results []Result
	var over []bool
	for i, c := range g.Cases {
		if failed[i] != nil || len(samples[i]) == 0 {
			continue
		}
		r := reduce(c.Result, samples[i])
		if c.Raw {
			raw = r.EventsPerS
		}
		results, over = append(results, r), append(over, c.OverRaw)
	}
	for i := range results {
		if r := &results[i]; over[i] && raw != nil && r.EventsPerS != nil {
			ratio := *r.EventsPerS / *raw
			r.RatioToRaw = &ratio
		}
	}
	return results
}

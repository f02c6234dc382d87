package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/report"
)

func run(ctx context.Context, args []string) (err error) {
	s, err := parse(args)
	if err != nil {
		return err
	}
	dir, err := workDir(s.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(os.Stderr, report.Machine(dir))

	out := io.Writer(os.Stdout)
	if s.json {
		out = os.Stderr
	}
	results, err := s.measure(ctx, dir, out)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.bars {
		report.Bars(out, results)
	}
	if s.plot != "" {
		err = errors.Join(err, report.Plot(s.plot, results))
	}
	return err
}

// measure runs the workloads and prints each group as it is done. A system
// that fails is left out and told of at the end.
func (s settings) measure(ctx context.Context, dir string, out io.Writer) ([]measure.Result, error) {
	runner := measure.Runner{Dir: dir, Rounds: s.rounds, Progress: progress}
	var all []measure.Result
	var failed []error
	for _, profile := range s.profiles {
		plan := s.plan
		plan.Profile, plan.ProfileName = profiles[profile], profile
		for _, w := range s.workloads {
			var results []measure.Result
			for _, group := range w.Groups(plan) {
				done, err := runner.Run(ctx, group)
				if ctx.Err() != nil {
					return all, ctx.Err()
				}
				failed = append(failed, err)
				results = append(results, done...)
				if s.json {
					if err := report.JSON(os.Stdout, done); err != nil {
						return all, err
					}
				}
			}
			if !s.json && len(results) > 0 {
				report.Table(out, w.Title, results)
			}
			all = append(all, results...)
		}
	}
	return all, errors.Join(failed...)
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/report"
	"github.com/retinue-go/retinue/bench/workloads"
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

// shortBudget is what -short may take, but for the rounds under way when it is
// used up.
const shortBudget = 45 * time.Second

// measure runs the workloads and prints each one as it is done. A system that
// fails is left out and told of at the end.
func (s settings) measure(ctx context.Context, dir string, out io.Writer) ([]measure.Result, error) {
	var all []measure.Result
	var failed []error
	end := time.Now().Add(shortBudget)
	left := s.groups()
	for _, plan := range s.plans() {
		for _, w := range s.workloads {
			var results []measure.Result
			for _, group := range w.Groups(plan) {
				runner := measure.Runner{Dir: dir, Rounds: s.rounds, Progress: progress}
				if plan.Short {
					runner.Budget = max(1, time.Until(end)/time.Duration(left))
				}
				left--
				done, err := runner.Run(ctx, group)
				if ctx.Err() != nil {
					return all, ctx.Err()
				}
				failed = append(failed, err)
				results = append(results, done...)
				if s.json {
					failed = append(failed, report.JSON(os.Stdout, done))
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

// plans is one plan per profile.
func (s settings) plans() []workloads.Plan {
	var plans []workloads.Plan
	for _, name := range s.profiles {
		plan := s.plan
		plan.Profile, plan.ProfileName, plan.OnlyProfile = profiles[name], name, len(s.profiles) == 1
		plans = append(plans, plan)
	}
	return plans
}

// groups is how many there are to run.
func (s settings) groups() int {
	n := 0
	for _, plan := range s.plans() {
		for _, w := range s.workloads {
			n += len(w.Groups(plan))
		}
	}
	return n
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/retinue-go/retinue/bench/workloads"
	"github.com/retinue-go/retinue/persistence"
)

// errUsage: the flag package has said what is wrong.
var errUsage = errors.New("usage")

// settings of a run.
type settings struct {
	workloads []workloads.Workload
	profiles  []string
	plan      workloads.Plan // without its profile
	rounds    int
	dir       string
	json      bool
	bars      bool
	plot      string
}

var profiles = map[string]persistence.Profile{"small": persistence.Small, "server": persistence.Server}

const usage = `Usage: go -C bench run . [flags]

Compares Retinue with raw Pebble and with its peers, interleaved in one run.

Flags:
`

func parse(args []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), usage)
		f.PrintDefaults()
		fmt.Fprintf(f.Output(), "\nWorkloads:\n")
		for _, w := range workloads.All() {
			fmt.Fprintf(f.Output(), "  %-18s %s\n", w.Name, w.Title)
		}
		fmt.Fprintf(f.Output(), "\nSystems, and what they have done when they answer:\n")
		for _, s := range workloads.Known() {
			fmt.Fprintf(f.Output(), "  %-18s %s\n", s.Name, s.Note)
		}
	}
	chosen := f.String("workload", "", "comma-separated `names` of workloads; empty means all")
	chosenSystems := f.String("system", "", "comma-separated `names` of systems; empty means all")
	profile := f.String("profile", "server", "`names` of profiles to run with, of small and server")
	f.IntVar(&s.rounds, "rounds", 5, "interleaved rounds per figure, of which the median is taken")
	f.DurationVar(&s.plan.Duration, "duration", time.Second, "measured `time` of one timed run, after a fifth of it to warm up")
	f.IntVar(&s.plan.Entries, "entries", 1_000_000, "entries in the log that followers catch up with")
	f.Float64Var(&s.plan.Scale, "scale", 1, "factor on the entries of rare-kind, trim, open, memory and growth")
	f.BoolVar(&s.plan.Short, "short", false, "append and follow of Retinue and raw Pebble only, under a minute")
	f.StringVar(&s.dir, "dir", "", "`directory` on the disk to measure; empty means a temporary one")
	f.BoolVar(&s.json, "json", false, "print one JSON object per line instead of tables")
	f.BoolVar(&s.bars, "bars", false, "say of every bar whether it was met")
	f.StringVar(&s.plot, "plot", "", "draw throughput and latency into this SVG `file`")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return s, err
	} else if err != nil {
		return s, errUsage
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return s, s.complete(f.Args(), given, *chosen, *chosenSystems, *profile)
}

// complete checks what was given and fills in what follows from it.
func (s *settings) complete(rest []string, given map[string]bool, chosen, systems, profile string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected %q", rest)
	}
	if s.rounds < 1 || s.plan.Duration <= 0 || s.plan.Entries < 1000 || s.plan.Scale <= 0 {
		return errors.New("rounds, duration and scale must be above 0, entries at least 1000")
	}
	if s.plan.Short {
		if !given["duration"] {
			s.plan.Duration = 300 * time.Millisecond
		}
		if !given["entries"] {
			s.plan.Entries = 200_000
		}
	}
	s.plan.Systems = split(systems)
	if err := workloads.Check(s.plan.Systems); err != nil {
		return err
	}
	for _, name := range split(profile) {
		if _, known := profiles[name]; !known {
			return fmt.Errorf("no profile %q", name)
		}
		s.profiles = append(s.profiles, name)
	}
	return s.choose(split(chosen))
}

func (s *settings) choose(names []string) error {
	all := workloads.All()
	for _, name := range names {
		if !slices.ContainsFunc(all, func(w workloads.Workload) bool { return w.Name == name }) {
			return fmt.Errorf("no workload %q", name)
		}
	}
	for _, w := range all {
		if (len(names) == 0 || slices.Contains(names, w.Name)) && (w.InShort || !s.plan.Short) {
			s.workloads = append(s.workloads, w)
		}
	}
	if len(s.workloads) == 0 {
		return errors.New("none of the workloads has a part in -short")
	}
	return nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// queryFlags choose entries.
type queryFlags struct {
	log                              messages.Log
	from, to                         idFlag
	since, until                     moment
	happenedSince, happenedUntil     moment
	modules, kinds, types, relations []string
	instances                        []string
}

func (f *queryFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	addLog(flags, &f.log)
	flags.Var(&f.from, "from", "first `id`")
	flags.Var(&f.to, "to", "last `id`")
	flags.Var(&f.since, "since", "ordered at or after this `time`, for example -2h or 2026-01-31")
	flags.Var(&f.until, "until", "ordered before this `time`")
	flags.Var(&f.happenedSince, "happened-since", "happened at or after this `time`; reads all entries of the range")
	flags.Var(&f.happenedUntil, "happened-until", "happened before this `time`; reads all entries of the range")
	flags.StringArrayVar(&f.types, "type", nil, "`module/kind`, or the kind of an event without a module; may be repeated, as may the next four")
	flags.StringArrayVar(&f.modules, "module", nil, "`module`")
	flags.StringArrayVar(&f.kinds, "kind", nil, "`kind`, of any module")
	flags.StringArrayVar(&f.instances, "instance", nil, "`number` of the instance")
	flags.StringArrayVar(&f.relations, "correlation", nil, "correlation `id`")
}

func addLog(flags *pflag.FlagSet, log *messages.Log) {
	flags.TextVar(log, "log", messages.Permanent, "`permanent` or trimmable")
}

// query is what the flags choose.
func (f *queryFlags) query() (retinue.Query, error) {
	q := retinue.Query{
		Log: f.log, Since: f.since.Time, Until: f.until.Time,
		Filter: messages.Filter{
			Modules: f.modules, Kinds: f.kinds, Correlations: f.relations,
			HappenedSince: f.happenedSince.Time, HappenedUntil: f.happenedUntil.Time,
		},
	}
	for _, name := range f.types {
		t, err := typeOf("type", name)
		if err != nil {
			return q, err
		}
		q.Filter.Types = append(q.Filter.Types, t)
	}
	for _, text := range f.instances {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return q, usagef("--instance: %q is no number from 0 to %d", text, uint32(1<<32-1))
		}
		q.Filter.Instances = append(q.Filter.Instances, uint32(n))
	}
	if f.from > 0 {
		q.From = place(f.log, uint64(f.from))
	}
	if f.to > 0 {
		q.To = place(f.log, uint64(f.to)+1)
	}
	if f.to > 0 && f.from > f.to {
		return q, usagef("--from %d is behind --to %d", f.from, f.to)
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && q.Until.Before(q.Since) {
		return q, usagef("--since %v is after --until %v", &f.since, &f.until)
	}
	if since, until := q.Filter.HappenedSince, q.Filter.HappenedUntil; !since.IsZero() && !until.IsZero() && until.Before(since) {
		return q, usagef("--happened-since %v is after --happened-until %v", &f.happenedSince, &f.happenedUntil)
	}
	return q, nil
}

// idFlag is a flag that takes the id of an entry; 0 is none.
type idFlag uint64

// String implements [pflag.Value].
func (id *idFlag) String() string {
	if *id == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*id), 10)
}

// Type implements [pflag.Value].
func (id *idFlag) Type() string { return "id" }

// Set implements [pflag.Value].
func (id *idFlag) Set(text string) error {
	n, err := parseID(text)
	*id = idFlag(n)
	return err
}

func parseID(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || n == math.MaxUint64 { // whose successor would be none
		return 0, fmt.Errorf("%q is no id: ids are numbers from 1", text)
	}
	return n, nil
}

// typeOf reads "module/kind", or the kind alone, that a flag was given.
func typeOf(flag, name string) (messages.Type, error) {
	module, kind, found := strings.Cut(name, "/")
	if !found {
		module, kind = "", name
	}
	if kind == "" {
		return messages.Type{}, usagef("--%s: %q names no kind", flag, name)
	}
	return messages.Type{Module: module, Kind: kind}, nil
}

func place(log messages.Log, id uint64) messages.Position {
	if log == messages.Permanent {
		return messages.EventID(id)
	}
	return messages.TrimmableID(id)
}

// fitsIn is fits for a store.
func (f *queryFlags) fitsIn(ctx context.Context, s *store) error {
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	return f.fits(status)
}

// fits refuses a range that begins behind the log, or ends before it: nothing
// would be shown, and nobody told why.
func (f *queryFlags) fits(s retinue.Status) error {
	if f.from > 0 {
		return within(s, f.log, uint64(f.from))
	}
	if f.to > 0 && f.log == messages.TrimmableLog && uint64(f.to) < s.Trimmable.Horizon {
		return within(s, f.log, uint64(f.to))
	}
	return nil
}

// within refuses an id that the log does not have.
func within(l retinue.Status, log messages.Log, id uint64) error {
	of := l.Permanent
	if log == messages.TrimmableLog {
		of = l.Trimmable
	}
	switch {
	case id >= of.Head:
		return fmt.Errorf("entry %d of the %v log, whose last is %d: %w", id, log, of.Head-1, messages.ErrOutOfRange)
	case id < of.Horizon && id > 0 && log == messages.TrimmableLog:
		return &messages.TrimmedError{Wanted: messages.TrimmableID(id), Horizon: messages.TrimmableID(of.Horizon)}
	}
	return nil
}

// wants takes from least to most arguments, below 0 any number.
func wants(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if slices.Contains(args, "") {
			return usagef("want: %s; got an empty argument", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
		}
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		return usagef("want: %s; got %s", strings.TrimSuffix(cmd.UseLine(), " [flags]"), plural(len(args), "argument", "arguments"))
	}
}

// explainFlag says of a flag what is wrong with it, and which one may have
// been meant.
func explainFlag(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		cause := bad.Unwrap()
		if errors.As(cause, new(*strconv.NumError)) {
			cause = fmt.Errorf("%q is no %s", bad.GetValue(), valueNames[bad.GetFlag().Value.Type()])
		}
		return fmt.Errorf("--%s: %w", bad.GetFlag().Name, cause)
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	name, best, least := unknown.GetSpecifiedName(), "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		d := distance(name, f.Name)
		if len(name) > 1 && strings.HasPrefix(f.Name, name) {
			d = 1
		}
		if d < least {
			best, least = f.Name, d
		}
	})
	if best == "" {
		return err
	}
	return fmt.Errorf("%w; did you mean --%s?", err, best)
}

// valueNames name the values of flags of pflag's own.
var valueNames = map[string]string{"int": "whole number", "bool": "true or false"}

// distance is how many letters must be changed, added or removed to make b of
// a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

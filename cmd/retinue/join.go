package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/join"
	"github.com/retinue-go/retinue/queries/summary"
)

// joinFlags say what is joined.
type joinFlags struct {
	left           string
	rights, failed []string
	key            string
	within, late   duration
	happened, many bool
}

func (f *joinFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.left, "left", "", "`module/kind` that begins something")
	flags.StringArrayVar(&f.rights, "right", nil, "`module/kind` that ends it well; may be repeated")
	flags.StringArrayVar(&f.failed, "failed", nil, "`module/kind` that ends it badly; may be repeated")
	flags.StringVar(&f.key, "key", "@correlation", "`field` that both have: a path into the payload as in payment.id, @correlation or @instance")
	f.within.Duration = time.Hour
	flags.Var(&f.within, "within", "how long after its left a right may come, a `duration`")
	flags.BoolVar(&f.happened, "happened", false, "go by when things happened, not by when they were ordered")
	flags.Var(&f.late, "lateness", "with --happened: how late an entry may come, a `duration`")
	flags.BoolVar(&f.many, "many", false, "a left may have many rights")
}

// joining is a join under way.
type joining struct {
	matcher *join.Matcher
	query   retinue.Query
	key     field
	rights  map[messages.Type]bool // true: a failure
	// unread counts entries without the key.
	unread int
}

func (f *joinFlags) joining(q retinue.Query) (*joining, error) {
	if f.left == "" || len(f.rights)+len(f.failed) == 0 {
		return nil, usagef("a join needs --left, and --right or --failed")
	}
	if f.key == "" {
		return nil, usagef("--key has no field")
	}
	if f.within.Duration <= 0 {
		return nil, usagef("--within %v is not above 0", f.within.Duration)
	}
	if f.late.Duration > 0 && !f.happened {
		return nil, usagef("--lateness needs --happened: nothing is ordered late")
	}
	if len(q.Filter.Types)+len(q.Filter.Kinds)+len(q.Filter.Modules) > 0 {
		return nil, usagef("--left and --right choose the types: leave --type, --kind and --module away")
	}
	w := join.Window{Within: f.within.Duration, Lateness: f.late.Duration, Many: f.many}
	if f.happened {
		w.Time = join.Event
	}
	j := &joining{matcher: join.NewMatcher(w), query: q, key: field(f.key), rights: map[messages.Type]bool{}}
	left, err := typeOf("left", f.left)
	if err != nil {
		return nil, err
	}
	j.query.Filter.Types = []messages.Type{left}
	for _, side := range []struct {
		flag  string
		names []string
	}{{"right", f.rights}, {"failed", f.failed}} {
		for _, name := range side.names {
			t, err := typeOf(side.flag, name)
			if err != nil {
				return nil, err
			}
			if slices.Contains(j.query.Filter.Types, t) {
				return nil, usagef("%s is named twice", name)
			}
			j.rights[t] = side.flag == "failed"
			j.query.Filter.Types = append(j.query.Filter.Types, t)
		}
	}
	return j, nil
}

// pairs yields what became of each entry, valid until the next one.
func (j *joining) pairs(ctx context.Context, s *store) iter.Seq2[join.Pair, error] {
	return func(yield func(join.Pair, error) bool) {
		for e, err := range s.Entries(ctx, j.query) {
			if err != nil {
				yield(join.Pair{}, err)
				return
			}
			key, ok := j.key.of(e)
			if !ok {
				j.unread++
				continue
			}
			_, right := j.rights[messages.Type{Module: e.Type.Module, Kind: e.Type.Kind}]
			for _, p := range j.matcher.Add(join.Item{Key: key, Right: right, Entry: e}) {
				if !yield(p, nil) {
					return
				}
			}
		}
		for _, p := range j.matcher.Finish(j.end()) {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// end is when what is still open is judged.
func (j *joining) end() time.Time {
	switch now := time.Now(); {
	case !j.query.Until.IsZero() && j.query.Until.Before(now):
		return j.query.Until
	case j.query.To != nil:
		return time.Time{}
	default:
		return now
	}
}

// failed reports whether a pair ended badly.
func (j *joining) failed(p join.Pair) bool {
	return p.Right != nil && j.rights[messages.Type{Module: p.Right.Entry.Type.Module, Kind: p.Right.Entry.Type.Kind}]
}

// field is a path into a payload, or @correlation or @instance.
type field string

func (f field) of(e messages.Entry) (string, bool) {
	switch f {
	case "@correlation":
		return e.Correlation, e.Correlation != ""
	case "@instance":
		return strconv.FormatUint(uint64(e.Instance), 10), true
	}
	data := json.RawMessage(e.Payload)
	for name := range strings.SplitSeq(strings.TrimPrefix(string(f), "."), ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(data, &object) != nil || object[name] == nil {
			return "", false
		}
		data = object[name]
	}
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = string(data)
	}
	return text, text != "" && text != "null"
}

func joinVerb() *cobra.Command {
	var f storeFlags
	var q queryFlags
	var j joinFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "join STORE --left TYPE --right TYPE [--failed TYPE]",
		Short: "Match what began something with what ended it",
		Long: `Match what began something with what ended it: entries of a left type with the
first one of a right type that has the same key and comes within a time. What
was begun and not ended is timed out or open; what ended without a beginning is
unmatched.`,
		Example: `  retinue join gateway.db --left pay/started --right pay/succeeded --failed pay/failed --key payment
  retinue join gateway.db --left pay/started --right pay/succeeded --key payment --within 5m --since -24h --json`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := q.query()
			if err != nil {
				return err
			}
			joining, err := j.joining(query)
			if err != nil {
				return err
			}
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				if err := q.fitsIn(cmd.Context(), s); err != nil {
					return err
				}
				return show(cmd.Context(), func(out *screen) error { return printJoin(cmd.Context(), out, s, joining, asJSON) })
			})
		},
	}
	f.add(cmd)
	q.add(cmd)
	j.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one result a line, in JSON")
	return cmd
}

// joined is a result in JSON.
type joined struct {
	Outcome string          `json:"outcome"`
	Key     string          `json:"key"`
	Failed  bool            `json:"failed,omitempty"`
	Took    *float64        `json:"took_seconds,omitempty"`
	Left    *messages.Entry `json:"left,omitempty"`
	Right   *messages.Entry `json:"right,omitempty"`
}

func printJoin(ctx context.Context, out *screen, s *store, j *joining, asJSON bool) error {
	var all summary.Outcomes
	for p, err := range j.pairs(ctx, s) {
		if err != nil {
			return err
		}
		all.Add(p.Outcome, p.Took(), j.failed(p))
		if err := j.print(out, p, asJSON); err != nil {
			return err
		}
	}
	if asJSON {
		return nil
	}
	fmt.Fprintf(out, "\n%v\n", &all)
	if j.unread > 0 {
		fmt.Fprintln(out, out.paint(yellow, plural(j.unread, "entry has", "entries have")+" no "+string(j.key)))
	}
	return nil
}

func (j *joining) print(out *screen, p join.Pair, asJSON bool) error {
	r := joined{Outcome: p.Outcome.String(), Failed: j.failed(p)}
	if p.Left != nil {
		r.Key, r.Left = p.Left.Key, &p.Left.Entry
	}
	if p.Right != nil {
		r.Key, r.Right = p.Right.Key, &p.Right.Entry
	}
	if p.Outcome == join.Matched {
		took := p.Took().Seconds()
		r.Took = &took
	}
	if asJSON {
		return out.line(r)
	}
	shown, c, took := r.Outcome, yellow, ""
	switch {
	case p.Outcome == join.Matched && r.Failed:
		shown, c, took = "failed", red, span(p.Took())
	case p.Outcome == join.Matched:
		c, took = green, span(p.Took())
	}
	text := fmt.Sprintf("  %8s  %s", took, clean(r.Key))
	for _, e := range []*messages.Entry{r.Left, r.Right} {
		if e != nil {
			text += fmt.Sprintf("  %d %s", idOf(*e), clean(e.Type.String()))
		}
	}
	_, err := fmt.Fprintf(out, "%s%s\n", out.paint(c, fmt.Sprintf("%-9s", shown)), out.cut(text, 9))
	return err
}

// idOf is an entry's id in the log that it was read from.
func idOf(e messages.Entry) uint64 {
	if e.Log == messages.Permanent {
		return uint64(e.ID)
	}
	return uint64(e.TrimmableID)
}

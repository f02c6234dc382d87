package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func logVerb() *cobra.Command {
	var f storeFlags
	var q queryFlags
	var l logLines
	cmd := &cobra.Command{
		Use:   "log STORE",
		Short: "Print entries, oldest first",
		Long: `Print entries, oldest first: id, ordering time, type, payload.

Ranges by id and by ordering time are found by binary search, and types and
times skip whole blocks of the log. Times without a zone are local.`,
		Example: `  retinue log wallet.db --since -2h
  retinue log wallet.db --type wallet/deposited --reverse --limit 10
  retinue log wallet.db --from 100 --to 200 --json | jq .payload
  retinue log wallet.db -f`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := q.query()
			if err == nil {
				err = l.check(cmd)
			}
			if err != nil {
				return err
			}
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				status, err := s.Status(cmd.Context())
				if err == nil && !l.follow {
					err = q.fits(status)
				}
				if err != nil {
					return err
				}
				return show(cmd.Context(), func(out *screen) error { return l.run(cmd.Context(), s, status, query, out) })
			})
		},
	}
	f.add(cmd)
	q.add(cmd)
	cmd.Flags().IntVarP(&l.limit, "limit", "n", 0, "at most this many `entries`; with -f, how many of those that are there")
	cmd.Flags().BoolVarP(&l.reverse, "reverse", "r", false, "newest first")
	cmd.Flags().BoolVarP(&l.follow, "follow", "f", false, "go on with what is appended, on a live bus; begins with the last 10 unless --from, --since or --limit is given")
	cmd.Flags().BoolVar(&l.json, "json", false, "one entry a line, in JSON")
	return cmd
}

// logLines is how entries are printed.
type logLines struct {
	limit           int
	limited         bool // by the flag
	reverse, follow bool
	json            bool
}

func (l *logLines) check(cmd *cobra.Command) error {
	l.limited = cmd.Flags().Changed("limit")
	if l.limit < 0 {
		return usagef("--limit %d is below 0", l.limit)
	}
	for _, end := range []string{"reverse", "to", "until"} {
		if l.follow && cmd.Flags().Changed(end) {
			return usagef("--follow has no end, so it goes without --%s", end)
		}
	}
	return nil
}

func (l *logLines) run(ctx context.Context, s *store, status retinue.Status, q retinue.Query, out *screen) error {
	if l.follow {
		return l.tail(ctx, s, status, q, out)
	}
	q.Limit, q.Reverse = l.limit, l.reverse
	for e, err := range s.Entries(ctx, q) {
		if err != nil {
			return err
		}
		if err := l.print(out, e); err != nil {
			return err
		}
	}
	return nil
}

// tail prints the last entries, and then those to come.
func (l *logLines) tail(ctx context.Context, s *store, status retinue.Status, q retinue.Query, out *screen) error {
	if !s.live {
		return errors.New("nobody has the store open, so nothing will be appended")
	}
	if l.limited || q.From == nil && q.Since.IsZero() {
		head := status.Permanent.Head
		if q.Log == messages.TrimmableLog {
			head = status.Trimmable.Head
		}
		if err := l.recent(ctx, s, head, q, out); err != nil {
			return err
		}
		if from, _, _ := messages.Span(q.From, q.Log); from < head {
			q.From = place(q.Log, head)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for e, err := range s.Tail(ctx, q) {
		if err == nil {
			err = l.print(out, e)
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// usual is how many of the last entries are shown to who follows.
const usual = 10

// recent prints the last entries below head.
func (l *logLines) recent(ctx context.Context, s *store, head uint64, q retinue.Query, out *screen) error {
	q.To, q.Reverse, q.Limit = place(q.Log, head), true, usual
	if l.limited {
		q.Limit = l.limit
	}
	if from, _, _ := messages.Span(q.From, q.Log); q.Limit == 0 || from >= head {
		return nil
	}
	var last []messages.Entry
	for e, err := range s.Entries(ctx, q) {
		if err != nil {
			return err
		}
		last = append(last, e)
	}
	for _, e := range slices.Backward(last) {
		if err := l.print(out, e); err != nil {
			return err
		}
	}
	return nil
}

func (l *logLines) print(out *screen, e messages.Entry) error {
	if l.json {
		return out.line(e)
	}
	id, _, err := messages.Span(e.Position(), e.Log)
	if err != nil {
		return err
	}
	head := fmt.Sprintf("%6d  %s  ", id, stamp(e.Ordered))
	about := clean(e.Type.String()) + marks(e)
	used := len(head) + len([]rune(about)) + 2
	_, err = fmt.Fprintln(out, out.fit(out.paint(dim, head)+out.paint(cyan, about)+"  "+out.cut(payloadText(e), used)))
	return err
}

// marks are the fields that most entries lack.
func marks(e messages.Entry) string {
	var b strings.Builder
	if e.Type.Version > 0 {
		fmt.Fprintf(&b, " v%d", e.Type.Version)
	}
	if e.Instance > 0 {
		fmt.Fprintf(&b, " #%d", e.Instance)
	}
	if e.Correlation != "" {
		fmt.Fprintf(&b, " [%s]", clean(e.Correlation))
	}
	switch {
	case e.Cause.ID != 0 && e.Log == messages.Permanent:
		fmt.Fprintf(&b, " <-%d", e.Cause.ID)
	case e.Cause.TrimmableID != 0:
		fmt.Fprintf(&b, " <-t%d", e.Cause.TrimmableID)
	}
	return b.String()
}

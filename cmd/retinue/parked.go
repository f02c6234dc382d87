package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func parkedVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "See, replay or drop what followers have put aside",
		Long: `See, replay or drop what followers have put aside: entries that they could not
handle and were told to park or to skip, and those behind one in its sequence.`,
		Example: `  retinue parked ls wallet.db
  retinue parked show wallet.db mail 42
  retinue parked replay wallet.db mail --all`,
		Args: cobra.ArbitraryArgs,

		SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				text += "; did you mean " + strings.Join(near, " or ") + "?"
			}
			return usagef("%s", text)
		},
	}
	cmd.AddCommand(parkedLsVerb(), parkedShowVerb(), parkedReplayVerb(), parkedDropVerb())
	return cmd
}

func parkedLsVerb() *cobra.Command {
	var f storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls STORE [FOLLOWER]",
		Short: "List what followers have put aside",
		Example: `  retinue parked ls wallet.db
  retinue parked ls wallet.db mail --json | jq .error`,
		Args: wants(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				names, err := followersOf(cmd.Context(), s, args[1:])
				if err != nil {
					return err
				}
				return show(func(out *screen) error { return listParked(cmd.Context(), out, s, names, asJSON) })
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one record a line, in JSON")
	return cmd
}

// followersOf are those that were named, or all.
func followersOf(ctx context.Context, s *store, named []string) ([]string, error) {
	if len(named) > 0 {
		_, err := s.follower(ctx, named[0])
		return named, err
	}
	status, err := s.Status(ctx)
	for _, f := range status.Followers {
		named = append(named, f.Name)
	}
	return named, err
}

// parkedLine is a record with whose it is.
type parkedLine struct {
	Follower string `json:"follower"`
	retinue.Parked
}

func listParked(ctx context.Context, out *screen, s *store, names []string, asJSON bool) error {
	t := out.table("FOLLOWER", "ENTRY", "STATE", "ATTEMPTS", "LAST", "KEY", "ERROR")
	found := 0
	for _, name := range names {
		for p, err := range s.Parked(ctx, name) {
			if err != nil {
				return err
			}
			found++
			if asJSON {
				if err := out.line(parkedLine{name, p}); err != nil {
					return err
				}
				continue
			}
			t.row(plain, name, fmt.Sprint(p.ID), parkedState(p), fmt.Sprint(p.Attempts), stamp(p.Last), dash(p.Key), dash(p.Error))
		}
	}
	switch {
	case asJSON:
		return nil
	case found == 0:
		_, err := fmt.Fprintln(out, "nothing is parked")
		return err
	}
	return t.end()
}

func parkedState(p retinue.Parked) string {
	switch {
	case p.Skipped:
		return "skipped"
	case p.Error == "":
		return "waiting" // behind another of its key
	}
	return "parked"
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func parkedShowVerb() *cobra.Command {
	var f storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show STORE FOLLOWER ID",
		Short:   "Show one entry that a follower has put aside, and why",
		Example: `  retinue parked show wallet.db mail 42`,
		Args:    wants(3, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return f.with(ctx, args[0], reading, func(s *store) error {
				p, err := parkedEntry(ctx, s, args[1], args[2])
				if err != nil {
					return err
				}
				return show(func(out *screen) error {
					if asJSON {
						return out.line(parkedLine{args[1], p})
					}
					printParked(out, args[1], p)
					return nil
				})
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "the record with its entry, in JSON")
	return cmd
}

// parkedEntry returns a record with its entry.
func parkedEntry(ctx context.Context, s *store, follower, id string) (retinue.Parked, error) {
	status, err := s.follower(ctx, follower)
	if err != nil {
		return retinue.Parked{}, err
	}
	at, err := parsePosition(status.Log, id)
	if err != nil {
		return retinue.Parked{}, err
	}
	for p, err := range s.Parked(ctx, follower) {
		if err != nil {
			return p, err
		}
		if p.Position() != at {
			continue
		}
		if p.Entry == nil {
			e, err := s.Entry(p.Log, at)
			p.Entry = &e
			return p, err
		}
		return p, nil
	}
	return retinue.Parked{}, fmt.Errorf("entry %s is not parked by %s: %w", id, follower, messages.ErrOutOfRange)
}

func printParked(out *screen, follower string, p retinue.Parked) {
	field := func(name, value string) {
		fmt.Fprintf(out, "%s %s\n", out.paint(dim, fmt.Sprintf("%-12s", name)), value)
	}
	field("follower", clean(follower))
	field("state", parkedState(p))
	field("attempts", fmt.Sprint(p.Attempts))
	field("first", stamp(p.First))
	field("last", stamp(p.Last))
	if p.Key != "" {
		field("key", clean(p.Key))
	}
	if p.Error != "" {
		field("error", out.paint(red, clean(p.Error)))
	}
	fmt.Fprintln(out)
	(&story{Entry: *p.Entry}).print(out)
}

// parkedChoice says which records are meant.
type parkedChoice struct {
	all, yes bool
	key      string
	limit    int
}

func (c *parkedChoice) replay(log messages.Log, ids []string) (retinue.Replay, error) {
	choice := retinue.Replay{All: c.all, Key: c.key, Limit: c.limit}
	ways := 0
	for _, given := range []bool{c.all, c.key != "", len(ids) > 0} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return choice, usagef("give ids, --key or --all, one of the three")
	}
	for _, id := range ids {
		at, err := parsePosition(log, id)
		if err != nil {
			return choice, err
		}
		choice.At = append(choice.At, at)
	}
	return choice, nil
}

func parkedReplayVerb() *cobra.Command {
	var f storeFlags
	var c parkedChoice
	cmd := &cobra.Command{
		Use:   "replay STORE FOLLOWER [ID...]",
		Short: "Give parked entries to their follower once more",
		Long: `Give parked entries to their follower once more, by ascending id, each in a turn
of its own. What fails stays parked, with its new error, and so does what is
behind it in its sequence; the rest goes on.

This runs the follower's own code, so it needs the program that has it: a live
bus. Of a closed store it can only tell what it would replay, with --preview.`,
		Example: `  retinue parked replay wallet.db mail 42 57
  retinue parked replay wallet.db mail --all --limit 100
  retinue parked replay wallet.db mail --key alice --preview`,
		Args: wants(2, -1),
	}
	preview := cmd.Flags().Bool("preview", false, "tell how many would be replayed, and do nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		return f.with(ctx, args[0], reading, func(s *store) error {
			if !s.live && !*preview {
				return fmt.Errorf("nobody has %s open: a replay runs the code of %s, so it needs the program that has it, with Admin in its retinue.Options", args[0], args[1])
			}
			status, err := s.follower(ctx, args[1])
			if err != nil {
				return err
			}
			choice, err := c.replay(status.Log, args[2:])
			if err != nil {
				return err
			}
			would := choice
			would.Preview = true
			found, err := s.Replay(ctx, args[1], would)
			if err != nil {
				return err
			}
			n := found.Found
			if c.limit > 0 {
				n = min(n, c.limit)
			}
			if *preview || n == 0 {
				note("%s parked, %d to be replayed", plural(found.Found, "entry is", "entries are"), n)
				return nil
			}
			if err := confirm(ctx, c.yes, fmt.Sprintf("%s reacts again to %s.", args[1], plural(n, "entry", "entries"))); err != nil {
				return err
			}
			done, err := s.Replay(ctx, args[1], choice)
			note("%d replayed, %d failed, %d still parked of those", done.Done, done.Failed, done.Found-done.Done)
			return err
		})
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "everything that is parked, but what was skipped")
	cmd.Flags().StringVar(&c.key, "key", "", "what is parked of one `sequence`")
	cmd.Flags().IntVarP(&c.limit, "limit", "n", 0, "at most this many `turns`")
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	return cmd
}

func parkedDropVerb() *cobra.Command {
	var f storeFlags
	var c parkedChoice
	cmd := &cobra.Command{
		Use:   "drop STORE FOLLOWER [ID...]",
		Short: "Give up parked entries for good",
		Long: `Give up parked entries for good: their records go, and the follower will never
react to them. The entries stay in the log as long as they would anyway.`,
		Example: `  retinue parked drop wallet.db mail 42
  retinue parked drop wallet.db mail --all --yes`,
		Args: wants(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return f.with(ctx, args[0], writing, func(s *store) error {
				at, err := c.records(ctx, s, args[1], args[2:])
				if err != nil || len(at) == 0 {
					return err
				}
				if err := confirm(ctx, c.yes, fmt.Sprintf("%s will never react to %s.", args[1], plural(len(at), "entry", "entries"))); err != nil {
					return err
				}
				for some := range slices.Chunk(at, 10_000) {
					if err := s.Drop(ctx, args[1], some...); err != nil {
						return err
					}
				}
				note("%s dropped", plural(len(at), "record", "records"))
				return nil
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "everything that was put aside, skipped entries too")
	cmd.Flags().StringVar(&c.key, "key", "", "what is parked of one `sequence`")
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	return cmd
}

// records are the places of those that are chosen.
func (c *parkedChoice) records(ctx context.Context, s *store, follower string, ids []string) ([]messages.Position, error) {
	status, err := s.follower(ctx, follower)
	if err != nil {
		return nil, err
	}
	choice, err := c.replay(status.Log, ids)
	if err != nil {
		return nil, err
	}
	there := map[messages.Position]bool{}
	var at []messages.Position
	for p, err := range s.Parked(ctx, follower) {
		if err != nil {
			return nil, err
		}
		there[p.Position()] = true
		if c.all || c.key != "" && p.Key == c.key {
			at = append(at, p.Position())
		}
	}
	for _, p := range choice.At {
		if !there[p] {
			return nil, fmt.Errorf("entry %v is not parked by %s: %w", p, follower, messages.ErrOutOfRange)
		}
	}
	if at = append(at, choice.At...); len(at) == 0 {
		note("nothing is parked")
	}
	return at, nil
}

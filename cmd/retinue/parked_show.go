package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

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
				return show(cmd.Context(), func(out *screen) error {
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

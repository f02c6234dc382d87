package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
)

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
				return show(cmd.Context(), func(out *screen) error { return listParked(cmd.Context(), out, s, names, asJSON) })
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
	t.prose = true
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

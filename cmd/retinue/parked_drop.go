package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue/messages"
)

func parkedDropVerb() *cobra.Command {
	var f storeFlags
	var c parkedChoice
	var tell telling
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
				if err != nil {
					return err
				}
				if len(at) == 0 {
					return tell.result(ctx, dropped{0}, "nothing is parked")
				}
				if err := confirm(ctx, c.yes, fmt.Sprintf("%s will never react to %s.", args[1], plural(len(at), "entry", "entries"))); err != nil {
					return err
				}
				for some := range slices.Chunk(at, 10_000) {
					if err := s.Drop(ctx, args[1], some...); err != nil {
						return err
					}
				}
				return tell.result(ctx, dropped{len(at)}, "%s dropped", plural(len(at), "record", "records"))
			})
		},
	}
	f.add(cmd)
	tell.add(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "everything that was put aside, skipped entries too")
	cmd.Flags().StringVar(&c.key, "key", "", "what is parked of one `sequence`")
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	return cmd
}

// dropped is how many records have gone.
type dropped struct {
	Dropped int `json:"dropped"`
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
	return append(at, choice.At...), nil
}

package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func seekVerb() *cobra.Command {
	var f storeFlags
	var tell telling
	var yes bool
	var to string
	var since moment
	cmd := &cobra.Command{
		Use:   "seek STORE FOLLOWER (--to ID | --to first | --to head | --since TIME)",
		Short: "Move a follower to another place in its log",
		Long: `Move a follower to another place in its log: the next entry that it reads.

Back, it reacts again to what it has seen; forward, it never sees what lies
between. What it has written stays. The move is refused if the follower has
moved since you were asked; pause it first where it keeps moving.`,
		Example: `  retinue seek wallet.db mail --to 42
  retinue seek wallet.db mail --to head          # skip what waits
  retinue seek wallet.db report --since today    # see today again`,
		Args: wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if (to == "") == since.IsZero() {
				return usagef("give one of --to and --since")
			}
			return f.with(ctx, args[0], writing, func(s *store) error {
				follower, err := s.follower(ctx, args[1])
				if err != nil {
					return err
				}
				target, err := seekTarget(ctx, s, follower, to, since)
				if err != nil {
					return err
				}
				if err := confirm(ctx, yes, seekQuestion(follower, target)); err != nil {
					return err
				}
				if err := s.Seek(ctx, args[1], follower.Position(), place(follower.Log, target)); err != nil {
					return err
				}
				return tell.follower(ctx, s, args[1], "%s reads entry %d of the %v log next", args[1], target, follower.Log)
			})
		},
	}
	f.add(cmd)
	tell.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "`id` of the next entry to read, first or head")
	cmd.Flags().Var(&since, "since", "the first entry ordered at or after this `time`")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// seekTarget is the id that the flags mean.
func seekTarget(ctx context.Context, s *store, f retinue.FollowerStatus, to string, since moment) (uint64, error) {
	status, err := s.Status(ctx)
	if err != nil {
		return 0, err
	}
	log := status.Permanent
	if f.Log == messages.TrimmableLog {
		log = status.Trimmable
	}
	switch to {
	case "head":
		return log.Head, nil
	case "first":
		return log.Horizon, nil
	case "":
		for e, err := range s.Entries(ctx, retinue.Query{Log: f.Log, Since: since.Time, Limit: 1}) {
			if err != nil {
				return 0, err
			}
			id, _, err := messages.Span(e.Position(), f.Log)
			return id, err
		}
		return log.Head, nil
	}
	id, err := strconv.ParseUint(to, 10, 64)
	if err != nil || id == 0 {
		return 0, usagef("--to %q is no id, nor first or head", to)
	}
	if id == log.Head {
		return id, nil
	}
	return id, within(status, f.Log, id)
}

func seekQuestion(f retinue.FollowerStatus, target uint64) string {
	switch {
	case target < f.Cursor:
		return fmt.Sprintf("%s goes back from %d to %d and reacts again to %s.", f.Name, f.Cursor, target,
			plural(f.Cursor-target, "entry", "entries"))
	case target > f.Cursor:
		return fmt.Sprintf("%s goes from %d to %d and will never see the %s between.", f.Name, f.Cursor, target,
			plural(target-f.Cursor, "entry", "entries"))
	}
	return fmt.Sprintf("%s stands at %d already; a turn under way is interrupted.", f.Name, target)
}

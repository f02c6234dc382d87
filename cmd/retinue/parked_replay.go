package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func parkedReplayVerb() *cobra.Command {
	var f storeFlags
	var c parkedChoice
	var tell telling
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
				return tell.result(ctx, found, "%s parked, %d to be replayed", plural(found.Found, "entry is", "entries are"), n)
			}
			if err := confirm(ctx, c.yes, fmt.Sprintf("%s reacts again to %s.", args[1], plural(n, "entry", "entries"))); err != nil {
				return err
			}
			done, err := s.Replay(ctx, args[1], choice)
			return errors.Join(err, tell.result(ctx, done, "%d replayed, %d failed, %d still parked of those", done.Done, done.Failed, done.Found-done.Done))
		})
	}
	f.add(cmd)
	tell.add(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "everything that is parked, but what was skipped")
	cmd.Flags().StringVar(&c.key, "key", "", "what is parked of one `sequence`")
	cmd.Flags().IntVarP(&c.limit, "limit", "n", 0, "at most this many `turns`")
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	return cmd
}

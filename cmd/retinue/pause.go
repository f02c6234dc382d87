package main

import (
	"github.com/spf13/cobra"
)

func pauseVerb() *cobra.Command {
	var f storeFlags
	var tell telling
	cmd := &cobra.Command{
		Use:   "pause STORE FOLLOWER",
		Short: "Stop a follower until it is resumed",
		Long: `Stop a follower until it is resumed, also over restarts of the program. The
turn under way rolls back. Its entries wait; trimming holds them, for a time.`,
		Example: `  retinue pause wallet.db mail`,
		Args:    wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd.Context(), args[0], writing, func(s *store) error {
				if _, err := s.follower(cmd.Context(), args[1]); err != nil {
					return err
				}
				if err := s.Pause(cmd.Context(), args[1]); err != nil {
					return err
				}
				return tell.follower(cmd.Context(), s, args[1], "%s is paused; retinue resume lets it go on", args[1])
			})
		},
	}
	f.add(cmd)
	tell.add(cmd)
	return cmd
}

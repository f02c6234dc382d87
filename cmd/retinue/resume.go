package main

import (
	"github.com/spf13/cobra"
)

func resumeVerb() *cobra.Command {
	var f storeFlags
	var tell telling
	cmd := &cobra.Command{
		Use:     "resume STORE FOLLOWER",
		Short:   "Let a paused or parked follower go on",
		Example: `  retinue resume wallet.db mail`,
		Args:    wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd.Context(), args[0], writing, func(s *store) error {
				before, err := s.follower(cmd.Context(), args[1])
				if err != nil {
					return err
				}
				if err := s.Resume(cmd.Context(), args[1]); err != nil {
					return err
				}
				was, when := string(before.State), "goes on"
				if was != "paused" && was != "parked" {
					was += ", not paused or parked,"
				}
				if !s.live {
					when = "will go on when its program runs"
				}
				return tell.follower(cmd.Context(), s, args[1], "%s was %s and %s at entry %d of the %v log", args[1], was, when, before.Cursor, before.Log)
			})
		},
	}
	f.add(cmd)
	tell.add(cmd)
	return cmd
}

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func trimVerb() *cobra.Command {
	var f storeFlags
	var tell telling
	var yes, preview bool
	minAge := duration{14 * 24 * time.Hour}
	minEntries := 10_000
	cmd := &cobra.Command{
		Use:   "trim STORE",
		Short: "Remove old entries of the trimmable log",
		Long: `Make one pass of the trimmer: remove the oldest entries of the trimmable log,
but those that a follower still needs. Entries of the permanent log stay.

A live bus keeps what its own options say. For a closed store --min-age and
--min-entries say it.`,
		Example: `  retinue trim wallet.db --preview
  retinue trim wallet.db --min-age 30d --min-entries 1000`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if minEntries < 0 {
				return usagef("--min-entries %d is below 0", minEntries)
			}
			f.trim.MinAge, f.trim.MinEntries = minAge.Duration, minEntries
			if minAge.Duration == 0 {
				f.trim.MinAge = -1
			}
			if minEntries == 0 {
				f.trim.MinEntries = -1
			}
			a := writing
			if preview {
				a = reading
			}
			return f.with(ctx, args[0], a, func(s *store) error {
				if s.live && (cmd.Flags().Changed("min-age") || cmd.Flags().Changed("min-entries")) {
					return usagef("the bus is live and keeps what its own options say: --min-age and --min-entries are for closed stores")
				}
				would, err := s.PreviewTrim(ctx)
				if err != nil {
					return err
				}
				held := ""
				if would.Held != "" {
					held = fmt.Sprintf("; %s has not read what comes next, which keeps it", would.Held)
				}
				if would.Entries == 0 {
					return tell.result(ctx, would, "nothing to remove: the first trimmable entry stays %d%s", would.Horizon, held)
				}
				if preview {
					return tell.result(ctx, would, "would remove %s, up to trimmable entry %d%s", plural(would.Entries, "entry", "entries"), would.Horizon-1, held)
				}
				err = confirm(ctx, yes, fmt.Sprintf("This removes %s, up to trimmable entry %d%s.",
					plural(would.Entries, "entry", "entries"), would.Horizon-1, held))
				if err != nil {
					return err
				}
				done, err := s.Trim(ctx)
				if err != nil {
					return err
				}
				return tell.result(ctx, done, "%s removed; the first trimmable entry is %d", plural(done.Entries, "entry", "entries"), done.Horizon)
			})
		},
	}
	f.add(cmd)
	tell.add(cmd)
	cmd.Flags().Var(&minAge, "min-age", "keep what is younger than this `duration`; 0s keeps nothing for its age")
	cmd.Flags().IntVar(&minEntries, "min-entries", minEntries, "keep this many `entries`")
	cmd.Flags().BoolVar(&preview, "preview", false, "tell what would go, and do nothing")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue/messages"
)

func verifyVerb() *cobra.Command {
	var f storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify STORE",
		Short: "Read a whole store and report what contradicts itself",
		Long: `Read a whole store and report what contradicts itself: every record, id and
checksum. Nothing is changed. Exits with 4 where something is wrong.`,
		Example: `  retinue verify wallet.db
  retinue verify backups/monday --json`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				report, err := s.Verify(cmd.Context())
				if err != nil {
					return err
				}
				err = show(cmd.Context(), func(out *screen) error {
					if asJSON {
						return out.line(report)
					}
					fmt.Fprintf(out, "%s of the permanent log, %s of the trimmable log, %s\n",
						plural(report.Permanent, "entry", "entries"), plural(report.Trimmable, "entry", "entries"),
						plural(report.Records, "other record", "other records"))
					for _, p := range report.Problems {
						fmt.Fprintln(out, out.paint(red, clean(p.Error())))
					}
					if len(report.Problems) == 0 {
						fmt.Fprintln(out, out.paint(green, "sound"))
					}
					return nil
				})
				if len(report.Problems) > 0 {
					err = errors.Join(err, fmt.Errorf("%s: %w", plural(len(report.Problems), "problem", "problems"), messages.ErrCorrupt))
				}
				return err
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "the report, in JSON")
	return cmd
}

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
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
			report, err := f.verify(cmd.Context(), args[0])
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
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "the report, in JSON")
	return cmd
}

// verify reads the store through the bus that has it open, or a closed one,
// also where no bus opens it because it contradicts itself.
func (f *storeFlags) verify(ctx context.Context, target string) (report retinue.Report, err error) {
	err = f.with(ctx, target, reading, func(s *store) (err error) {
		report, err = s.Verify(ctx)
		return err
	})
	if !errors.Is(err, messages.ErrDamaged) && !errors.Is(err, messages.ErrCorrupt) {
		return report, err
	}
	if f.prefix == "" {
		return retinue.Verify(ctx, target, nil)
	}
	prefix, err := unquoted(f.prefix)
	if err != nil {
		return report, err
	}
	db, fence, closeDB, err := persistence.OpenShared(target, true)
	if err != nil {
		return report, err
	}
	report, err = retinue.Verify(ctx, "", &retinue.Options{DB: db, Fence: fence, Prefix: prefix})
	return report, errors.Join(err, closeDB())
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
)

func importVerb() *cobra.Command {
	var o retinue.ImportOptions
	cmd := &cobra.Command{
		Use:   "import DIR FILE",
		Short: "Make a store out of an export",
		Long: `Make a store out of an export; "-" is standard input. DIR must not exist, or be
empty. Ids, times and order stay; the store gets an id of its own.

A line that cannot be imported is named, and what came before it is kept:
repair the file and import it again, to go on from there. So after a crash.
Until the last line is in, the store does not open.`,
		Example: `  retinue import copy.db wallet.jsonl
  zstd -dc wallet.jsonl.zst | retinue import copy.db -`,
		Args: wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var from io.Reader
			if args[1] == "-" {
				from = waiting(cmd.Context(), os.Stdin)
			} else {
				file, err := os.Open(args[1])
				if err != nil {
					return err
				}
				defer file.Close()
				from = file
			}
			bar := newBar("importing", true)
			defer bar.end()
			o.Progress = bar.at
			report, err := retinue.Import(cmd.Context(), args[0], from, nil, o)
			bar.end()
			if err != nil {
				return fmt.Errorf("%s: %w", args[1], err)
			}
			text := plural(report.Entries, "entry", "entries") + " imported"
			if report.Resumed > 0 {
				text += fmt.Sprintf(", %s of them before", count(report.Resumed))
			}
			if report.Cursors > 0 {
				text += ", with " + plural(report.Cursors, "cursor", "cursors")
			}
			note("%s", text)
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.Cursors, "cursors", false, "take over where the followers stood, if the export tells")
	return cmd
}

// waiting reads from who may write late, and gives up when its context ends.
func waiting(ctx context.Context, from io.Reader) io.Reader {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(w, from)
		w.CloseWithError(err)
	}()
	return r
}

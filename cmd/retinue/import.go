package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

func importVerb() *cobra.Command {
	var im importing
	cmd := &cobra.Command{
		Use:   "import DIR FILE",
		Short: "Make a store out of an export",
		Long: `Make a store out of an export; "-" is standard input. DIR must not exist, or be
empty. Ids, times and order stay; the store gets an id of its own. With --prefix
DIR is that of a program's own database, which must be there, and closed.

A line that cannot be imported is named, and what came before it is kept:
repair the file and import it again, to go on from there. So after a crash.
Until the last line is in, the store does not open.`,
		Example: `  retinue import copy.db wallet.jsonl
  zstd -dc wallet.jsonl.zst | retinue import copy.db -`,
		Args: wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			im.dir, im.name = args[0], args[1]
			from, done, err := im.open(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			report, err := im.run(cmd.Context(), from)
			if err != nil {
				return im.explain(err)
			}
			text := plural(report.Entries, "entry", "entries") + " imported"
			if report.Resumed > 0 {
				text += fmt.Sprintf(", %s of them before", count(report.Resumed))
			}
			if report.Cursors > 0 {
				text += ", with " + plural(report.Cursors, "cursor", "cursors")
			}
			return im.tell.result(cmd.Context(), report, "%s", text)
		},
	}
	cmd.Flags().StringVar(&im.prefix, "prefix", "", "`prefix` that the store is to have in a database that it shares; Go escapes as in bus\\x00")
	cmd.Flags().BoolVar(&im.options.Cursors, "cursors", false, "take over where the followers stood, if the export tells")
	im.tell.add(cmd)
	return cmd
}

// importing is an import under way.
type importing struct {
	dir, name, prefix string
	options           retinue.ImportOptions
	tell              telling
}

func (im *importing) run(ctx context.Context, from io.Reader) (retinue.ImportReport, error) {
	bar := newBar("importing", true)
	defer bar.end()
	im.options.Progress = bar.at
	if im.prefix == "" {
		return retinue.Import(ctx, im.dir, from, nil, im.options)
	}
	prefix, err := unquoted(im.prefix)
	if err != nil {
		return retinue.ImportReport{}, err
	}
	db, fence, closeDB, err := persistence.OpenShared(im.dir, false)
	if err != nil {
		return retinue.ImportReport{}, err
	}
	report, err := retinue.Import(ctx, "", from, &retinue.Options{DB: db, Fence: fence, Prefix: prefix}, im.options)
	if closing := closeDB(); err == nil {
		err = closing
	}
	return report, err
}

func (im *importing) open(ctx context.Context) (io.Reader, func() error, error) {
	if im.name == "-" {
		return waiting(ctx, os.Stdin), func() error { return nil }, nil
	}
	file, err := os.Open(im.name)
	if err != nil {
		return nil, nil, err
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, nil, fmt.Errorf("%s is a directory and no export; restore makes a store of a backup", im.name)
	}
	return file, file.Close, nil
}

// explain says which of the two has failed, and how to go on.
func (im *importing) explain(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		note("interrupted; to import the same file again goes on from there")
		return err
	case errors.Is(err, messages.ErrUnfinishedImport):
		return fmt.Errorf("%s: %w\n%s holds the beginning of another export: to import this one, remove it first", im.name, err, im.dir)
	case errors.Is(err, messages.ErrImport):
		return fmt.Errorf("%s: %w", im.name, err)
	case errors.Is(err, messages.ErrInUse):
		return fmt.Errorf("%w\nAn import makes a new store; %s is one that is open", err, im.dir)
	}
	return fmt.Errorf("%s: %w", im.dir, err)
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

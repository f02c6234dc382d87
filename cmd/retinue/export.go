package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
)

func exportVerb() *cobra.Command {
	var f storeFlags
	var o retinue.ExportOptions
	var target string
	cmd := &cobra.Command{
		Use:   "export STORE",
		Short: "Write both logs as lines of JSON",
		Long: `Write both logs as lines of JSON, of one moment: a header, each entry once, and
a trailer by which a file that was cut or changed is noticed. Ids, times and the
bytes of payloads are kept; import makes a store of them again.

What followers and the application keep, and parked entries, do not travel: a
backup has them.`,
		Example: `  retinue export wallet.db -o wallet.jsonl
  retinue export wallet.db | zstd > wallet.jsonl.zst`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if target == "" {
				return usagef("--output: the file has no name")
			}
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				if target == "-" {
					return export(cmd.Context(), s, patient{cmd.Context(), os.Stdout}, false, o)
				}
				return newFile(target, func(w io.Writer) error { return export(cmd.Context(), s, w, true, o) })
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&target, "output", "o", "-", "`file` to make, which must not exist; it gets its name when it is whole")
	cmd.Flags().BoolVar(&o.Cursors, "cursors", false, "take along where the followers stand")
	return cmd
}

func export(ctx context.Context, s *store, w io.Writer, progress bool, o retinue.ExportOptions) error {
	buffered := bufio.NewWriterSize(w, 256<<10)
	bar := newBar("exporting", progress)
	defer bar.end()
	report, err := s.Export(ctx, io.MultiWriter(buffered, bar.reading()), o)
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return err
	}
	bar.end()
	var left []string
	for _, n := range []struct {
		n         uint64
		one, many string
	}{
		{report.Parked, "parked entry", "parked entries"}, {report.FollowerKeys, "follower's key", "followers' keys"},
		{report.ApplicationKeys, "key of the application", "keys of the application"},
		{report.IdempotencyKeys, "idempotency key", "idempotency keys"}, {report.Staged, "staged call", "staged calls"},
	} {
		if n.n > 0 {
			left = append(left, plural(n.n, n.one, n.many))
		}
	}
	text := plural(report.Entries, "entry", "entries") + " exported"
	if len(left) > 0 {
		text += "; left behind: " + strings.Join(left, ", ")
	}
	note("%s", text)
	return nil
}

// newFile makes a file that appears under its name when it is whole, and under
// a name of its own until then.
func newFile(name string, write func(io.Writer) error) error {
	if _, err := os.Lstat(name); err == nil {
		return &os.PathError{Op: "export", Path: name, Err: os.ErrExist}
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.partial")
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = publish(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// publish gives a file a name that nobody else has taken, durably.
func publish(from, name string) error {
	err := os.Link(from, name)
	switch {
	case errors.Is(err, os.ErrExist):
		return &os.PathError{Op: "export", Path: name, Err: os.ErrExist}
	case err != nil: // the file system has no links
		err = os.Rename(from, name)
	default:
		err = os.Remove(from)
	}
	if dir, cannot := os.Open(filepath.Dir(name)); cannot == nil {
		_ = dir.Sync() // not every system can
		_ = dir.Close()
	}
	return err
}

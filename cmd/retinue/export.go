package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
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
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				if target == "" {
					return export(cmd.Context(), s, patient{cmd.Context(), os.Stdout}, false, o)
				}
				return newFile(target, func(w io.Writer) error { return export(cmd.Context(), s, w, true, o) })
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&target, "output", "o", "", "`file` to make, which must not exist; it gets its name when it is whole")
	cmd.Flags().BoolVar(&o.Cursors, "cursors", false, "take along where the followers stand")
	return cmd
}

func export(ctx context.Context, s *store, w io.Writer, progress bool, o retinue.ExportOptions) error {
	buffered := bufio.NewWriterSize(w, 256<<10)
	bar := newBar("exporting", progress)
	defer bar.end()
	report, err := s.Export(ctx, io.MultiWriter(buffered, bar.reading()), o)
	if err := errors.Join(err, buffered.Flush()); err != nil {
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

// newFile makes a file that appears under its name when it is whole.
func newFile(name string, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(name); err == nil {
		return &os.PathError{Op: "export", Path: name, Err: os.ErrExist}
	}
	f, err := os.OpenFile(name+".partial", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

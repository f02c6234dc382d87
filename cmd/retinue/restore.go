package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func restoreVerb() *cobra.Command {
	var tell telling
	cmd := &cobra.Command{
		Use:   "restore BACKUP DIR",
		Short: "Make a store out of a backup",
		Long: `Make a store out of a backup, or of any closed store. DIR must not exist, or be
empty. The new store has an id of its own; its followers go on from their
cursors. The backup stays as it is.`,
		Example: `  retinue restore backups/monday wallet.db`,
		Args:    wants(2, 2),

		ValidArgsFunction: completeDirectories,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := restore(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			return tell.result(cmd.Context(), copied{args[0], args[1]}, "%s is a store, made of %s", args[1], args[0])
		},
	}
	tell.add(cmd)
	return cmd
}

// copied is what a backup or a restore has made.
type copied struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func restore(ctx context.Context, backup, dir string) error {
	info, err := os.Stat(backup)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist: %w", backup, messages.ErrNotStore)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is a file, and a backup a directory; import makes a store of an export: %w", backup, messages.ErrNotStore)
	}
	err = retinue.Restore(ctx, backup, dir, nil)
	if errors.Is(err, messages.ErrInUse) {
		return fmt.Errorf("%w\nA store that is open is not restored from: back it up, and restore the backup", err)
	}
	return err
}

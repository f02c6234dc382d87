package main

import (
	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
)

func restoreVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "restore BACKUP DIR",
		Short: "Make a store out of a backup",
		Long: `Make a store out of a backup, or of any closed store. DIR must not exist, or be
empty. The new store has an id of its own; its followers go on from their
cursors. The backup stays as it is.`,
		Example: `  retinue restore backups/monday wallet.db`,
		Args:    wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := retinue.Restore(cmd.Context(), args[0], args[1], nil); err != nil {
				return err
			}
			note("%s is a store, made of %s", args[1], args[0])
			return nil
		},
	}
}

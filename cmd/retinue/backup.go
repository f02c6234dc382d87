package main

import (
	"path/filepath"

	"github.com/spf13/cobra"
)

func backupVerb() *cobra.Command {
	var f storeFlags
	var tell telling
	cmd := &cobra.Command{
		Use:   "backup STORE TARGET",
		Short: "Copy a store into a new directory, also while it is in use",
		Long: `Copy a store into a new directory, also while it is in use. The copy is of one
moment - entries, reactions and cursors agree - and is verified before it gets
its name. TARGET must not exist. A live bus writes it itself, on its machine.

On the disk of the store itself, tables are shared with it: that costs next to
nothing, and protects from nothing that happens to the disk.`,
		Example: `  retinue backup wallet.db backups/monday`,
		Args:    wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := filepath.Abs(args[1])
			if err != nil {
				return err
			}
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				if err := s.Backup(cmd.Context(), target); err != nil {
					return err
				}
				return tell.result(cmd.Context(), copied{args[0], target}, "%s is a verified backup of %s", args[1], args[0])
			})
		},
	}
	f.add(cmd)
	tell.add(cmd)
	return cmd
}

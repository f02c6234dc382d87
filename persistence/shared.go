package persistence

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// OpenShared opens a database that a program shares with stores below
// prefixes, for who wants to look into it while the program does not run. It
// makes none. A program whose database has a comparer or merger of its own
// must do so itself. Close closes it, after the store.
//
// Errors: [messages.ErrNotStore] where there is no database,
// [messages.ErrInUse], or Pebble's.
func OpenShared(dir string, readOnly bool) (db *pebble.DB, fence *Fence, close func() error, err error) {
	found, err := pebble.Peek(dir, vfs.Default)
	if errors.Is(err, os.ErrNotExist) || err == nil && !found.Exists {
		return nil, nil, nil, fmt.Errorf("%s holds no database: %w", dir, messages.ErrNotStore)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", dir, err)
	}
	lock, err := pebble.LockDirectory(dir, vfs.Default)
	if err != nil {
		return nil, nil, nil, notLocked(dir, err)
	}
	o := &pebble.Options{Lock: lock, ReadOnly: readOnly, ErrorIfNotExists: true, Logger: &slogLogger{log: slog.New(slog.DiscardHandler)}}
	fence = Configure(o)
	if db, err = pebble.Open(dir, o); err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("%s: %w", dir, broken(err)), lock.Close())
	}
	return db, fence, func() error { return errors.Join(db.Close(), lock.Close()) }, nil
}

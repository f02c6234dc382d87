package persistence

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// borrow opens a program's own database, to read the store below a prefix.
func (s *Store) borrow(c Config) error {
	if !c.ReadOnly {
		return messages.Invalid("options", "prefix %q and no DB: a database that is not open can only be read", c.Prefix)
	}
	d := &directory{fs: c.FS, dir: c.Dir, bare: true}
	if d.fs == nil {
		d.fs = vfs.Default
	}
	d.fs = readingFS{private(d.fs)}
	if found, err := pebble.Peek(d.dir, d.fs); err != nil || !found.Exists {
		return errors.Join(fmt.Errorf("%s holds no database: %w", d.dir, messages.ErrNotStore), err)
	}
	root := vfs.Root(d.fs)
	if root == vfs.Default {
		var err error
		if d.dir, err = canonical(d.dir); err != nil {
			return fmt.Errorf("retinue: %w", err)
		}
	}
	free, err := reserve(directoryPlace{root, d.fs.PathJoin(d.dir)}, d.dir)
	if err != nil {
		return err
	}
	lock, err := d.lock()
	if err != nil {
		free()
		return err
	}
	s.release = func() error {
		defer free()
		return lock.Close()
	}
	s.keys = newKeyspace(c.Prefix)
	return s.openEmbedded(c, d, lock)
}

// readingFS locks nothing on a medium that cannot be written: nobody can
// change a store that lies there.
type readingFS struct{ vfs.FS }

func (f readingFS) Lock(name string) (io.Closer, error) {
	lock, err := f.FS.Lock(name)
	if errors.Is(err, syscall.EROFS) {
		return io.NopCloser(nil), nil
	}
	return lock, err
}

// Unwrap implements [vfs.FS].
func (f readingFS) Unwrap() vfs.FS { return f.FS }

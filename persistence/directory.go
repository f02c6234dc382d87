package persistence

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// Names in the directory of an embedded store.
const (
	sentinelName = "RETINUE"     // the store was made; holds format and id
	newbornName  = "RETINUE.new" // the first Open has not finished
	databaseName = "pebble"
)

// directory is where an embedded store lives. A directory is newborn until its
// sentinel is there.
type directory struct {
	fs      vfs.FS
	dir     string
	newborn bool
	bare    bool   // dir is the database itself, and the program's own
	id      string // of the sentinel, empty while newborn
}

// makeDirectory makes dir and what is missing above it, durably, also where a
// first Open was killed in the middle of that: an entry of a directory is on
// disk only once that directory is synced.
func makeDirectory(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(fs.PathJoin(dir, sentinelName)); err == nil {
		return nil
	}
	parents := []string{fs.PathDir(dir)}
	for at := parents[0]; fs.PathDir(at) != at; at = fs.PathDir(at) {
		if _, err := fs.Stat(at); err == nil {
			break
		}
		parents = append(parents, fs.PathDir(at))
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := syncDirectory(fs, parent); err != nil {
			return err
		}
	}
	return nil
}

func syncDirectory(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// mustBeStore refuses a directory without a sentinel.
func mustBeStore(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(fs.PathJoin(dir, sentinelName)); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s has no %s: %w", dir, sentinelName, messages.ErrNotStore)
	} else if err != nil {
		return err
	}
	return nil
}

// inspect reads what a directory says of itself. A directory is newborn until
// its sentinel is there; any file of another kind makes it no store.
func inspect(fs vfs.FS, dir string) (newborn bool, id string, err error) {
	text, err := readFile(fs, fs.PathJoin(dir, sentinelName))
	if err == nil {
		id, err = checkSentinel(dir, text)
		return false, id, err
	}
	if !errors.Is(err, os.ErrNotExist) {
		return false, "", fmt.Errorf("retinue: %w", err)
	}
	names, err := fs.List(dir)
	if err != nil {
		return false, "", fmt.Errorf("retinue: %w", err)
	}
	marked := false
	for _, name := range names {
		marked = marked || name == newbornName || name == newbornName+".tmp"
	}
	if len(names) > 0 && !marked {
		return false, "", fmt.Errorf("%s holds %q and no %s: %w", dir, names[0], sentinelName, messages.ErrNotStore)
	}
	return true, "", writeFile(fs, dir, newbornName, "")
}

// claim looks again, now that the lock is held, and removes what an
// unfinished first Open left of its database: nothing was ever accepted into
// it, and Pebble cannot open every part of one that a power cut leaves.
func (d *directory) claim() error {
	var err error
	if d.newborn, d.id, err = inspect(d.fs, d.dir); !d.newborn || err != nil {
		return err
	}
	if marked(d.fs, d.dir) {
		return &messages.DamagedError{File: sentinelName, Want: "the id of a store that was in use", Got: "no file"}
	}
	names, err := d.fs.List(d.database())
	if err != nil {
		return fmt.Errorf("retinue: %w", err)
	}
	for _, name := range names {
		if name == "LOCK" {
			continue
		}
		if err := d.fs.RemoveAll(d.fs.PathJoin(d.database(), name)); err != nil {
			return fmt.Errorf("retinue: %w", err)
		}
	}
	return nil
}

func (d *directory) database() string {
	if d.bare {
		return d.dir
	}
	return d.fs.PathJoin(d.dir, databaseName)
}

func checkSentinel(dir, text string) (id string, err error) {
	var format int
	if _, err := fmt.Sscanf(text, "retinue %d %s", &format, &id); err != nil || format < 1 {
		return "", fmt.Errorf("%s in %s reads %q: %w", sentinelName, dir, text, messages.ErrNotStore)
	}
	if format > Format {
		return "", fmt.Errorf("%s has format %d, this release knows %d: %w", dir, format, Format, messages.ErrNewerFormat)
	}
	return id, nil
}

func (d *directory) lock() (*pebble.Lock, error) {
	if err := d.fs.MkdirAll(d.database(), 0o700); err != nil {
		return nil, fmt.Errorf("retinue: %w", err)
	}
	lock, err := pebble.LockDirectory(d.database(), d.fs)
	if err != nil {
		return nil, notLocked(d.dir, err)
	}
	return lock, nil
}

// notLocked tells who has no right to make the lock of a database from who
// comes second.
func notLocked(dir string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%s: its lock cannot be made, without which nobody knows whether it is in use: %w", dir, err)
	}
	return fmt.Errorf("%s: another process has it open, or its lock cannot be made: %w: %w", dir, messages.ErrInUse, err)
}

// holds reports whether a path is that of the directory or lies below it.
func (d *directory) holds(path string) bool {
	onDisk := vfs.Root(d.fs) == vfs.Default
	if whole, err := filepath.Abs(path); onDisk && err == nil {
		path = whole
	}
	for {
		same := path
		if there, err := canonical(path); onDisk && err == nil {
			same = there
		}
		if d.fs.PathJoin(same) == d.fs.PathJoin(d.dir) {
			return true
		}
		above := d.fs.PathDir(path)
		if above == path {
			return false
		}
		path = above
	}
}

// christen writes the sentinel, once the new database is on disk.
func (s *Store) christen(fs vfs.FS, dir string) error {
	id, err := get(s.db, s.keys.meta(metaStore))
	if err != nil {
		return err
	}
	if id == nil {
		id = make([]byte, len(s.id))
		rand.Read(id)
		if err := s.fence.await(func() error { return s.db.Set(s.keys.meta(metaStore), id, pebble.Sync) }); err != nil {
			return err
		}
	}
	if err := writeFile(fs, dir, markName, string(make([]byte, 2*markSize))); err != nil {
		return err
	}
	if err := writeFile(fs, dir, sentinelName, sentinelText(StoreID(id))); err != nil {
		return err
	}
	if err := fs.Remove(fs.PathJoin(dir, newbornName)); err != nil {
		return err
	}
	return syncDirectory(fs, dir)
}

func sentinelText(id StoreID) string { return fmt.Sprintf("retinue %d %v\n", Format, id) }

func readFile(fs vfs.FS, name string) (string, error) {
	f, err := fs.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

// writeFile makes a file with its content appear at once, durably.
func writeFile(fs vfs.FS, dir, name, text string) error {
	path := fs.PathJoin(dir, name)
	f, err := fs.Create(path+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := fs.Rename(path+".tmp", path); err != nil {
		return err
	}
	return syncDirectory(fs, dir)
}

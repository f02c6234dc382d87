package persistence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// Format is the version of the bytes on disk that this release writes. A
// store of a higher one is refused.
const Format = 1

// Names in the space of metadata: one key per mover.
const (
	metaFormat    = "format"    // u32, by Open
	metaStore     = "store"     // 16 bytes, by the first Open
	metaEpoch     = "epoch"     // u32, by every Open
	metaHeads     = "heads"     // heads and clock, by every batch of entries
	metaHorizon   = "horizon"   // u64, by a trim
	metaClean     = "clean"     // u32, by Close: the epoch that ended well
	metaFollowers = "followers" // u32, by the start of a new follower
	metaImport    = "import"    // importState, by an import that is not finished
)

// Config says where a store is. Either Dir or DB is set.
type Config struct {
	// Dir of an embedded store; created, with its parents, as 0700.
	Dir string
	// FS holds Dir; nil is the operating system's.
	FS vfs.FS
	// Profile of the embedded database.
	Profile Profile
	// DB is the program's own database, Prefix where the store lives in it,
	// Fence what [Configure] returned (nil: a failing disk ends the process).
	DB     *pebble.DB
	Prefix []byte
	Fence  *Fence
	// Logger receives Pebble's errors; nil is silent.
	Logger *slog.Logger
	// ReadOnly opens a store that is there, to read and to verify: nothing is
	// written but Pebble's lock, and no batch may be committed. With a Prefix
	// and no DB, Dir is a program's own database, which is closed.
	ReadOnly bool

	// partial allows a copy that is not finished; rename gives it a new store
	// id instead of counting an epoch.
	// importing allows an import that is not finished; doubtful a store that
	// contradicts itself, which Verify reports.
	partial, rename, importing, doubtful bool
}

// open holds what this process has open: a canonical path or a database and
// prefix.
var open = struct {
	sync.Mutex
	stores map[any]bool
}{stores: map[any]bool{}}

type sharedPlace struct {
	db     *pebble.DB
	prefix string
}

type directoryPlace struct {
	fs  vfs.FS
	dir string
}

// Open opens or creates a store. Errors: [messages.ErrInUse],
// [messages.ErrNotStore], [messages.ErrNewerFormat], [messages.DamagedError],
// [messages.CorruptError], [messages.ErrUnfinishedImport],
// [messages.FailedError], or what the file system said.
func Open(c Config) (*Store, error) {
	s := &Store{
		fence: c.Fence, readOnly: c.ReadOnly, rename: c.rename, importing: c.importing, doubtful: c.doubtful, mark: newMarker(),
		jobs: make(chan commitJob), stopped: make(chan struct{}), gone: make(chan struct{}),
	}
	if s.fence == nil {
		s.fence = NewFence()
	}
	var err error
	switch {
	case c.DB != nil:
		err = s.share(c)
	case len(c.Prefix) > 0:
		err = s.borrow(c)
	default:
		err = s.embed(c)
	}
	if err != nil {
		return nil, err
	}
	s.fence.armed.Store(true)
	go s.commitLoop()
	if err := s.load(); err != nil {
		close(s.jobs)
		select {
		case <-s.stopped:
		case <-s.fence.Tripped(): // it may never come back from Pebble
		}
		s.mark.drop()
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// share uses the program's database.
func (s *Store) share(c Config) error {
	s.keys = newKeyspace(c.Prefix)
	s.db = c.DB
	free, err := reserve(sharedPlace{c.DB, string(s.keys.prefix)}, fmt.Sprintf("prefix %q", c.Prefix))
	s.release = func() error { free(); return nil }
	return err
}

// embed opens the database of a directory: what the directory says of itself,
// the lock, the same again under the lock, then Pebble.
func (s *Store) embed(c Config) (err error) {
	d := &directory{fs: c.FS, dir: c.Dir}
	if d.fs == nil {
		d.fs = vfs.Default
	}
	d.fs = private(d.fs)
	prepare := makeDirectory
	if c.ReadOnly {
		d.fs = readingFS{d.fs}
		prepare = mustBeStore
	}
	if err := prepare(d.fs, d.dir); err != nil {
		return fmt.Errorf("retinue: %w", err)
	}
	root := vfs.Root(d.fs)
	if root == vfs.Default {
		if d.dir, err = canonical(d.dir); err != nil {
			return fmt.Errorf("retinue: %w", err)
		}
	}
	free, err := reserve(directoryPlace{root, d.fs.PathJoin(d.dir)}, d.dir)
	if err != nil {
		return err
	}
	s.release = func() error { free(); return nil }
	if !c.partial && isPartial(d.fs, d.dir) {
		return errors.Join(fmt.Errorf("%s is a backup or a restore that was not finished: %w", d.dir, messages.ErrNotStore), s.release())
	}
	if _, _, err := inspect(d.fs, d.dir); err != nil {
		return errors.Join(err, s.release())
	}
	lock, err := d.lock()
	if err != nil {
		return errors.Join(err, s.release())
	}
	s.release = func() error {
		defer free()
		return lock.Close()
	}
	if err := d.claim(); err != nil {
		return errors.Join(err, s.release())
	}
	s.place = d
	return s.openEmbedded(c, d, lock)
}

func (s *Store) openEmbedded(c Config, d *directory, lock *pebble.Lock) (err error) {
	if !d.newborn {
		if err := present(d.fs, d.database()); err != nil {
			return errors.Join(err, s.release())
		}
	}
	o := c.Profile.options()
	o.FS, o.Lock, o.ErrorIfNotExists, o.ReadOnly = d.fs, lock, !d.newborn, c.ReadOnly
	if c.FS == nil {
		o.WithFSDefaults()
	}
	if c.Logger != nil {
		o.Logger = &slogLogger{log: c.Logger}
	}
	s.fence = Configure(o)
	s.fence.embedded = true
	if s.db, err = openDatabase(d.database(), o, s.fence); err != nil {
		if s.fence.Cause() == nil { // else Pebble still holds what it opened
			err = errors.Join(err, s.release())
		}
		return err
	}
	unlock := s.release
	s.release = func() error {
		err := closeDatabase(s.db, s.fence)
		if s.fence.Cause() == nil {
			err = errors.Join(err, unlock())
		}
		return err
	}
	if d.newborn {
		s.fence.armed.Store(true)
		if err := s.christen(d.fs, d.dir); err != nil {
			return errors.Join(err, s.release())
		}
	}
	return nil
}

// openDatabase opens Pebble where a fatal error of its Open does not hang this
// one: the fence parks the goroutine that met it.
func openDatabase(dir string, o *pebble.Options, fence *Fence) (*pebble.DB, error) {
	var db *pebble.DB
	opened := make(chan error, 1)
	go func() {
		var err error
		db, err = pebble.Open(dir, o)
		opened <- err
	}()
	select {
	case err := <-opened:
		if err != nil {
			return nil, damage(dir, err)
		}
		return db, nil
	case <-fence.Tripped():
		return nil, fmt.Errorf("retinue: open %s: %w", dir, &messages.FailedError{Cause: fence.Cause()})
	}
}

// flushFor bounds what a clean close waits for.
const flushFor = 5 * time.Second

// settle moves what only write-ahead logs hold into tables, where a lost file
// is noticed at the next open, which then has nothing to replay. A disk that
// has no room now is left with its logs.
func settle(db *pebble.DB) {
	flushed, err := db.AsyncFlush()
	if err != nil {
		return
	}
	select {
	case <-flushed:
	case <-time.After(flushFor):
	}
}

// closeDatabase closes Pebble where a failing disk does not hang this
// goroutine.
func closeDatabase(db *pebble.DB, fence *Fence) error {
	closed := make(chan error, 1)
	go func() {
		settle(db)
		closed <- db.Close()
	}()
	select {
	case err := <-closed:
		return err
	case <-fence.Tripped():
		return errors.Join(&messages.FailedError{Cause: fence.Cause()}, errAbandoned)
	}
}

// canonical resolves symbolic links, so that one directory has one name.
func canonical(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// reserve makes this process the only user of a place.
func reserve(place any, name string) (free func(), err error) {
	open.Lock()
	defer open.Unlock()
	if open.stores[place] {
		return nil, fmt.Errorf("%s: open in this process: %w", name, messages.ErrInUse)
	}
	open.stores[place] = true
	return func() {
		open.Lock()
		defer open.Unlock()
		delete(open.stores, place)
	}, nil
}

// load reads the metadata and counts this Open as a new epoch.
func (s *Store) load() error {
	for _, read := range []func() error{
		s.loadFormat, s.loadImport, s.loadHeads, s.compareMark, s.compareEntries, s.loadTypes, s.loadFollowers, s.loadBuckets,
	} {
		switch err := read(); {
		case err == nil:
		case s.doubtful && (errors.Is(err, messages.ErrDamaged) || errors.Is(err, messages.ErrCorrupt)):
			s.doubts = append(s.doubts, err)
		default:
			return err
		}
	}
	if s.readOnly {
		return nil
	}
	b := s.db.NewBatch()
	if s.rename {
		s.id = newStoreID()
		check(b.Set(s.keys.meta(metaStore), s.id[:], nil))
		return s.commit(b, true)
	}
	s.epoch++
	check(b.Set(s.keys.meta(metaFormat), binary.BigEndian.AppendUint32(nil, Format), nil))
	check(b.Set(s.keys.meta(metaStore), s.id[:], nil))
	check(b.Set(s.keys.meta(metaEpoch), binary.BigEndian.AppendUint32(nil, s.epoch), nil))
	return s.commit(b, true)
}

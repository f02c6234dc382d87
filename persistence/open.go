package persistence

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

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
)

// Names in the directory of an embedded store.
const (
	sentinelName = "RETINUE"     // the store was made; holds format and id
	newbornName  = "RETINUE.new" // the first Open has not finished
	databaseName = "pebble"
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
// [messages.ErrNotStore], [messages.ErrNewerFormat], [messages.CorruptError],
// or what the file system said.
func Open(c Config) (*Store, error) {
	s := &Store{fence: c.Fence, jobs: make(chan commitJob), stopped: make(chan struct{})}
	if s.fence == nil {
		s.fence = NewFence()
	}
	var err error
	if c.DB != nil {
		err = s.share(c)
	} else {
		err = s.embed(c)
	}
	if err != nil {
		return nil, err
	}
	s.fence.armed.Store(true)
	go s.commitLoop()
	if err := s.load(); err != nil {
		close(s.jobs)
		<-s.stopped
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

// embed opens the database of a directory: the lock first, then what the
// directory says of itself, then Pebble.
func (s *Store) embed(c Config) (err error) {
	fs, dir := c.FS, c.Dir
	if fs == nil {
		fs = vfs.Default
	}
	if err := makeDirectory(fs, dir); err != nil {
		return fmt.Errorf("retinue: %w", err)
	}
	if c.FS == nil {
		if dir, err = canonical(dir); err != nil {
			return fmt.Errorf("retinue: %w", err)
		}
	}
	free, err := reserve(directoryPlace{fs, dir}, dir)
	if err != nil {
		return err
	}
	newborn, id, err := inspect(fs, dir)
	if err != nil {
		free()
		return err
	}
	s.place = &directory{fs: fs, dir: dir, id: id}
	database := fs.PathJoin(dir, databaseName)
	lock, err := lockDirectory(fs, database, dir)
	if err != nil {
		free()
		return err
	}
	o := c.Profile.options()
	o.FS, o.Lock, o.ErrorIfNotExists = c.FS, lock, !newborn
	if c.Logger != nil {
		o.Logger = &slogLogger{log: c.Logger}
	}
	s.fence = Configure(o)
	if !newborn {
		if err := present(fs, database); err != nil {
			free()
			return errors.Join(err, lock.Close())
		}
	}
	if s.db, err = openDatabase(database, o, s.fence); err != nil {
		if s.fence.Cause() == nil { // else Pebble still holds what it opened
			free()
			err = errors.Join(err, lock.Close())
		}
		return err
	}
	s.release = func() error {
		defer free()
		return errors.Join(s.db.Close(), lock.Close())
	}
	if newborn {
		err = s.christen(fs, dir)
	}
	if err != nil {
		return errors.Join(err, s.release())
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
		marked = marked || name == newbornName
	}
	if len(names) > 0 && !marked {
		return false, "", fmt.Errorf("%s holds %q and no %s: %w", dir, names[0], sentinelName, messages.ErrNotStore)
	}
	return true, "", writeFile(fs, dir, newbornName, "")
}

func checkSentinel(dir, text string) (id string, err error) {
	var format int
	if _, err := fmt.Sscanf(text, "retinue %d %s", &format, &id); err != nil {
		return "", fmt.Errorf("%s in %s reads %q: %w", sentinelName, dir, text, messages.ErrNotStore)
	}
	if format > Format {
		return "", fmt.Errorf("%s has format %d, this release knows %d: %w", dir, format, Format, messages.ErrNewerFormat)
	}
	return id, nil
}

func lockDirectory(fs vfs.FS, database, dir string) (*pebble.Lock, error) {
	if err := fs.MkdirAll(database, 0o700); err != nil {
		return nil, fmt.Errorf("retinue: %w", err)
	}
	lock, err := pebble.LockDirectory(database, fs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", dir, messages.ErrInUse, err)
	}
	return lock, nil
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
		if err := s.db.Set(s.keys.meta(metaStore), id, pebble.Sync); err != nil {
			return err
		}
	}
	if err := writeFile(fs, dir, markName, string(make([]byte, 2*markSize))); err != nil {
		return err
	}
	text := fmt.Sprintf("retinue %d %s\n", Format, hex.EncodeToString(id))
	if err := writeFile(fs, dir, sentinelName, text); err != nil {
		return err
	}
	return fs.Remove(fs.PathJoin(dir, newbornName))
}

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

// load reads the metadata and counts this Open as a new epoch.
func (s *Store) load() error {
	for _, read := range []func() error{
		s.loadFormat, s.loadHeads, s.compareMark, s.compareEntries, s.loadTypes, s.loadFollowers, s.loadBuckets,
	} {
		if err := read(); err != nil {
			return err
		}
	}
	b := s.db.NewBatch()
	s.epoch++
	check(b.Set(s.keys.meta(metaFormat), binary.BigEndian.AppendUint32(nil, Format), nil))
	check(b.Set(s.keys.meta(metaStore), s.id[:], nil))
	check(b.Set(s.keys.meta(metaEpoch), binary.BigEndian.AppendUint32(nil, s.epoch), nil))
	return s.commit(b, true)
}

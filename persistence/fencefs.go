package persistence

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tablePause is how long a table's failed operation waits before Pebble hears
// of it: Pebble retries a flush at once, for ever. tableTries is how many
// failures without a success between them are borne, where waiting for space
// is no reason to go on.
const (
	tablePause = 250 * time.Millisecond
	tableTries = 8
)

// fencedFS is the file system below Pebble. An error on a file that Pebble
// cannot live without - a write-ahead log, a manifest, a marker, a directory -
// never reaches it, because its answer would be to end the process, to unlock
// what it has not locked, or to report success: the fence is tripped, and the
// goroutine that met the error is parked for ever, as is every later one that
// would change the disk. Reads go on. No sync is ever tried twice.
//
// Errors on tables are Pebble's to retry, after a pause; for want of space
// without end, else [tableTries] times. While Pebble opens, which it does not
// give up by itself, that is the limit for both.
type fencedFS struct {
	vfs.FS
	fence *Fence
	// failures of tables since one was written.
	failures atomic.Int32
}

// critical reports whether Pebble does not survive an error on the file.
func (f *fencedFS) critical(name string) bool {
	base := f.PathBase(name)
	return strings.HasSuffix(base, ".log") || strings.HasPrefix(base, "MANIFEST") || strings.HasPrefix(base, "marker.")
}

// guard is the way out of every operation that changes the disk.
func (f *fencedFS) guard(op, name string, critical bool, err error) error {
	armed := f.fence.armed.Load()
	if err != nil && isTable(name) && op != "remove" {
		f.table(op, name, armed, err)
	}
	if !armed {
		return err
	}
	if err != nil && critical {
		f.fence.Trip(fmt.Errorf("%s %s: %w", op, f.PathBase(name), err))
	}
	f.pass()
	return err
}

func isTable(name string) bool { return strings.HasSuffix(name, ".sst") }

// table holds a failure on a table back for a while, or for ever.
func (f *fencedFS) table(op, name string, armed bool, err error) {
	hopeful := armed && vfs.IsNoSpaceError(err) || !armed && !f.fence.embedded
	if f.failures.Add(1) >= tableTries && !hopeful {
		f.fence.Trip(fmt.Errorf("%s %s: %w", op, f.PathBase(name), err))
	}
	select {
	case <-time.After(tablePause):
	case <-f.fence.Tripped():
		select {}
	}
}

// pass parks the goroutine where the fence is tripped.
func (f *fencedFS) pass() {
	if f.fence.armed.Load() && f.fence.Cause() != nil {
		select {}
	}
}

func (f *fencedFS) file(name string, file vfs.File) vfs.File {
	if file == nil {
		return nil
	}
	if strings.HasSuffix(name, ".log") {
		return f.log(name, file)
	}
	return &fencedFile{File: file, fs: f, name: name, critical: f.critical(name)}
}

// order makes a directory durable before a marker names a manifest in it, and
// before a marker goes. Pebble syncs it once, after both: a disk that keeps the
// changes of a directory in no order could keep the marker and lose the
// manifest, or lose both markers.
func (f *fencedFS) order(name string) error {
	dir, err := f.OpenDir(f.PathDir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// marker reports whether the file is a marker, to a file of some kind.
func (f *fencedFS) marker(name, kind string) bool {
	base := f.PathBase(name)
	return strings.HasPrefix(base, "marker.") && strings.Contains(base, kind)
}

func (f *fencedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if fs := f.beyond(name); fs != nil {
		return fs.Create(name, category)
	}
	f.pass()
	if f.marker(name, "MANIFEST") {
		if err := f.order(name); err != nil {
			return nil, err
		}
	}
	file, err := f.FS.Create(name, category)
	if err := f.guard("create", name, f.critical(name), err); err != nil {
		return nil, err
	}
	return f.file(name, file), nil
}

func (f *fencedFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.pass()
	file, err := f.FS.ReuseForWrite(oldname, newname, category)
	if err := f.guard("reuse", newname, f.critical(newname), err); err != nil {
		return nil, err
	}
	return f.file(newname, file), nil
}

func (f *fencedFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if fs := f.beyond(name); fs != nil {
		return fs.OpenReadWrite(name, category, opts...)
	}
	f.pass()
	file, err := f.FS.OpenReadWrite(name, category, opts...)
	if err := f.guard("open", name, f.critical(name), err); err != nil {
		return nil, err
	}
	return f.file(name, file), nil
}

func (f *fencedFS) OpenDir(name string) (vfs.File, error) {
	if fs := f.beyond(name); fs != nil {
		return fs.OpenDir(name)
	}
	file, err := f.FS.OpenDir(name)
	if err := f.guard("open directory", name, true, err); err != nil {
		return nil, err
	}
	return &fencedFile{File: file, fs: f, name: name, critical: true}, nil
}

func (f *fencedFS) Link(oldname, newname string) error {
	if fs := f.beyond(newname); fs != nil {
		return fs.Link(oldname, newname)
	}
	f.pass()
	return f.guard("link", newname, false, f.FS.Link(oldname, newname))
}

func (f *fencedFS) Remove(name string) error {
	if fs := f.beyond(name); fs != nil {
		return fs.Remove(name)
	}
	f.pass()
	if f.marker(name, "") {
		if err := f.order(name); err != nil {
			return err
		}
	}
	return f.guard("remove", name, false, f.FS.Remove(name))
}

func (f *fencedFS) RemoveAll(name string) error {
	if fs := f.beyond(name); fs != nil {
		return fs.RemoveAll(name)
	}
	f.pass()
	return f.guard("remove", name, false, f.FS.RemoveAll(name))
}

func (f *fencedFS) Rename(oldname, newname string) error {
	if fs := f.beyond(newname); fs != nil {
		return fs.Rename(oldname, newname)
	}
	f.pass()
	return f.guard("rename", newname, f.critical(newname), f.FS.Rename(oldname, newname))
}

// Unwrap implements [vfs.FS].
func (f *fencedFS) Unwrap() vfs.FS { return f.FS }

// fencedFile is an open file of a fencedFS.
type fencedFile struct {
	vfs.File
	fs       *fencedFS
	name     string
	critical bool
}

func (f *fencedFile) Write(p []byte) (int, error) {
	f.fs.pass()
	n, err := f.File.Write(p)
	return n, f.guard("write", err)
}

func (f *fencedFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.pass()
	n, err := f.File.WriteAt(p, off)
	return n, f.guard("write", err)
}

// Preallocate may fail: NFS cannot do it, and Pebble does without. Want of
// space is met again by the write.
func (f *fencedFile) Preallocate(offset, length int64) error {
	f.fs.pass()
	return f.File.Preallocate(offset, length)
}

func (f *fencedFile) Sync() error {
	f.fs.pass()
	err := f.guard("sync", f.File.Sync())
	if err == nil && isTable(f.name) {
		f.fs.failures.Store(0)
	}
	return err
}

func (f *fencedFile) SyncTo(length int64) (bool, error) {
	f.fs.pass()
	full, err := f.File.SyncTo(length)
	return full, f.guard("sync", err)
}

func (f *fencedFile) SyncData() error {
	f.fs.pass()
	return f.guard("sync", f.File.SyncData())
}

func (f *fencedFile) Close() error { return f.guard("close", f.File.Close()) }

func (f *fencedFile) guard(op string, err error) error {
	return f.fs.guard(op, f.name, f.critical, err)
}

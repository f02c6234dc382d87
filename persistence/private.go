package persistence

import (
	"errors"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// privateFS makes files and directories that their owner alone may read and
// write. Pebble's files are 0666 less the umask, and a file system of its kind cannot be told.
type privateFS struct{ vfs.FS }

// private wraps a file system that is the operating system's beneath all
// wrappers; others have no permissions.
func private(fs vfs.FS) vfs.FS {
	if vfs.Root(fs) != vfs.Default {
		return fs
	}
	return privateFS{fs}
}

func (f privateFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	return f.file(name, file, err)
}

func (f privateFS) MkdirAll(name string, perm os.FileMode) error {
	return f.FS.MkdirAll(name, perm&0o700)
}

func (f privateFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(oldname, newname, category)
	return f.file(newname, file, err)
}

func (f privateFS) Lock(name string) (io.Closer, error) {
	lock, err := f.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	if err := unshare(name, lock); err != nil {
		return nil, err
	}
	return lock, nil
}

func (f privateFS) file(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	if err := unshare(name, file); err != nil {
		return nil, err
	}
	return file, nil
}

// unshare takes a new file from everybody but its owner. A file system without
// permissions may refuse.
func unshare(name string, file io.Closer) error {
	err := os.Chmod(name, 0o600)
	if err == nil || errors.Is(err, os.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return errors.Join(err, file.Close())
}

// Unwrap implements [vfs.FS].
func (f privateFS) Unwrap() vfs.FS { return f.FS }

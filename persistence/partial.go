package persistence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// A copy of a store is made beside its final name, in NAME.partial, and
// renamed when it is whole. The file RETINUE.partial marks it, is locked while
// the copy is made, and goes last: a directory that has it is no store, and
// once nobody holds the lock it is what a killed process left.
const (
	partialSuffix = ".partial"
	partialName   = "RETINUE.partial"
)

// partial is a directory of a store in the making.
type partial struct {
	fs         vfs.FS
	dir, final string
	lock       io.Closer
	free       func()
}

type partialPlace directoryPlace

// beginPartial makes dir.partial and empties it of what a killed process left.
// Where vacant is set, dir may be an empty directory. Errors:
// [messages.ErrExists], [messages.ErrInUse], or the file system's.
func beginPartial(fs vfs.FS, dir string, vacant bool, log *slog.Logger) (*partial, error) {
	p := &partial{fs: fs, dir: dir + partialSuffix, final: dir}
	if err := p.absent(vacant); err != nil {
		return nil, err
	}
	var err error
	if p.free, err = reserve(partialPlace{vfs.Root(fs), p.dir}, p.dir); err != nil {
		return nil, err
	}
	_, absent := fs.Stat(p.dir)
	if err := p.claim(log); err != nil {
		defer p.free()
		if absent != nil {
			err = errors.Join(err, fs.RemoveAll(p.dir))
		}
		return nil, err
	}
	return p, nil
}

// absent refuses a target that is there.
func (p *partial) absent(vacant bool) error {
	_, err := p.fs.Stat(p.final)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := p.fs.List(p.final)
	if err != nil || len(names) > 0 || !vacant {
		return fmt.Errorf("%s is there already: %w", p.final, messages.ErrExists)
	}
	return nil
}

func (p *partial) claim(log *slog.Logger) error {
	if err := makeDirectory(p.fs, p.dir); err != nil {
		return err
	}
	names, err := p.fs.List(p.dir)
	if err != nil {
		return err
	}
	if slices.Contains(names, sentinelName) && !isPartial(p.fs, p.dir) {
		return fmt.Errorf("%s is a store: a copy that lacks nothing but its name, or another one; rename it, or remove it: %w", p.dir, messages.ErrExists)
	}
	if len(names) > 0 && !isPartial(p.fs, p.dir) {
		return fmt.Errorf("%s holds %q and no %s: %w", p.dir, names[0], partialName, messages.ErrExists)
	}
	p.lock, err = p.fs.Lock(p.fs.PathJoin(p.dir, partialName))
	if err != nil {
		return fmt.Errorf("%s is being written: %w: %w", p.dir, messages.ErrInUse, err)
	}
	if err := syncDirectory(p.fs, p.dir); err != nil { // no file of the copy outlives its mark
		return errors.Join(err, p.lock.Close())
	}
	if len(names) > 0 && log != nil {
		log.Info("removing what an interrupted copy left", slog.String("directory", p.dir))
	}
	for _, name := range names {
		if name == partialName {
			continue
		}
		if err := p.fs.RemoveAll(p.fs.PathJoin(p.dir, name)); err != nil {
			return errors.Join(err, p.lock.Close())
		}
	}
	return nil
}

// isPartial reports whether a directory is a copy that was not finished.
func isPartial(fs vfs.FS, dir string) bool {
	_, err := fs.Stat(fs.PathJoin(dir, partialName))
	return err == nil
}

// finish gives the directory its final name, durably.
func (p *partial) finish() error {
	defer p.free()
	if err := p.publish(); err != nil {
		return errors.Join(err, p.fs.RemoveAll(p.dir))
	}
	if err := syncDirectory(p.fs, p.fs.PathDir(p.final)); err != nil {
		return errors.Join(err, p.fs.RemoveAll(p.final))
	}
	return nil
}

func (p *partial) publish() error {
	if err := p.lock.Close(); err != nil {
		return err
	}
	if err := p.fs.Remove(p.fs.PathJoin(p.dir, partialName)); err != nil {
		return err
	}
	if err := syncDirectory(p.fs, p.dir); err != nil {
		return err
	}
	if err := p.absent(true); err != nil { // somebody was faster
		return err
	}
	if err := p.fs.Remove(p.final); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return p.fs.Rename(p.dir, p.final)
}

// discard removes the directory.
func (p *partial) discard() error {
	defer p.free()
	return errors.Join(p.lock.Close(), p.fs.RemoveAll(p.dir))
}

// database is where the copy's Pebble lies.
func (p *partial) database() string { return p.fs.PathJoin(p.dir, databaseName) }

// sign makes the copy a store of an id, whose log has come to heads at least.
func (p *partial) sign(id StoreID, heads Heads) error {
	if err := writeFile(p.fs, p.dir, markName, firstMark(id, heads)); err != nil {
		return err
	}
	return writeFile(p.fs, p.dir, sentinelName, sentinelText(id))
}

// verify reads the whole copy, and returns what it holds.
func (p *partial) verify(ctx context.Context, profile Profile) (opened Opened, err error) {
	s, err := Open(Config{Dir: p.dir, FS: p.fs, Profile: profile, ReadOnly: true, partial: true})
	if err != nil {
		return Opened{}, err
	}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	report, err := s.Verify(ctx)
	return s.Opened(), errors.Join(err, report.Err())
}

// copyFrom copies the files of a closed database.
func (p *partial) copyFrom(ctx context.Context, database string) error {
	fs := interruptibleFS{FS: p.fs, ctx: ctx}
	if err := fs.MkdirAll(p.database(), 0o700); err != nil {
		return err
	}
	names, err := fs.List(database)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == "LOCK" {
			continue
		}
		if err := vfs.Copy(fs, fs.PathJoin(database, name), fs.PathJoin(p.database(), name)); err != nil {
			return err
		}
	}
	return syncDirectory(fs, p.database())
}

// interruptibleFS refuses to make and to write files once ctx has ended.
type interruptibleFS struct {
	vfs.FS
	ctx context.Context
}

func (f interruptibleFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return interruptibleFile{file, f.ctx}, nil
}

func (f interruptibleFS) Link(oldname, newname string) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	return f.FS.Link(oldname, newname)
}

// Unwrap implements [vfs.FS].
func (f interruptibleFS) Unwrap() vfs.FS { return f.FS }

type interruptibleFile struct {
	vfs.File
	ctx context.Context
}

func (f interruptibleFile) Write(b []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.File.Write(b)
}

// full makes a [messages.ErrNoSpace] of a disk that is full.
func full(err error) error {
	if err == nil || !vfs.IsNoSpaceError(err) {
		return err
	}
	return fmt.Errorf("%w: %w", messages.ErrNoSpace, err)
}

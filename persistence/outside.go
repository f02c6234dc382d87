package persistence

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// outside is a directory that Pebble writes a checkpoint to and that is none
// of the database's: what fails there does not fail the store. Of a directory
// that cannot be synced Pebble must not hear: it would panic.
type outside struct {
	ctx  context.Context
	dir  string
	mu   sync.Mutex
	lost error // the first failure that was kept from Pebble
}

// checkpoint has Pebble make the copy. It cannot be told to stop, but its
// files can.
func (s *Store) checkpoint(ctx context.Context, p *partial) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := &outside{ctx: ctx, dir: p.dir}
	s.fence.outside.Store(o)
	defer s.fence.outside.Store(nil)
	checkpoint := func() error { return s.db.Checkpoint(p.database()) }
	if err := errors.Join(s.fence.await(checkpoint), o.failure()); err != nil || !p.lacksManifest() {
		return err
	}
	if err := p.fs.RemoveAll(p.database()); err != nil {
		return err
	}
	if err := s.fence.await(func() error { return s.flush(ctx) }); err != nil {
		return err
	}
	return errors.Join(s.fence.await(checkpoint), o.failure())
}

// lacksManifest reports whether the copy's manifest is empty. Pebble opens a
// database on the manifest that it finds, and begins one of its own with the
// first flush; until then, which is in Open unless there was nothing to replay,
// a checkpoint copies nothing of the old one.
func (p *partial) lacksManifest() bool {
	names, _ := p.fs.List(p.database())
	for _, name := range names {
		info, err := p.fs.Stat(p.fs.PathJoin(p.database(), name))
		if err == nil && strings.HasPrefix(name, "MANIFEST") && info.Size() > 0 {
			return false
		}
	}
	return true
}

// flush waits until what is in memory is in tables, or for ctx's end.
func (s *Store) flush(ctx context.Context) error {
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *outside) keep(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lost == nil {
		o.lost = err
	}
}

func (o *outside) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

// beyond returns the file system of a name that is outside the fence, nil for
// one inside.
func (f *fencedFS) beyond(name string) vfs.FS {
	o := f.fence.outside.Load()
	if o == nil || !strings.HasPrefix(name, o.dir) {
		return nil
	}
	return outsideFS{interruptibleFS{f.FS, o.ctx}, o}
}

type outsideFS struct {
	interruptibleFS
	outside *outside
}

func (f outsideFS) OpenDir(name string) (vfs.File, error) {
	dir, err := f.interruptibleFS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return outsideDirectory{dir, f.outside}, nil
}

type outsideDirectory struct {
	vfs.File
	outside *outside
}

func (d outsideDirectory) Sync() error {
	if err := d.File.Sync(); err != nil {
		d.outside.keep(err)
	}
	return nil
}

package workloads

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/messages"
)

// A template is the directory of a closed store that runs start from. A run
// works on a clone: its tables are hard links, because Pebble never changes
// them, and everything else is copied.

// clone makes a copy of the store in from below to, which exists.
func clone(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case filepath.Ext(name) == ".sst":
			return os.Link(path, target)
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// fillRetinue makes a store of n entries in c.Dir and closes it twice, so that
// all of it lies in tables.
func fillRetinue(ctx context.Context, c engines.Config, n int, pick func(*engines.Retinue, int) messages.Event) error {
	r, err := engines.OpenRetinue(c)
	if err != nil {
		return err
	}
	err = r.Fill(ctx, n, func(i int) messages.Event { return pick(r, i) })
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	if r, err = engines.OpenRetinue(c); err != nil {
		return err
	}
	settle(ctx, c.Dir, n)
	return r.Close()
}

// settle waits until Pebble has left the tables below dir alone for a second,
// a minute at most, so that no run pays for the compactions of its template.
// A short log has none.
func settle(ctx context.Context, dir string, entries int) {
	if entries < 500_000 {
		return
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last []string
	for quiet, ticks := 0, 0; quiet < 10 && ticks < 600; ticks++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := tables(dir)
		if quiet++; !slices.Equal(now, last) {
			quiet, last = 0, now
		}
	}
}

func tables(dir string) []string {
	var names []string
	// Files come and go while we look: what cannot be read is not there.
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".sst" {
			names = append(names, path)
		}
		return nil
	})
	return names
}

// fillPebble does the same with raw Pebble.
func fillPebble(ctx context.Context, c engines.Config, n int) error {
	db, err := engines.OpenPebble(c)
	if err != nil {
		return err
	}
	err = db.Fill(ctx, n)
	if err == nil {
		err = db.DB.Flush()
	}
	settle(ctx, c.Dir, n)
	return errors.Join(err, db.Close())
}

// inBytes are the persistent events of the config.
func inBytes(r *engines.Retinue, i int) messages.Event { return r.Pick(i) }

// inJSON are persistent events for typed reactions, of size bytes.
func inJSON(size int) func(*engines.Retinue, int) messages.Event {
	payment := engines.NewPayment(size)
	return func(*engines.Retinue, int) messages.Event { return payment }
}

// mixed are persistent and trimmable events in turn.
func mixed(r *engines.Retinue, i int) messages.Event {
	e := r.Pick(i)
	if i%2 == 1 {
		return engines.Scrap(e.(engines.Event))
	}
	return e
}

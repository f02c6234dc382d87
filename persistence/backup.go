package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/retinue-go/retinue/messages"
)

// Backup copies the store into a directory that is not there yet, while the
// store is in use: everything up to heads, which are durable, and whole
// batches after that. The copy is verified before it gets its name. Tables
// are hard links where the file system allows.
//
// Errors: [messages.InvalidError] in a shared database and for a directory
// within the store's, [messages.ErrExists],
// [messages.ErrInUse] while another backup is being made,
// [messages.ErrNoSpace], [messages.CorruptError] and [messages.DamagedError]
// where the copy does not verify, [messages.FailedError],
// [messages.ErrClosed], ctx's error, or the file system's. After an error
// nothing is there.
func (s *Store) Backup(ctx context.Context, dir string, heads Heads, log *slog.Logger) error {
	if s.place == nil {
		return messages.Invalid("backup", "the database is the program's own: make a checkpoint of it, which takes along every store in it")
	}
	if err := s.use(); err != nil {
		return err
	}
	defer s.users.Done()
	if !s.copying.TryLock() {
		return fmt.Errorf("retinue: backup to %s: another is being made: %w", dir, messages.ErrInUse)
	}
	defer s.copying.Unlock()
	err := s.backup(ctx, dir, heads, log)
	if err != nil {
		return fmt.Errorf("retinue: backup to %s: %w", dir, full(err))
	}
	return nil
}

func (s *Store) backup(ctx context.Context, dir string, heads Heads, log *slog.Logger) error {
	if dir == "" {
		return messages.Invalid("backup", "no directory")
	}
	if err := s.place.outside(dir); err != nil {
		return err
	}
	p, err := beginPartial(s.place.fs, s.place.fs.PathJoin(dir), false, log)
	if err != nil {
		return err
	}
	if err := s.fill(ctx, p, heads); err != nil {
		return errors.Join(err, p.discard())
	}
	return p.finish()
}

// outside refuses a copy of a store in the directory of the store itself.
func (d *directory) outside(target string) error {
	if _, err := d.fs.Stat(target); err == nil || !d.holds(target) { // what is there is refused by a better name
		return nil
	}
	return messages.Invalid("target", "%s lies in %s, which is the store's own directory", target, d.dir)
}

// fill copies the store and verifies the copy.
func (s *Store) fill(ctx context.Context, p *partial, heads Heads) error {
	copied := s.checkpoint
	if s.readOnly {
		copied = func(ctx context.Context, p *partial) error { return p.copyFrom(ctx, s.place.database()) }
	}
	if err := copied(ctx, p); err != nil {
		return err
	}
	if err := p.sign(s.id, heads); err != nil {
		return err
	}
	opened, err := p.verify(ctx, Small)
	if err != nil {
		return err
	}
	return p.sign(s.id, opened.Heads)
}

// Restore makes a store in to.Dir out of a backup, or of any closed store, in
// from.Dir. It copies every byte, gives the copy a store id of its own, and
// verifies it before it gets its name.
//
// Errors: those of Open for the backup; [messages.InvalidError] where to.Dir
// lies in it; [messages.ErrExists] where to.Dir is not empty;
// [messages.ErrInUse], [messages.ErrNoSpace], ctx's error, or the file
// system's. After an error nothing is there.
func Restore(ctx context.Context, from, to Config) error {
	from.ReadOnly = true
	s, err := Open(from)
	if err != nil {
		return err
	}
	err = s.restore(ctx, to)
	if closing := s.Close(context.WithoutCancel(ctx)); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("retinue: restore to %s: %w", to.Dir, full(err))
	}
	return nil
}

func (s *Store) restore(ctx context.Context, to Config) error {
	if err := s.place.outside(to.Dir); err != nil {
		return err
	}
	p, err := beginPartial(s.place.fs, s.place.fs.PathJoin(to.Dir), true, to.Logger)
	if err != nil {
		return err
	}
	if err := s.refill(ctx, p, to.Profile); err != nil {
		return errors.Join(err, p.discard())
	}
	return p.finish()
}

func (s *Store) refill(ctx context.Context, p *partial, profile Profile) error {
	if err := p.copyFrom(ctx, s.place.database()); err != nil {
		return err
	}
	if err := p.sign(s.id, s.opened.Heads); err != nil {
		return err
	}
	id, err := p.rename(ctx, profile)
	if err != nil {
		return err
	}
	if err := p.sign(id, s.opened.Heads); err != nil {
		return err
	}
	_, err = p.verify(ctx, profile)
	return err
}

// rename gives the copy a store id of its own.
func (p *partial) rename(ctx context.Context, profile Profile) (StoreID, error) {
	s, err := Open(Config{Dir: p.dir, FS: p.fs, Profile: profile, partial: true, rename: true})
	if err != nil {
		return StoreID{}, err
	}
	return s.id, s.Close(context.WithoutCancel(ctx))
}

package retinue

import (
	"context"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Backup copies the store into dir, which must not exist, while the bus works
// on. Everything that was appended before the call is in the backup, and every
// batch after it is there whole or not at all: events, reactions and cursors
// agree. The copy is made in dir.partial, synced, verified like [Verify], and
// only then gets its name. dir lies in the file system of the store; where it
// is on the same disk, tables are hard links, which cost nothing and protect
// from nothing that happens to the disk: copy the backup away.
//
// A backup is a store: it can be opened with [Options.ReadOnly], exported, and
// restored any number of times. It keeps the store's id. On a bus that was
// opened with ReadOnly, Backup copies the files instead.
//
// Errors: [messages.InvalidError] in a shared database, whose checkpoint is
// the program's to make, and for a dir within the store's directory;
// [messages.ErrExists]; [messages.ErrInUse] while
// another backup is being made; [messages.ErrNoSpace];
// [messages.CorruptError] or [messages.DamagedError] where the copy does not
// verify; [messages.ErrReentrant], [messages.ErrClosed],
// [messages.FailedError], ctx's error, or the file system's. After an error
// there is no dir. What a killed process left in dir.partial, the next Backup
// removes.
func (b *Bus) Backup(ctx context.Context, dir string) error { return b.engine.Backup(ctx, dir) }

// Restore makes a store in dir out of a backup, or of any closed store. dir
// must not exist, or be empty. Every byte is copied; the copy gets a store id
// of its own, is verified, and only then gets its name. Followers go on from
// their cursors. opts may be nil; of it, FS, Profile and Logger count.
//
// Errors: those of Open for the backup; [messages.InvalidError] for a dir
// within it; [messages.ErrExists];
// [messages.ErrInUse] where another Restore writes to dir;
// [messages.ErrNoSpace]; [messages.CorruptError] or [messages.DamagedError]
// where the copy does not verify; ctx's error, or the file system's. After an
// error there is nothing in dir.
func Restore(ctx context.Context, backup, dir string, opts *Options) error {
	from, err := embedded(backup, opts)
	if err != nil {
		return err
	}
	to, err := embedded(dir, opts)
	if err != nil {
		return err
	}
	return persistence.Restore(ctx, from, to)
}

// embedded is what persistence needs to know of a store with a directory.
func embedded(dir string, opts *Options) (persistence.Config, error) {
	if opts == nil {
		opts = &Options{}
	}
	if opts.DB != nil {
		return persistence.Config{}, messages.Invalid("options", "a restore needs a directory, not a DB")
	}
	o, err := opts.check(dir)
	return o.store(dir), err
}

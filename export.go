package retinue

import (
	"context"
	"io"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// ExportOptions say what an export carries beside the entries.
type ExportOptions = persistence.ExportOptions

// ExportReport is what an export carries, and what stayed behind.
type ExportReport = persistence.ExportReport

// ImportOptions say what an import takes.
type ImportOptions = persistence.ImportOptions

// ImportReport is what an import brought.
type ImportReport = persistence.ImportReport

// Progress of an export or an import.
type Progress = persistence.Progress

// Export writes both logs as lines of JSON, of one moment, while the bus works
// on: a header, each entry once in the order of the trimmable log - ids,
// times, metadata and the bytes of the payload as they are -, cursors if they
// are asked for, and a trailer by which a file that is cut short or changed is
// noticed. The form of an entry is that of [messages.Entry.MarshalJSON].
// Keys of followers and of the application, parked entries and idempotency
// keys do not travel: the report counts them, and a backup has them.
//
// Errors: what w said; [messages.ErrNoSpace]; [messages.CorruptError],
// [messages.ErrReentrant], [messages.ErrClosed], [messages.FailedError], or
// ctx's error.
func (b *Bus) Export(ctx context.Context, w io.Writer, o ExportOptions) (ExportReport, error) {
	return b.engine.Export(ctx, w, o)
}

// Import makes a store, in dir or in [Options.DB], out of what Export wrote.
// The store must be new or empty, and has an id of its own; ids, times and
// order of the entries stay. opts may be nil.
//
// Lines are committed in batches. A line that cannot be imported is
// [messages.ImportError]; what came before it is there, and the same call with
// the repaired file goes on behind it, as it does after a crash. Until the last
// line is in, the store opens for no one else:
// [messages.ErrUnfinishedImport].
//
// Errors: [messages.ImportError]; those of Open; [messages.ErrExists] for a
// store that is not empty; [messages.ErrUnfinishedImport] for one that another
// export is being imported into; [messages.ErrNoSpace];
// [messages.FailedError]; ctx's error, or what r said.
func Import(ctx context.Context, dir string, r io.Reader, opts *Options, o ImportOptions) (ImportReport, error) {
	if opts == nil {
		opts = &Options{}
	}
	if opts.ReadOnly {
		return ImportReport{}, messages.ErrReadOnly
	}
	checked, err := opts.check(dir)
	if err != nil {
		return ImportReport{}, err
	}
	return persistence.Import(ctx, checked.store(dir), r, o)
}

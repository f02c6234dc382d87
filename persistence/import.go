package persistence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// ImportOptions say what an import takes.
type ImportOptions struct {
	// Cursors takes over where the followers stood, if the export tells.
	Cursors bool
	// Progress, if not nil, is called on the caller's goroutine about once a
	// megabyte, and at the end.
	Progress func(Progress)
}

// ImportReport is what an import brought.
type ImportReport struct {
	// From is the store that was exported, Store the one that was made.
	From  StoreID `json:"from"`
	Store StoreID `json:"store"`
	// Entries in the store, of which Resumed came with an earlier call.
	Entries uint64 `json:"entries"`
	Resumed uint64 `json:"resumed"`
	// Cursors that were taken over.
	Cursors uint64 `json:"cursors"`
}

// Import makes a store out of what [Export.Write] wrote. The store must be new
// or empty. Lines are committed in batches; until the last line is in, the
// store does not open ([messages.ErrUnfinishedImport]), and the same call goes
// on behind what is there.
//
// Errors: [messages.ImportError], those of Open, [messages.ErrExists] for a
// store that is not empty, [messages.ErrUnfinishedImport] for one that another
// export is being imported into, [messages.ErrNoSpace],
// [messages.FailedError], ctx's error, or what r said.
func Import(ctx context.Context, c Config, r io.Reader, o ImportOptions) (ImportReport, error) {
	in := &importer{ctx: ctx, options: o, lines: newLineReader(r), body: sha256.New()}
	if err := in.readHeader(); err != nil {
		return in.report, err
	}
	c.importing = true
	s, err := Open(c)
	if err != nil {
		return in.report, full(err)
	}
	in.store, in.batch = s, s.NewBatch()
	in.report.Store = s.id
	err = in.run()
	if closing := s.Close(context.WithoutCancel(ctx)); err == nil {
		err = closing
	}
	return in.report, full(err)
}

// importer is an import under way.
//
// Invariant: what was committed is the first state.entries lines behind the
// header, with the heads that they come to.
type importer struct {
	ctx     context.Context
	options ImportOptions
	lines   *lineReader
	store   *Store
	batch   *Batch
	body    hash.Hash
	header  header
	digest  [sha256.Size]byte // of the header
	state   importState
	heads   Heads
	pending []Placed
	bytes   int // of the lines in pending
	// unsynced batches were committed since the last sync.
	unsynced int
	cursors  []cursorLine
	names    map[string]bool
	report   ImportReport
}

// importState is the record of an import that is not finished.
//
//	M import -> digest of the header bytes, entries uvarint, digest of their lines bytes
type importState struct {
	header, body [sha256.Size]byte
	entries      uint64
}

func (s *importState) encode() []byte {
	return appendBytes(binary.AppendUvarint(appendBytes(nil, s.header[:]), s.entries), s.body[:])
}

func decodeImportState(b []byte) (s importState, err error) {
	f := fields{what: "import", rest: b}
	head := f.bytes()
	s.entries = f.uvarint()
	body := f.bytes()
	f.bad = f.bad || len(head) != len(s.header) || len(body) != len(s.body)
	copy(s.header[:], head)
	copy(s.body[:], body)
	return s, f.end()
}

// fault says which line is at fault.
func (in *importer) fault(err error) error {
	return &messages.ImportError{Line: in.lines.n, Cause: err}
}

func (in *importer) wrong(format string, args ...any) error {
	return in.fault(fmt.Errorf(format, args...))
}

func (in *importer) readHeader() error {
	line, err := in.lines.next()
	if err != nil {
		return in.unread(err)
	}
	h := &in.header
	if err := strictly(line, h); err != nil {
		return in.wrong("it is no header of an export: %w", err)
	}
	in.digest = sha256.Sum256(line)
	id, err := hex.DecodeString(h.Store)
	switch {
	case h.Format > exportFormat:
		return in.wrong("export of format %d, this release knows %d: %w", h.Format, exportFormat, messages.ErrNewerFormat)
	case h.Format != exportFormat:
		return in.wrong("it is no header of an export: format %d", h.Format)
	case err != nil || len(id) != len(in.report.From):
		return in.wrong("store id %q", h.Store)
	case h.Permanent < 1 || h.Horizon < 1 || h.Horizon > h.Trimmable || uint64(h.Trimmable) < uint64(h.Permanent):
		return in.wrong("heads %v and %v, horizon %v", h.Permanent, h.Trimmable, h.Horizon)
	case !fitsNanoseconds(h.Ordered) || h.Offset < 0:
		return in.wrong("ordering time %v, offset %v", h.Ordered, h.Offset)
	}
	copy(in.report.From[:], id)
	return nil
}

// unread makes an error of a line that could not be read.
func (in *importer) unread(err error) error {
	if errors.Is(err, io.EOF) {
		in.lines.n++
		return in.wrong("the export is cut short: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("retinue: import: behind line %d: %w", in.lines.n, err)
}

// fitsNanoseconds reports whether a time can be an ordering time.
func fitsNanoseconds(t time.Time) bool {
	return t.Unix() >= 0 && t.Unix() < 1<<63/1_000_000_000
}

func (in *importer) run() error {
	if err := in.resume(); err != nil {
		return err
	}
	for {
		line, err := in.lines.next()
		if err != nil {
			return in.keep(in.unread(err))
		}
		if bytes.HasPrefix(line, trailerStart) {
			return in.finish(line)
		}
		if err := in.take(line); err != nil {
			return in.keep(err)
		}
	}
}

// keep commits what came before a line that is at fault.
func (in *importer) keep(err error) error {
	if errors.Is(err, messages.ErrFailed) {
		return err
	}
	return errors.Join(err, in.flush())
}

// resume claims an empty store, or passes over the lines that it has.
func (in *importer) resume() error {
	in.heads = in.store.opened.Heads
	b, err := get(in.store.db, in.store.keys.meta(metaImport))
	if err != nil {
		return err
	}
	if b == nil {
		return in.begin()
	}
	if in.state, err = decodeImportState(b); err != nil {
		return err
	}
	if in.state.header != in.digest {
		return fmt.Errorf("retinue: of another export than that of store %v: %w", in.report.From, messages.ErrUnfinishedImport)
	}
	for range in.state.entries {
		if err := in.ctx.Err(); err != nil {
			return err
		}
		line, err := in.lines.next()
		if err != nil {
			return in.unread(err)
		}
		in.body.Write(line)
	}
	if [sha256.Size]byte(in.body.Sum(nil)) != in.state.body {
		return in.wrong("the %d lines that were imported before were others: %w", in.state.entries, messages.ErrUnfinishedImport)
	}
	in.report.Entries, in.report.Resumed = in.state.entries, in.state.entries
	return nil
}

// begin writes the record of an unfinished import into an empty store.
func (in *importer) begin() error {
	if empty, err := in.store.empty(); err != nil {
		return err
	} else if !empty {
		return fmt.Errorf("retinue: the store is not empty: %w", messages.ErrExists)
	}
	in.state = importState{header: in.digest, body: [sha256.Size]byte(in.body.Sum(nil))}
	in.batch.set(in.store.keys.meta(metaImport), in.state.encode())
	return in.batch.Commit(true)
}

// empty reports whether nothing was ever written into the store.
func (s *Store) empty() (bool, error) {
	o := s.opened
	if o.Heads != (Heads{Event: 1, Trimmable: 1}) || o.Horizon != 1 || o.NextFollower != 1 || s.types.len() > 0 {
		return false, nil
	}
	found := false
	for _, space := range []byte{spaceApplication, spaceKey, spaceStaged} {
		lower, upper := s.keys.bounds(space)
		if err := s.walk(lower, upper, func(_, _ []byte) (bool, error) {
			found = true
			return false, nil
		}); err != nil {
			return false, err
		}
	}
	return !found, nil
}

// flush commits what was placed, with how far it comes.
func (in *importer) flush() error {
	if len(in.pending) == 0 {
		return nil
	}
	in.state.entries = in.report.Entries
	in.body.Sum(in.state.body[:0])
	in.batch.Place(in.pending)
	in.batch.SetHeads(in.heads)
	in.batch.set(in.store.keys.meta(metaImport), in.state.encode())
	in.pending, in.bytes = in.pending[:0], 0
	in.unsynced++
	sync := in.unsynced == syncEvery
	if err := in.batch.Commit(sync); err != nil {
		return err
	}
	if sync {
		in.unsynced = 0
		in.store.Durable(in.heads)
	}
	in.tell()
	return in.ctx.Err()
}

// syncEvery is how many batches a power cut may take back from an import.
const syncEvery = 32

func (in *importer) tell() {
	if in.options.Progress != nil {
		in.options.Progress(Progress{Bytes: in.lines.bytes, Entries: in.report.Entries, Total: in.header.Entries})
	}
}

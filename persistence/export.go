package persistence

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

// ExportOptions say what an export carries beside the entries.
type ExportOptions struct {
	// Cursors takes along where the followers stand, and whether they are
	// paused or parked. Their keys and parked entries do not travel.
	Cursors bool
	// Progress, if not nil, is called on the caller's goroutine about once a
	// megabyte, and at the end.
	Progress func(Progress)
}

// ExportReport is what an export carries, and what stayed behind.
type ExportReport struct {
	// Entries and Cursors are lines, Bytes those of all lines.
	Entries uint64 `json:"entries"`
	Cursors uint64 `json:"cursors"`
	Bytes   int64  `json:"bytes"`
	// What only a backup carries: entries that followers set aside, keys of the
	// followers and of the application, idempotency keys, and Stage calls that
	// are not ordered.
	Parked          uint64 `json:"parked"`
	FollowerKeys    uint64 `json:"follower_keys"`
	ApplicationKeys uint64 `json:"application_keys"`
	IdempotencyKeys uint64 `json:"idempotency_keys"`
	Staged          uint64 `json:"staged"`
}

// Export is one view of the store, to be written. It pins space until it is
// closed.
type Export struct {
	store   *Store
	snap    *pebble.Snapshot
	heads   Heads
	horizon messages.TrimmableID
	// begun is the first permanent id at or above the horizon.
	begun messages.EventID
}

// NewExport takes a view of now, of which what is not durable yet must be
// made so before it is written. Errors: [messages.ErrClosed],
// [messages.CorruptError].
func (s *Store) NewExport() (*Export, error) {
	if err := s.use(); err != nil {
		return nil, err
	}
	x := &Export{store: s, snap: s.db.NewSnapshot()}
	if err := x.load(); err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

// Close lets go of the view.
func (x *Export) Close() {
	_ = x.snap.Close() // it says nothing
	x.store.users.Done()
}

func (x *Export) load() error {
	x.heads, x.horizon = Heads{Event: 1, Trimmable: 1}, 1
	b, err := get(x.snap, x.store.keys.meta(metaHeads))
	if b != nil && err == nil {
		x.heads, err = decodeHeads(b)
	}
	if err != nil {
		return err
	}
	if b, err = get(x.snap, x.store.keys.meta(metaHorizon)); len(b) == 8 {
		x.horizon = messages.TrimmableID(binary.BigEndian.Uint64(b))
	}
	if err != nil {
		return err
	}
	s, err := x.scan(spacePermanent)
	if err != nil {
		return err
	}
	x.begun, err = s.findTrimmable(x.horizon, 0, uint64(x.heads.Event))
	return closing(s.it, err)
}

func (x *Export) scan(space byte) (*scan, error) {
	lower, upper := x.store.keys.bounds(space)
	it, err := x.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	return &scan{it: it, keys: x.store.keys, space: space, taken: true}, nil
}

// entries is how many there are: the permanent ones, and what of the
// trimmable log is not one of them.
func (x *Export) entries() uint64 {
	return uint64(x.heads.Event-1) + uint64(x.heads.Trimmable-x.horizon) - uint64(x.heads.Event-x.begun)
}

// Write writes the lines of the export. Errors: what w said,
// [messages.ErrNoSpace], [messages.CorruptError], ctx's error.
func (x *Export) Write(ctx context.Context, w io.Writer, o ExportOptions) (ExportReport, error) {
	l := &lineWriter{ctx: ctx, w: bufio.NewWriterSize(w, 1<<18), body: sha256.New(), progress: o.Progress, total: x.entries()}
	var cursors []cursorLine
	var err error
	if o.Cursors {
		if cursors, err = x.cursors(); err != nil {
			return l.report, err
		}
	}
	for _, part := range []func() error{
		func() error { return l.header(x, uint64(len(cursors))) },
		func() error { return x.writeEntries(l) },
		func() error { return l.cursors(cursors) },
		l.trailer,
		func() error { return x.leftOut(ctx, &l.report) },
	} {
		if err := part(); err != nil {
			return l.report, fmt.Errorf("retinue: export: %w", full(err))
		}
	}
	return l.report, nil
}

// writeEntries merges the two spaces by trimmable id, and asserts that
// nothing is missing.
func (x *Export) writeEntries(l *lineWriter) (err error) {
	var scans [2]*scan
	for i, space := range []byte{spacePermanent, spaceTrimmable} {
		if scans[i], err = x.scan(space); err != nil {
			return err
		}
		defer func() { err = closing(scans[i].it, err) }()
	}
	var e messages.Entry
	event, next := messages.EventID(1), x.horizon
	for {
		s, err := earliest(scans)
		if err != nil {
			return err
		}
		if s == nil {
			return x.complete(event, next)
		}
		at := s.key
		if at.id != 0 && at.id != event || at.tid >= x.horizon && at.tid != next {
			return messages.Corrupt("log", "entry %v/%v follows %v/%v", at.id, at.tid, event-1, next-1)
		}
		if at.id != 0 {
			event++
		}
		if at.tid >= x.horizon {
			next++
		}
		value, err := s.it.ValueAndErr()
		if err != nil {
			return broken(err)
		}
		log := messages.Permanent
		if at.id == 0 {
			log = messages.TrimmableLog
		}
		if err := decodeEntry(&e, log, at, value, &x.store.types); err != nil {
			return err
		}
		if err := l.entry(&e); err != nil {
			return err
		}
		s.taken = true
	}
}

// complete asserts that the logs end at their heads.
func (x *Export) complete(event messages.EventID, next messages.TrimmableID) error {
	if event != x.heads.Event || next != x.heads.Trimmable {
		return messages.Corrupt("log", "it ends at %v/%v, the heads are %v/%v", event, next, x.heads.Event, x.heads.Trimmable)
	}
	return nil
}

// earliest returns the scan whose entry comes first in the trimmable log, nil
// at the end.
func earliest(scans [2]*scan) (first *scan, err error) {
	for _, s := range scans {
		if s.taken {
			if err := s.advance(false); err != nil {
				return nil, err
			}
		}
		if s.valid && (first == nil || s.key.tid < first.key.tid) {
			first = s
		}
	}
	return first, nil
}

func (x *Export) cursors() ([]cursorLine, error) {
	controls := map[uint32]Control{}
	err := x.walk(spaceControl, func(number uint32, value []byte) (err error) {
		controls[number], err = decodeControl(value)
		return err
	})
	if err != nil {
		return nil, err
	}
	var lines []cursorLine
	return lines, x.walk(spaceCursor, func(number uint32, value []byte) error {
		c, err := decodeCursor(number, value)
		line := cursorLine{
			Follower: c.Name, Log: c.Log, Next: c.Next, Started: c.Started, Attempts: c.Attempts,
			Handled: c.Handled, Skipped: c.Skipped, Parked: c.Parked, Missed: c.Missed,
		}
		if q, ok := controls[number]; ok {
			line.Control = &controlLine{q.Paused, q.Parked, q.Why, q.Since}
		}
		lines = append(lines, line)
		return err
	})
}

// walk visits the keys of a space that is indexed by a follower's number.
func (x *Export) walk(space byte, visit func(number uint32, value []byte) error) error {
	lower, upper := x.store.keys.bounds(space)
	it, err := x.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	for more := it.First(); more && err == nil; more = it.Next() {
		var number uint32
		if number, _, err = x.store.keys.parseNumber(it.Key(), 0); err != nil {
			break
		}
		err = visit(number, it.Value())
	}
	return closing(it, err)
}

// leftOut counts what does not travel.
func (x *Export) leftOut(ctx context.Context, r *ExportReport) error {
	for _, part := range []struct {
		space byte
		count *uint64
	}{
		{spaceParked, &r.Parked}, {spaceState, &r.FollowerKeys}, {spaceApplication, &r.ApplicationKeys},
		{spaceKey, &r.IdempotencyKeys}, {spaceStaged, &r.Staged},
	} {
		lower, upper := x.store.keys.bounds(part.space)
		it, err := x.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			return err
		}
		for more := it.First(); more; more = it.Next() {
			if *part.count++; *part.count%4096 == 0 && ctx.Err() != nil {
				return closing(it, ctx.Err())
			}
		}
		if err := closing(it, nil); err != nil {
			return err
		}
	}
	return nil
}

// lineWriter writes lines, and sums up those of the body.
type lineWriter struct {
	ctx      context.Context
	w        *bufio.Writer
	body     hash.Hash
	report   ExportReport
	total    uint64
	progress func(Progress)
	told     int64 // bytes at the last report of progress
	buf      []byte
}

func (l *lineWriter) line(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	return line, l.write(line)
}

func (l *lineWriter) write(line []byte) error {
	l.report.Bytes += int64(len(line))
	_, err := l.w.Write(line)
	return err
}

func (l *lineWriter) header(x *Export, cursors uint64) error {
	_, err := l.line(header{
		Format: exportFormat, Store: x.store.id.String(),
		Permanent: x.heads.Event, Trimmable: x.heads.Trimmable, Horizon: x.horizon,
		Ordered: orderedTime(x.heads.Ordered), Offset: x.heads.Offset, Entries: l.total, Cursors: cursors,
	})
	return err
}

func (l *lineWriter) entry(e *messages.Entry) error {
	var err error
	if l.buf, err = e.AppendJSON(l.buf[:0]); err != nil {
		return err
	}
	l.buf = append(l.buf, '\n')
	if err := l.write(l.buf); err != nil {
		return err
	}
	l.body.Write(l.buf)
	l.report.Entries++
	if l.report.Bytes-l.told < reportEvery {
		return nil
	}
	l.tell()
	return l.ctx.Err()
}

func (l *lineWriter) tell() {
	l.told = l.report.Bytes
	if l.progress != nil {
		l.progress(Progress{Bytes: l.report.Bytes, Entries: l.report.Entries, Total: l.total})
	}
}

func (l *lineWriter) cursors(lines []cursorLine) error {
	for i := range lines {
		line, err := l.line(&lines[i])
		if err != nil {
			return err
		}
		l.body.Write(line)
		l.report.Cursors++
	}
	return nil
}

func (l *lineWriter) trailer() error {
	if _, err := l.line(trailer{
		End: true, Entries: l.report.Entries, Cursors: l.report.Cursors, SHA256: hex.EncodeToString(l.body.Sum(nil)),
	}); err != nil {
		return err
	}
	if err := l.w.Flush(); err != nil {
		return err
	}
	l.tell()
	return nil
}

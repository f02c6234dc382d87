package persistence

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/retinue-go/retinue/messages"
)

// take reads one line of the body.
func (in *importer) take(line []byte) error {
	var err error
	if bytes.HasPrefix(line, cursorStart) {
		err = in.takeCursor(line)
	} else {
		err = in.takeEntry(line)
	}
	if err != nil {
		return err
	}
	in.body.Write(line)
	if in.bytes += len(line); in.bytes < reportEvery {
		return nil
	}
	return in.flush()
}

func (in *importer) takeEntry(line []byte) error {
	if len(in.cursors) > 0 {
		return in.wrong("an entry behind a cursor")
	}
	var e messages.Entry
	err := e.UnmarshalJSON(bytes.TrimSuffix(line, newline))
	if err == nil {
		err = in.place(&e)
	}
	if err != nil {
		return in.fault(err)
	}
	in.report.Entries++
	return nil
}

// place checks that an entry follows the one before it, and gives it to the
// batch.
func (in *importer) place(e *messages.Entry) error {
	next := &in.heads
	switch {
	case (e.ID != 0) != (e.Log == messages.Permanent) || (e.ID != 0) != (e.Type.Persistence == messages.Persistent) || e.Type.Persistence == messages.Transient:
		return fmt.Errorf("entry %v/%v is %v, of the %v log", e.ID, e.TrimmableID, e.Type.Persistence, e.Log)
	case e.ID != 0 && e.ID != next.Event:
		return fmt.Errorf("permanent entry %v, the next is %v", e.ID, next.Event)
	case e.TrimmableID < next.Trimmable || e.TrimmableID >= in.header.Trimmable || e.ID >= in.header.Permanent:
		return fmt.Errorf("entry %v/%v, the next is %v/%v and the heads are %v/%v", e.ID, e.TrimmableID, next.Event, next.Trimmable, in.header.Permanent, in.header.Trimmable)
	case e.TrimmableID != max(next.Trimmable, in.header.Horizon) && (e.ID == 0 || e.TrimmableID >= in.header.Horizon):
		return fmt.Errorf("trimmable entry %v, the next is %v and the horizon %v", e.TrimmableID, next.Trimmable, in.header.Horizon)
	case e.Ordered.After(in.header.Ordered):
		return fmt.Errorf("ordered at %v, the header says that the last was at %v", e.Ordered, in.header.Ordered)
	case !fitsNanoseconds(e.Ordered) || uint64(e.Ordered.UnixNano()) < next.Ordered:
		return fmt.Errorf("ordered at %v, behind one at %v", e.Ordered, orderedTime(next.Ordered))
	case e.Time.IsZero():
		return errors.New("it has no time")
	}
	if err := nameFits(e); err != nil {
		return err
	}
	if e.ID != 0 {
		next.Event = e.ID + 1
	}
	next.Trimmable, next.Ordered = e.TrimmableID+1, uint64(e.Ordered.UnixNano())
	in.pending = append(in.pending, Placed{
		Prepared: &messages.Prepared{
			Type: e.Type, Codec: e.Codec, Instance: e.Instance, Time: e.Time,
			Correlation: e.Correlation, Cause: e.Cause, Headers: e.Headers, Payload: e.Payload,
		},
		Event: e.ID, Trimmable: e.TrimmableID, Ordered: next.Ordered, Type: in.typeNumber(e.Type.Module, e.Type.Kind),
	})
	return nil
}

// nameFits refuses names that no append would have let in.
func nameFits(e *messages.Entry) error {
	for what, name := range map[string]string{"module": e.Type.Module, "kind": e.Type.Kind, "codec": e.Codec, "correlation": e.Correlation} {
		if len(name) > messages.MaxName || !utf8.ValidString(name) {
			return fmt.Errorf("%s %q is over %d bytes or no UTF-8", what, name, messages.MaxName)
		}
	}
	if e.Codec == "" {
		return errors.New("empty codec")
	}
	if _, empty := e.Headers[""]; empty {
		return errors.New("a header with an empty key")
	}
	return nil
}

// typeNumber returns the number of a type, which it gives to a new one.
func (in *importer) typeNumber(module, kind string) uint32 {
	number, known := in.store.types.number(module, kind)
	if !known {
		number = uint32(in.store.types.len() + 1)
		in.batch.NameType(number, module, kind)
		in.store.Learn(number, module, kind) // nobody else reads
	}
	return number
}

// takeCursor keeps a cursor for the last batch. What comes before the first of
// them is committed, because the record tells of entries only.
func (in *importer) takeCursor(line []byte) error {
	var c cursorLine
	if err := strictly(line, &c); err != nil {
		return in.fault(err)
	}
	head := Heads{Event: in.header.Permanent, Trimmable: in.header.Trimmable}.of(c.Log)
	switch {
	case c.Follower == "" || len(c.Follower) > messages.MaxName || !utf8.ValidString(c.Follower):
		return in.wrong("follower %q: its name is empty, over %d bytes or no UTF-8", c.Follower, messages.MaxName)
	case in.names[c.Follower]:
		return in.wrong("follower %q has two cursors", c.Follower)
	case c.Next < 1 || c.Next > head:
		return in.wrong("follower %q at %d of the %v log, the head is %d", c.Follower, c.Next, c.Log, head)
	}
	if err := in.flush(); err != nil {
		return err
	}
	if in.names == nil {
		in.names = make(map[string]bool)
	}
	in.names[c.Follower] = true
	in.cursors = append(in.cursors, c)
	return nil
}

// finish reads the trailer, and opens the store to everybody.
func (in *importer) finish(line []byte) error {
	var t trailer
	if err := strictly(line, &t); err != nil {
		return in.fault(err)
	}
	if err := in.compare(&t); err != nil {
		return in.keep(in.fault(err))
	}
	if _, err := in.lines.next(); err == nil {
		return in.wrong("something follows the last line")
	} else if !errors.Is(err, io.EOF) {
		return in.unread(err)
	}
	if err := in.flush(); err != nil {
		return err
	}
	b, h := in.batch, &in.header
	b.SetHeads(Heads{Event: h.Permanent, Trimmable: h.Trimmable, Ordered: uint64(h.Ordered.UnixNano()), Offset: h.Offset})
	b.Trim(1, h.Horizon)
	if in.options.Cursors {
		in.writeCursors()
	}
	check(b.b.Delete(in.store.keys.meta(metaImport), nil))
	if err := b.Commit(true); err != nil {
		return err
	}
	in.store.Durable(Heads{Event: h.Permanent, Trimmable: h.Trimmable})
	in.tell()
	return nil
}

// compare holds what was read against header and trailer.
func (in *importer) compare(t *trailer) error {
	h, cursors := &in.header, uint64(len(in.cursors))
	if in.report.Entries != h.Entries || cursors != h.Cursors || t.Entries != h.Entries || t.Cursors != h.Cursors || !t.End {
		return fmt.Errorf("%d entries and %d cursors, the first line says %d and %d, the last %d and %d",
			in.report.Entries, cursors, h.Entries, h.Cursors, t.Entries, t.Cursors)
	}
	if in.heads.Event != h.Permanent || max(in.heads.Trimmable, h.Horizon) != h.Trimmable {
		return fmt.Errorf("the entries come to %v and %v, the heads are %v and %v", in.heads.Event, in.heads.Trimmable, h.Permanent, h.Trimmable)
	}
	if sum := hex.EncodeToString(in.body.Sum(nil)); sum != t.SHA256 {
		return fmt.Errorf("lines were changed: their SHA-256 is %s, the last line says %s", sum, t.SHA256)
	}
	return nil
}

func (in *importer) writeCursors() {
	for i, c := range in.cursors {
		number := uint32(i + 1)
		in.batch.SetCursor(&Cursor{
			Number: number, Name: c.Follower, Log: c.Log, Started: c.Started, Next: c.Next, Attempts: c.Attempts,
			Handled: c.Handled, Skipped: c.Skipped, Parked: c.Parked, Missed: c.Missed,
		})
		if q := c.Control; q != nil {
			in.batch.SetControl(number, Control{Paused: q.Paused, Parked: q.Parked, Why: q.Why, Since: q.Since})
		}
	}
	in.batch.SetNextFollower(uint32(len(in.cursors) + 1))
	in.report.Cursors = uint64(len(in.cursors))
}

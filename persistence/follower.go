package persistence

import (
	"bytes"
	"encoding/binary"
	"iter"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

// Cursor is where a follower stands, with what it did so far. It is written
// in the batch of the reactions that it stands for, and by nothing else.
//
//	C number -> name, log, started, next, hint, attempts, running, handled, skipped, parked, missed[, first]
//
// first is there where attempts > 0, but for records of early releases.
//
// Invariant: 1 <= Next <= head of Log.
type Cursor struct {
	// Number stands for the follower in keys; never reused.
	Number uint32
	Name   string
	Log    messages.Log
	// Started is the start that was chosen when the follower was new.
	Started string
	// Next is the id that the follower reads next.
	Next uint64
	// Hint is a permanent id at or before the first entry with a TrimmableID
	// >= Next; 0 is none.
	Hint messages.EventID
	// Attempts of the entry Next that failed, and when the first of them did:
	// zero where an early release wrote the record. First means nothing while
	// there are no attempts.
	Attempts uint32
	First    time.Time
	// Running is true while an entry that has failed before, or that a
	// process may have died of, is tried: found true at the start of an
	// incarnation, the process ended in that turn.
	Running bool
	// Handled, Skipped and Parked count entries; Missed counts what was
	// trimmed before the follower came to it.
	Handled, Skipped, Parked, Missed uint64
}

func (c *Cursor) append(dst []byte) []byte {
	dst = appendBytes(dst, c.Name)
	dst = binary.AppendUvarint(dst, uint64(c.Log))
	dst = appendBytes(dst, c.Started)
	running := uint64(0)
	if c.Running {
		running = 1
	}
	for _, n := range [...]uint64{
		c.Next, uint64(c.Hint), uint64(c.Attempts), running, c.Handled, c.Skipped, c.Parked, c.Missed,
	} {
		dst = binary.AppendUvarint(dst, n)
	}
	if c.Attempts > 0 && !c.First.IsZero() {
		dst = appendTime(dst, c.First)
	}
	return dst
}

func decodeCursor(number uint32, b []byte) (Cursor, error) {
	f := fields{what: "cursor", rest: b}
	c := Cursor{Number: number, Name: f.string(), Log: decodeLog(&f), Started: f.string()}
	c.Next, c.Hint, c.Attempts = f.uvarint(), messages.EventID(f.uvarint()), decodeUint32(&f)
	c.Running = f.uvarint() != 0
	c.Handled, c.Skipped, c.Parked, c.Missed = f.uvarint(), f.uvarint(), f.uvarint(), f.uvarint()
	if c.Attempts > 0 && len(f.rest) > 0 {
		c.First = f.time()
	}
	return c, f.end()
}

func decodeLog(f *fields) messages.Log {
	log := f.uvarint()
	f.bad = f.bad || log > uint64(messages.TrimmableLog)
	return messages.Log(log)
}

// Control is what people and supervisors decided about a follower. It is a
// record of its own, so that a turn in flight cannot undo a pause.
//
//	Q number -> flags (1 paused, 2 parked), why, since
type Control struct {
	Paused bool
	// Parked is true for a follower that was given up on.
	Parked bool
	// Why it was parked.
	Why   string
	Since time.Time
}

func (c Control) encode() []byte {
	var flags uint64
	if c.Paused {
		flags |= 1
	}
	if c.Parked {
		flags |= 2
	}
	return appendTime(appendBytes(binary.AppendUvarint(nil, flags), c.Why), c.Since)
}

func decodeControl(b []byte) (Control, error) {
	f := fields{what: "control", rest: b}
	flags := f.uvarint()
	c := Control{Paused: flags&1 != 0, Parked: flags&2 != 0, Why: f.string(), Since: f.time()}
	return c, f.end()
}

// Parked is an entry that a follower set aside.
//
//	D number id -> flags (1 skipped), error, attempts, first, last, key, entry
//
// entry is empty for a permanent entry, else its JSON form: the entry itself
// may be trimmed before the record is replayed.
type Parked struct {
	// ID of the entry in Log, the follower's. Log is not stored.
	ID  uint64       `json:"id"`
	Log messages.Log `json:"log"`
	// Skipped is true where the entry was given up by policy: the record is
	// kept to tell of it, and is not replayed by itself.
	Skipped bool `json:"skipped,omitempty"`
	// Error that the last attempt returned; empty for an entry that was
	// parked behind another of its sequence key.
	Error    string    `json:"error,omitempty"`
	Attempts int       `json:"attempts"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	// Key is the sequence key.
	Key string `json:"key,omitempty"`
	// Entry is set for trimmable entries only.
	Entry *messages.Entry `json:"entry,omitempty"`
}

// Position returns ID as a position of the follower's log.
func (p Parked) Position() messages.Position {
	if p.Log == messages.Permanent {
		return messages.EventID(p.ID)
	}
	return messages.TrimmableID(p.ID)
}

func (p *Parked) encode() []byte {
	flags := uint64(0)
	if p.Skipped {
		flags = 1
	}
	b := appendBytes(binary.AppendUvarint(nil, flags), p.Error)
	b = binary.AppendUvarint(b, uint64(p.Attempts))
	b = appendBytes(appendTime(appendTime(b, p.First), p.Last), p.Key)
	var entry []byte
	if p.Entry != nil {
		var err error
		entry, err = p.Entry.MarshalJSON()
		check(err)
	}
	return appendBytes(b, entry)
}

func decodeParked(id uint64, b []byte) (Parked, error) {
	f := fields{what: "parked entry", rest: b}
	p := Parked{ID: id, Skipped: f.uvarint()&1 != 0, Error: f.string(), Attempts: int(f.uvarint())}
	p.First, p.Last, p.Key = f.time(), f.time(), f.string()
	entry := f.bytes()
	if err := f.end(); err != nil {
		return Parked{}, err
	}
	if len(entry) > 0 {
		p.Entry = new(messages.Entry)
		if err := p.Entry.UnmarshalJSON(entry); err != nil {
			return Parked{}, messages.Corrupt("parked entry", "%v", err)
		}
	}
	return p, nil
}

// ParkedEntries yields what a follower has parked or skipped from id on,
// ascending, read in pieces: who is given one may take his time, and close the
// store. Errors: [messages.CorruptError], [messages.ErrClosed].
func (s *Store) ParkedEntries(number uint32, from uint64) iter.Seq2[Parked, error] {
	return func(yield func(Parked, error) bool) {
		for {
			page, next, err := s.parkedPage(number, from)
			for _, p := range page {
				if !yield(p, nil) {
					return
				}
			}
			if err != nil {
				yield(Parked{}, err)
			}
			if err != nil || next == 0 {
				return
			}
			from = next
		}
	}
}

// What is read of parked entries at once.
const (
	parkedPageEntries = 256
	parkedPageBytes   = 1 << 20
)

// parkedPage reads from an id on; next is where to go on, 0 at the end.
func (s *Store) parkedPage(number uint32, from uint64) (page []Parked, next uint64, err error) {
	_, upper := s.keys.numberedBounds(spaceParked, number)
	size := 0
	err = s.walk(s.keys.parked(nil, number, from), upper, func(key, value []byte) (bool, error) {
		_, behind, err := s.keys.parseNumber(key, 8)
		if err != nil {
			return false, err
		}
		id := binary.BigEndian.Uint64(behind)
		if len(page) == parkedPageEntries || size >= parkedPageBytes {
			next = id
			return false, nil
		}
		p, err := decodeParked(id, bytes.Clone(value))
		if err == nil {
			page, size = append(page, p), size+len(value)
		}
		return true, err
	})
	return page, next, err
}

// ParkedEntry returns one parked or skipped entry, nil where there is none.
func (s *Store) ParkedEntry(number uint32, id uint64) (*Parked, error) {
	if err := s.use(); err != nil {
		return nil, err
	}
	defer s.users.Done()
	value, err := get(s.db, s.keys.parked(nil, number, id))
	if value == nil || err != nil {
		return nil, err
	}
	p, err := decodeParked(id, value)
	return &p, err
}

// walk calls visit for each key in [lower, upper) until it says no. Key and
// value are valid during the call.
func (s *Store) walk(lower, upper []byte, visit func(key, value []byte) (bool, error)) (err error) {
	if err := s.use(); err != nil {
		return err
	}
	defer s.users.Done()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() { err = closing(it, err) }() // also where visit panics
	for more := it.First(); more; {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if more, err = visit(it.Key(), value); err != nil {
			return err
		}
		more = more && it.Next()
	}
	return nil
}

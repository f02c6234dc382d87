package persistence

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/retinue-go/retinue/messages"
)

// The tail keeps at most so many entries, and bytes of their payloads.
const (
	tailEntries = 4096
	tailBytes   = 1 << 20
)

// tail is the end of both logs in memory, so that many followers who are
// caught up share one decoding of what the writer has just committed. The
// writer alone adds; readers take what is below their durable head.
//
// Invariant: the pieces are adjacent, in order, and never change.
type tail struct {
	view atomic.Pointer[[]*piece]
	// horizon of the trimmable log.
	horizon atomic.Uint64
}

// piece is what one round of the writer has ordered.
type piece struct {
	from, to Heads // ids in [from, to)
	entries  []messages.Entry
	types    []uint32 // of entries, by number
	bytes    int      // of payloads
}

// Remember adds what a round placed and committed to the tail; heads are those
// after it. The writer calls it in order, and may leave rounds out.
func (s *Store) Remember(placed []Placed, heads Heads) { s.tail.add(placed, heads) }

// Trimmed tells the tail that the horizon has moved.
func (s *Store) Trimmed(horizon messages.TrimmableID) { s.tail.horizon.Store(uint64(horizon)) }

func (t *tail) add(placed []Placed, heads Heads) {
	p := newPiece(placed, heads)
	if len(p.entries) == 0 {
		return
	}
	var known []*piece
	if v := t.view.Load(); v != nil {
		known = *v
	}
	if n := len(known); n > 0 && known[n-1].to.Trimmable != p.from.Trimmable {
		known = nil // a round was left out
	}
	entries, bytes := len(p.entries), p.bytes
	first := len(known)
	for ; first > 0; first-- {
		entries += len(known[first-1].entries)
		bytes += known[first-1].bytes
		if entries > tailEntries || bytes > tailBytes {
			break
		}
	}
	next := append(slices.Clone(known[first:]), p)
	t.view.Store(&next)
}

func newPiece(placed []Placed, heads Heads) *piece {
	p := &piece{from: heads, to: heads}
	for i := range placed {
		p.bytes += len(placed[i].Payload)
	}
	payloads := make([]byte, 0, p.bytes)
	p.entries = make([]messages.Entry, 0, len(placed))
	p.types = make([]uint32, 0, len(placed))
	for i := range placed {
		e := &placed[i]
		if e.Trimmable == 0 {
			continue
		}
		p.from.Trimmable--
		if e.Event != 0 {
			p.from.Event--
		}
		at := len(payloads)
		payloads = append(payloads, e.Payload...)
		p.types = append(p.types, e.Type)
		p.entries = append(p.entries, messages.Entry{
			ID: e.Event, TrimmableID: e.Trimmable, Type: e.Prepared.Type, Instance: e.Instance, Codec: e.Codec,
			Time: e.Time, Ordered: orderedTime(e.Ordered), Correlation: e.Correlation, Cause: e.Cause,
			Headers: e.Headers, Payload: payloads[at:len(payloads):len(payloads)],
		})
	}
	return p
}

// read fills p from the tail; false where q begins before it, or is no forward
// reading.
func (t *tail) read(p *Page, q *PageQuery) bool {
	v := t.view.Load()
	if v == nil || q.Reverse || q.From == 0 || q.From >= q.To {
		return false
	}
	pieces := *v
	if q.From < pieces[0].from.of(q.Log) || q.From >= pieces[len(pieces)-1].to.of(q.Log) {
		return false
	}
	p.reset(q)
	if q.Log == messages.TrimmableLog {
		p.Horizon = messages.TrimmableID(t.horizon.Load())
		if q.From < uint64(p.Horizon) {
			return false
		}
		p.Hint = max(q.Hint, 1)
	}
	if !q.Selection.refresh() { // nothing can match
		p.Next = min(q.To, pieces[len(pieces)-1].to.of(q.Log))
		return true
	}
	first, _ := slices.BinarySearchFunc(pieces, q.From, func(p *piece, from uint64) int {
		if p.to.of(q.Log) <= from {
			return -1
		}
		return 1
	})
	if q.MaxTail > 0 {
		q.MaxEntries = q.MaxTail
	}
	for _, piece := range pieces[first:] {
		if !p.take(piece, q) {
			return true
		}
	}
	return true
}

// take copies the entries of a piece that q asks for; false once the page is
// full or q exhausted.
func (p *Page) take(from *piece, q *PageQuery) (more bool) {
	for i := range from.entries {
		e := &from.entries[i]
		at := uint64(e.TrimmableID)
		if q.Log == messages.Permanent {
			at = uint64(e.ID)
		}
		if at < p.Next { // also 0: not in this log
			continue
		}
		if at >= q.To || p.full(q) {
			return false
		}
		if q.Selection.matchType(from.types[i]) && q.Selection.matchEntry(e) {
			p.bytes += len(e.Payload)
			if q.MaxBytes > 0 && p.bytes > q.MaxBytes && len(p.Entries) > 0 {
				return false
			}
			p.copy(e, q.Log)
		}
		p.Scanned++
		p.Next = at + 1
		if e.ID != 0 {
			p.Hint = e.ID + 1
		}
	}
	return true
}

func (p *Page) copy(shared *messages.Entry, log messages.Log) {
	p.Entries = append(p.Entries, *shared)
	e := &p.Entries[len(p.Entries)-1]
	e.Log = log
	if e.Headers != nil {
		e.Headers = maps.Clone(e.Headers)
	}
	at := len(p.payloads)
	p.payloads = append(p.payloads, e.Payload...)
	e.Payload = p.payloads[at:len(p.payloads):len(p.payloads)]
}

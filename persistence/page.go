package persistence

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

// PageQuery asks for one page of a log.
type PageQuery struct {
	Log messages.Log
	// From and To bound the ids: [From, To). To is the caller's durable head
	// or less, and is never exceeded. From is at least 1; in the trimmable log
	// 0 means the horizon.
	From, To uint64
	// Reverse reads from To down to From.
	Reverse bool
	// Hint spares a search in the trimmable log: an id at or before the first
	// permanent entry whose TrimmableID is at least From. [Page.Hint] is one
	// for the query that goes on; 0 is always one.
	Hint messages.EventID
	// Selection of entries; nil selects everything.
	Selection *Selection
	// MaxEntries and MaxBytes of records end the page, 0 never does. One entry
	// is returned even where it alone exceeds MaxBytes.
	MaxEntries, MaxBytes int
	// MaxTail is MaxEntries for a page that is read from memory.
	MaxTail int
	// MaxScan ends the page after so many entries were looked at, 0 never
	// does. What is skipped by whole blocks is not looked at.
	MaxScan int
}

// Page is a piece of a log. It is made to be reused: payloads point into the
// page's memory and are valid until the next read into it. The zero Page is
// ready; one goroutine uses it at a time.
type Page struct {
	// Entries in the order of the query.
	Entries []messages.Entry
	// Next is where to go on: as From; or as To, where the page is in reverse.
	// The range is exhausted when Next has reached its other end, and only
	// then, whatever the number of entries.
	Next uint64
	// Hint for the query that goes on, in the trimmable log.
	Hint messages.EventID
	// Horizon of the trimmable log in the view that was read; 0 in a page of
	// the permanent log.
	Horizon messages.TrimmableID
	// Scanned entries were looked at.
	Scanned int
	// Read is what the page has cost.
	Read ReadStats

	payloads     []byte
	bytes        int
	lower, upper []byte
}

// reader reads the log: followers, queries and the writer's scans do it here
// and nowhere else.
type reader struct {
	db    pebble.Reader // *pebble.DB or *pebble.Snapshot
	keys  keyspace
	types *dictionary
}

// readPage fills p. Each page is one view: what is trimmed meanwhile is still
// in it. A page that no block was skipped for is checked to be without a gap.
// What was read before an error stays in p, and Next is behind it. Errors:
// [messages.TrimmedError] for From below the horizon, [messages.CorruptError],
// Pebble's.
func (r *reader) readPage(p *Page, q PageQuery) error {
	p.reset(&q)
	v := view{reader: r, page: p, query: q, blind: q.Selection.byType()}
	return v.close(v.read())
}

func (p *Page) reset(q *PageQuery) {
	p.Entries, p.payloads, p.bytes = p.Entries[:0], p.payloads[:0], 0
	p.Next, p.Hint, p.Horizon, p.Scanned, p.Read = q.start(), 0, 0, 0, ReadStats{}
}

func (q *PageQuery) start() uint64 {
	if q.Reverse {
		return q.To
	}
	return q.From
}

func (q *PageQuery) end() uint64 {
	if q.Reverse {
		return q.From
	}
	return q.To
}

// view is one page being read: a scan per space, all of one state of the
// database.
type view struct {
	*reader
	page  *Page
	query PageQuery
	// blind: blocks are skipped, so ids that are missing prove nothing.
	blind bool
	scans [2]scan
	n     int // scans in use
}

func (v *view) read() error {
	matches := v.query.Selection.refresh()
	if err := v.open(matches); err != nil {
		return err
	}
	p, q := v.page, &v.query
	if q.From >= q.To {
		p.Next = q.From
		return nil
	}
	if !matches {
		p.Next = q.end()
		return nil
	}
	for p.Next != q.end() {
		if p.full(q) {
			return nil
		}
		s, err := v.next()
		if err != nil {
			return err
		}
		if s == nil {
			return v.finish()
		}
		if cut, err := v.take(s); cut || err != nil {
			return err
		}
	}
	return nil
}

// full reports whether a limit was reached before the next entry is fetched.
func (p *Page) full(q *PageQuery) bool {
	return q.MaxEntries > 0 && len(p.Entries) >= q.MaxEntries || q.MaxScan > 0 && p.Scanned >= q.MaxScan
}

// take looks at the entry that s stands on, and reports true where the page
// has no room for it.
func (v *view) take(s *scan) (cut bool, err error) {
	p, q := v.page, &v.query
	at := s.key.position(q.Log)
	if err := v.expect(at); err != nil {
		return true, err
	}
	if q.Selection.matchType(s.key.typ) {
		value, err := s.it.ValueAndErr()
		if err != nil {
			return true, err
		}
		if q.Selection.matchRecord(s.key.ordered, value) {
			p.bytes += len(value)
			if q.MaxBytes > 0 && p.bytes > q.MaxBytes && len(p.Entries) > 0 {
				return true, nil
			}
			if err := p.add(q.Log, s.key, value, v.types); err != nil {
				return true, err
			}
		}
	}
	p.Scanned++
	p.Next = at
	if !q.Reverse {
		p.Next++
		if s.key.id != 0 {
			p.Hint = s.key.id + 1
		}
	}
	s.taken = true
	return false, nil
}

// add decodes an entry and copies its payload, in memory that is used again.
func (p *Page) add(log messages.Log, key entryKey, value []byte, types *dictionary) error {
	p.Entries = append(p.Entries, messages.Entry{})
	e := &p.Entries[len(p.Entries)-1]
	if err := decodeEntry(e, log, key, value, types); err != nil {
		p.Entries = p.Entries[:len(p.Entries)-1]
		return err
	}
	at := len(p.payloads)
	p.payloads = append(p.payloads, e.Payload...)
	e.Payload = p.payloads[at:len(p.payloads):len(p.payloads)]
	return nil
}

// expect asserts that at is the next id.
func (v *view) expect(at uint64) error {
	want := v.page.Next
	if v.query.Reverse {
		want--
	}
	if v.blind || at == want {
		return nil
	}
	return messages.Corrupt(v.query.Log.String()+" log", "entry %d is missing: found %d, wanted [%d, %d)", want, at, v.query.From, v.query.To)
}

// finish asserts that the scans ended where the range does.
func (v *view) finish() error {
	p, end := v.page, v.query.end()
	if !v.blind && p.Next != end {
		return messages.Corrupt(v.query.Log.String()+" log", "it ends at %d, wanted [%d, %d)", p.Next, v.query.From, v.query.To)
	}
	p.Next = end
	return nil
}

// next returns the scan whose entry comes first, nil at the end.
func (v *view) next() (first *scan, err error) {
	q := &v.query
	for i := range v.scans[:v.n] {
		s := &v.scans[i]
		if s.taken {
			if err := s.advance(q.Reverse); err != nil {
				return nil, err
			}
		}
		at := s.key.position(q.Log)
		if !s.valid || at < q.From || at >= q.To {
			continue
		}
		if first == nil || (at < first.key.position(q.Log)) != q.Reverse {
			first = s
		}
	}
	return first, nil
}

// open opens the scans that the query needs, bounded to its range.
func (v *view) open(matches bool) error {
	if v.query.Log == messages.TrimmableLog {
		return v.openTrimmable(matches)
	}
	v.query.From = max(v.query.From, 1)
	v.page.Next = v.query.start()
	if !matches || v.query.From >= v.query.To {
		return nil
	}
	it, err := v.db.NewIter(v.options(spacePermanent, v.query.From, v.query.To))
	if err != nil {
		return err
	}
	v.add(it, spacePermanent)
	return nil
}

// openTrimmable opens one iterator and reads the horizon with it; the second
// is its clone. Iterators that are opened one after the other could have a
// trim between them, and would skip what it took without a sign.
func (v *view) openTrimmable(matches bool) error {
	p, q := v.page, &v.query
	lower, upper := v.horizonBounds()
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	permanent := v.add(it, spacePermanent)
	if p.Horizon, err = horizonOf(it); err != nil {
		return err
	}
	if q.From == 0 {
		q.From = uint64(p.Horizon)
	}
	p.Next = q.start()
	if q.From < uint64(p.Horizon) {
		return &messages.TrimmedError{Wanted: messages.TrimmableID(q.From), Horizon: p.Horizon}
	}
	p.Hint = max(q.Hint, 1)
	if !matches || q.From >= q.To {
		return nil
	}
	first, end, err := v.permanentRange(permanent)
	if err != nil {
		return err
	}
	p.Hint = messages.EventID(first)
	clone, err := it.Clone(pebble.CloneOptions{IterOptions: v.options(spaceTrimmable, q.From, q.To)})
	if err != nil {
		return err
	}
	v.add(clone, spaceTrimmable)
	it.SetOptions(v.options(spacePermanent, first, end))
	return nil
}

// permanentRange finds the ids of the permanent entries in the query's range.
// Forward and unfiltered the upper one may be too high, since the first entry
// beyond the range ends the scan: an entry's id never exceeds its TrimmableID.
func (v *view) permanentRange(s *scan) (lower, upper uint64, err error) {
	q := &v.query
	o := v.options(spacePermanent, uint64(v.page.Hint), q.To)
	s.it.SetBounds(o.LowerBound, o.UpperBound)
	from, err := s.findTrimmable(messages.TrimmableID(q.From), q.Hint, q.To)
	if err != nil || !q.Reverse && !v.blind {
		return uint64(from), max(q.To, uint64(from)), err
	}
	to, err := s.findTrimmable(messages.TrimmableID(q.To), from, q.To)
	return uint64(from), uint64(to), err
}

// options are those of a scan over [lower, upper); they are valid until the
// next call.
func (v *view) options(space byte, lower, upper uint64) *pebble.IterOptions {
	p := v.page
	if space == spacePermanent {
		p.lower = v.keys.permanentID(p.lower[:0], messages.EventID(lower))
		p.upper = v.keys.permanentID(p.upper[:0], messages.EventID(upper))
	} else {
		p.lower = v.keys.trimmableID(p.lower[:0], messages.TrimmableID(lower))
		p.upper = v.keys.trimmableID(p.upper[:0], messages.TrimmableID(upper))
	}
	o := &pebble.IterOptions{LowerBound: p.lower, UpperBound: p.upper}
	if v.blind {
		// Pebble appends a filter of its own.
		o.PointKeyFilters = append(make([]pebble.BlockPropertyFilter, 0, 2), typeFilter(v.query.Selection.bits))
	}
	return o
}

func (v *view) add(it *pebble.Iterator, space byte) *scan {
	s := &v.scans[v.n]
	*s = scan{it: it, keys: v.keys, space: space, taken: true}
	v.n++
	return s
}

// close closes the scans and returns the first error.
func (v *view) close(err error) error {
	v.page.Read.Entries = uint64(v.page.Scanned)
	for i := range v.scans[:v.n] {
		v.page.Read.blocks(v.scans[i].it)
		if closeErr := v.scans[i].it.Close(); err == nil {
			err = closeErr
		}
	}
	return broken(err)
}

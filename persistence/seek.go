package persistence

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

// scan walks the entries of one space.
//
// Invariant: key is what it stands on, unless valid is false: then the bounds
// are passed. Before the first advance taken is true and valid false.
type scan struct {
	it    *pebble.Iterator
	keys  keyspace
	space byte
	key   entryKey
	valid bool
	taken bool // the entry was used; the next one is wanted
	moved bool
	seek  []byte
}

// advance goes to the next entry, at first to one end of the bounds.
func (s *scan) advance(reverse bool) error {
	var ok bool
	switch {
	case !s.moved && reverse:
		ok = s.it.Last()
	case !s.moved:
		ok = s.it.First()
	case reverse:
		ok = s.it.Prev()
	default:
		ok = s.it.Next()
	}
	s.moved, s.taken = true, false
	return s.land(ok)
}

// seekGE goes to the first entry of the scan's space at or behind place, which
// is an id in the permanent space and a TrimmableID in the trimmable one.
func (s *scan) seekGE(place uint64) error {
	s.seek = s.keys.place(s.seek[:0], s.space, place)
	return s.land(s.it.SeekGE(s.seek))
}

func (s *scan) land(ok bool) (err error) {
	if s.valid = ok; !ok {
		return s.it.Error()
	}
	s.key, err = s.keys.parseEntry(s.space, s.it.Key())
	return err
}

// place is what seekGE counts in.
func (s *scan) place() uint64 {
	if s.space == spacePermanent {
		return uint64(s.key.id)
	}
	return uint64(s.key.tid)
}

// first finds the first entry in [lower, upper) that has reached something
// that all entries behind it have reached too. The steps from lower double
// from step on, then halve. It returns the entry's key and a place with no
// other entry between; where there is none, a zero key and a place in [lower,
// upper] that is behind all entries below upper.
func (s *scan) first(lower, upper, step uint64, reached func(entryKey) bool) (place uint64, key entryKey, err error) {
	place, _, key, err = s.narrow(lower, upper, step, 0, reached)
	return place, key, err
}

// narrow is first, given up once [lower, upper) has no more than width places:
// it returns what is left of it, and the first entry behind that is known.
func (s *scan) narrow(lower, upper, step, width uint64, reached func(entryKey) bool) (_, _ uint64, key entryKey, err error) {
	for lower < upper && upper-lower > width {
		probe := lower + (upper-lower)/2
		if step <= probe-lower {
			probe = lower + step - 1
			step *= 2
		}
		if err := s.seekGE(probe); err != nil {
			return 0, 0, entryKey{}, err
		}
		switch {
		case !s.valid:
			upper = probe
		case reached(s.key):
			upper, key = probe, s.key
		default:
			lower = min(s.place()+1, upper)
		}
	}
	return lower, upper, key, nil
}

// noStep makes [scan.first] halve from the start.
const noStep = ^uint64(0)

// findTrimmable returns the id of the first permanent entry whose TrimmableID
// is tid or more, searching ids in [hint, upper); where there is none, an id
// at or below the head with only lower TrimmableIDs before it. The answer is
// its own hint: a right one costs one seek. The scan must see all entries.
func (s *scan) findTrimmable(tid messages.TrimmableID, hint messages.EventID, upper uint64) (messages.EventID, error) {
	step := uint64(1)
	if hint == 0 {
		hint, step = 1, noStep
	}
	id, _, err := s.first(uint64(hint), upper, step, func(k entryKey) bool { return k.tid >= tid })
	return messages.EventID(id), err
}

// seekWidth is how many ids a search for a time scans in the end, past the
// blocks that lie before it. Halving them would load a block each time.
const seekWidth = 1024

// firstOrdered returns the first entry in [lower, upper) that has reached
// something that only entries ordered at or after ordered have, and all behind
// the first one; a zero key where there is none.
func (s *scan) firstOrdered(lower, upper, ordered uint64, reached func(entryKey) bool) (entryKey, error) {
	lower, upper, key, err := s.narrow(lower, upper, noStep, seekWidth, reached)
	if err != nil || lower >= upper {
		return key, err
	}
	o := &pebble.IterOptions{PointKeyFilters: append(make([]pebble.BlockPropertyFilter, 0, 2), orderedSince(ordered))}
	o.LowerBound, o.UpperBound = s.keys.place(nil, s.space, lower), s.keys.place(nil, s.space, upper)
	s.it.SetOptions(o)
	for ok := s.it.First(); ; ok = s.it.Next() {
		if err := s.land(ok); err != nil || !ok {
			return key, err
		}
		if reached(s.key) {
			return s.key, nil
		}
	}
}

// seekTime returns the first id in [from, to) whose entry was ordered at or
// after ordered, in nanoseconds since 1970; to where there is none. What is
// below the horizon is passed over. What it reads is added to stats. Errors:
// [messages.CorruptError], Pebble's.
func (r *reader) seekTime(log messages.Log, ordered uint64, from, to uint64, stats *ReadStats) (found uint64, err error) {
	from = max(from, 1)
	if from >= to {
		return to, nil
	}
	spaces := []byte{spacePermanent, spaceTrimmable}
	if log == messages.Permanent {
		spaces = spaces[:1]
	}
	it, err := r.db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	defer func() {
		stats.blocks(it)
		err = closing(it, err)
	}()
	if log == messages.TrimmableLog {
		it.SetBounds(r.horizonBounds())
		horizon, err := horizonOf(it)
		if err != nil {
			return 0, err
		}
		from = max(from, uint64(horizon))
	}
	found = to
	for _, space := range spaces {
		bounds := &pebble.IterOptions{}
		bounds.LowerBound, bounds.UpperBound = r.keys.bounds(space)
		it.SetOptions(bounds)
		s := scan{it: it, keys: r.keys, space: space}
		lower := from
		if space == spacePermanent && log == messages.TrimmableLog {
			lower = 1
		}
		key, err := s.firstOrdered(lower, to, ordered, func(k entryKey) bool {
			return k.ordered >= ordered && k.position(log) >= from
		})
		if err != nil {
			return 0, err
		}
		if at := key.position(log); at != 0 {
			found = min(found, at)
		}
	}
	return found, nil
}

// entry returns a copy of one entry. Errors: [messages.ErrOutOfRange],
// [messages.TrimmedError], [messages.CorruptError], Pebble's.
func (r *reader) entry(log messages.Log, id uint64) (e messages.Entry, err error) {
	if id == 0 || id == ^uint64(0) {
		return e, fmt.Errorf("entry %d of the %v log: %w", id, log, messages.ErrOutOfRange)
	}
	p := Page{Next: id}
	v := view{reader: r, page: &p, query: PageQuery{Log: log, From: id, To: id + 1}}
	defer func() { err = v.close(err) }()
	if err := v.open(true); err != nil {
		return e, err
	}
	s, err := v.next()
	if err != nil {
		return e, err
	}
	if s == nil {
		return e, fmt.Errorf("entry %d of the %v log: %w", id, log, messages.ErrOutOfRange)
	}
	if _, err := v.take(s); err != nil {
		return e, err
	}
	return p.Entries[0], nil
}

func (r *reader) horizonBounds() (lower, upper []byte) {
	lower = r.keys.meta(metaHorizon)
	return lower, append(lower[:len(lower):len(lower)], 0)
}

// horizonOf reads the horizon with an iterator that is bounded to its key: 8
// bytes, big endian; an absent one is 1.
func horizonOf(it *pebble.Iterator) (messages.TrimmableID, error) {
	if !it.First() {
		return 1, it.Error()
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, messages.Corrupt("horizon", "%d bytes, want 8", len(value))
	}
	return messages.TrimmableID(binary.BigEndian.Uint64(value)), nil
}

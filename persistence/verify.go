package persistence

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

// Report is what Verify found.
type Report struct {
	// Permanent and Trimmable are the entries that were read and decoded.
	Permanent uint64 `json:"permanent"`
	Trimmable uint64 `json:"trimmable"`
	// Records are the other keys that were read, but for the dictionary's and
	// the application's.
	Records uint64 `json:"records"`
	// Problems found, none in a sound store: at most [MaxProblems].
	Problems []error `json:"-"`
}

// MaxProblems bounds a [Report]; the last one says that there are more.
const MaxProblems = 1000

// Err returns the first problem, nil in a sound store.
func (r *Report) Err() error {
	if len(r.Problems) == 0 {
		return nil
	}
	return r.Problems[0]
}

// verifier reads one view of the store and collects what contradicts itself.
type verifier struct {
	store   *Store
	snap    *pebble.Snapshot
	heads   Heads
	horizon messages.TrimmableID
	report  Report
	// named is the highest number of the dictionary.
	named uint32
	// followers are the numbers that have a cursor, with their log.
	followers map[uint32]Cursor
}

// Verify verifies a store that is not open, also one that Open refuses because
// it contradicts itself: why it does so comes first in the report, and may be
// said once more by what is found in reading. Errors: those of Open, where the
// database itself does not open or holds no store, and of [Store.Verify].
func Verify(ctx context.Context, c Config) (report Report, err error) {
	c.ReadOnly, c.doubtful = true, true
	s, err := Open(c)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	return s.Verify(ctx)
}

// Verify reads the whole store: ids contiguous in both logs up to the heads,
// ordering times that never decrease, every record decodable and of a type that
// the dictionary names without a gap, cursors and parked entries within bounds,
// staged records of this epoch or before, idempotency receipts below the heads.
// Pebble verifies the checksum of every block on the way. It reports all it
// finds and changes nothing; what is appended meanwhile is not looked at.
//
// Errors: ctx's error, [messages.ErrClosed]; what is wrong with the store is
// in the report.
func (s *Store) Verify(ctx context.Context) (Report, error) {
	if err := s.use(); err != nil {
		return Report{}, err
	}
	defer s.users.Done()
	v := &verifier{store: s, snap: s.db.NewSnapshot(), followers: map[uint32]Cursor{}}
	defer v.snap.Close()
	for _, doubt := range s.doubts {
		v.problem(doubt)
	}
	for _, part := range []func(context.Context) error{
		v.marks, v.dictionary, v.permanent, v.trimmable, v.cursors, v.perFollower, v.staged, v.receipts, v.application,
	} {
		if err := part(ctx); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
}

func (v *verifier) problem(err error) {
	switch n := len(v.report.Problems); {
	case n < MaxProblems-1:
		v.report.Problems = append(v.report.Problems, err)
	case n == MaxProblems-1:
		v.report.Problems = append(v.report.Problems, messages.Corrupt("store", "more than %d problems", n))
	}
}

func (v *verifier) wrong(what, format string, args ...any) {
	v.problem(messages.Corrupt(what, format, args...))
}

// walk visits a space; a read error ends it and is a problem of its own.
func (v *verifier) walk(ctx context.Context, space byte, visit func(body, value []byte)) error {
	lower, upper := v.store.keys.bounds(space)
	it, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	n := 0
	for valid := it.First(); valid; valid = it.Next() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return closing(it, ctx.Err())
		}
		value, err := it.ValueAndErr()
		if err != nil {
			v.problem(fmt.Errorf("space %c: %w", space, broken(err)))
			break
		}
		visit(it.Key(), value)
	}
	if err := closing(it, nil); err != nil {
		v.problem(fmt.Errorf("space %c: %w", space, err))
	}
	return nil
}

func (v *verifier) marks(context.Context) error {
	b, err := get(v.snap, v.store.keys.meta(metaHeads))
	if err != nil {
		return err
	}
	v.heads = Heads{Event: 1, Trimmable: 1}
	if b != nil {
		if v.heads, err = decodeHeads(b); err != nil {
			v.problem(err)
		}
	}
	v.horizon = 1
	b, err = get(v.snap, v.store.keys.meta(metaHorizon))
	if err == nil && len(b) == 8 {
		v.horizon = messages.TrimmableID(binary.BigEndian.Uint64(b))
	}
	if v.horizon > v.heads.Trimmable {
		v.wrong("horizon", "%v is above the head %v", v.horizon, v.heads.Trimmable)
	}
	return err
}

// dictionary checks that type numbers are contiguous from 1, and name what they
// name in memory.
func (v *verifier) dictionary(ctx context.Context) error {
	return v.walk(ctx, spaceType, func(key, value []byte) {
		number, _, err := v.store.keys.parseNumber(key, 0)
		var name typeName
		if err == nil {
			name, err = decodeTypeName(value)
		}
		if err != nil {
			v.problem(err)
			return
		}
		if number != v.named+1 {
			v.wrong("dictionary", "type %d follows %d", number, v.named)
		}
		v.named = number
		if known, ok := v.store.types.name(number); ok && known != name {
			v.wrong("dictionary", "type %d is %q of %q, in memory %q of %q", number, name.Kind, name.Module, known.Kind, known.Module)
		}
	})
}

// application reads what is the program's and says nothing to the bus, for the
// checksums.
func (v *verifier) application(ctx context.Context) error {
	return v.walk(ctx, spaceApplication, func(_, _ []byte) {})
}

// permanent checks ids, times and records of the permanent log.
func (v *verifier) permanent(ctx context.Context) error {
	var last entryKey
	err := v.walk(ctx, spacePermanent, func(key, value []byte) {
		k, ok := v.entry(messages.Permanent, spacePermanent, key, value)
		if !ok {
			return
		}
		v.report.Permanent++
		if k.id != last.id+1 {
			v.wrong("permanent log", "entry %v follows %v", k.id, last.id)
		}
		if k.tid <= last.tid || k.ordered < last.ordered {
			v.wrong("permanent log", "entry %v has trimmable id %v at %d, the one before %v at %d", k.id, k.tid, k.ordered, last.tid, last.ordered)
		}
		last = k
	})
	if last.id != v.heads.Event-1 {
		v.wrong("permanent log", "last entry is %v, head %v", last.id, v.heads.Event)
	}
	return err
}

// trimmable checks that both spaces together hold every id from the horizon
// to the head once.
func (v *verifier) trimmable(ctx context.Context) error {
	next := v.horizon
	var ordered uint64
	page := Page{}
	r := reader{db: v.snap, keys: v.store.keys, types: &v.store.types}
	for next < v.heads.Trimmable {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := r.readPage(&page, PageQuery{
			Log: messages.TrimmableLog, From: uint64(next), To: uint64(v.heads.Trimmable), Hint: page.Hint, MaxEntries: 1024,
		})
		for i := range page.Entries {
			v.report.Trimmable++
			if at := nanosecondsOf(&page.Entries[i]); at < ordered {
				v.wrong("trimmable log", "entry %v was ordered before the one before it", page.Entries[i].TrimmableID)
			} else {
				ordered = at
			}
		}
		if err != nil {
			v.problem(err)
			next = max(messages.TrimmableID(page.Next), next) + 1
			page.Hint = 0
			continue
		}
		next = messages.TrimmableID(page.Next)
	}
	return v.walk(ctx, spaceTrimmable, func(key, value []byte) {
		k, ok := v.entry(messages.TrimmableLog, spaceTrimmable, key, value)
		if ok && (k.tid < v.horizon || k.tid >= v.heads.Trimmable) {
			v.wrong("trimmable log", "entry %v lies outside [%v, %v)", k.tid, v.horizon, v.heads.Trimmable)
		}
	})
}

func nanosecondsOf(e *messages.Entry) uint64 { return uint64(e.Ordered.UnixNano()) }

// entry decodes one entry; what is wrong with it is a problem.
func (v *verifier) entry(log messages.Log, space byte, key, value []byte) (entryKey, bool) {
	k, err := v.store.keys.parseEntry(space, key)
	if err != nil {
		v.problem(err)
		return k, false
	}
	var e messages.Entry
	if err := decodeEntry(&e, log, k, value, &v.store.types); err != nil {
		v.problem(fmt.Errorf("%v entry %v/%v: %w", log, k.id, k.tid, err))
	} else if k.typ > v.named {
		v.wrong("dictionary", "%v entry %v/%v is of type %d, the last that has a name is %d", log, k.id, k.tid, k.typ, v.named)
	}
	return k, true
}

func (v *verifier) cursors(ctx context.Context) error {
	names := map[string]uint32{}
	return v.walk(ctx, spaceCursor, func(key, value []byte) {
		v.report.Records++
		number, _, err := v.store.keys.parseNumber(key, 0)
		var c Cursor
		if err == nil {
			c, err = decodeCursor(number, value)
		}
		if err != nil {
			v.problem(err)
			return
		}
		v.followers[number] = c
		if other, ok := names[c.Name]; ok {
			v.wrong("cursor", "followers %d and %d are both %q", other, number, c.Name)
		}
		names[c.Name] = number
		if head := v.heads.of(c.Log); c.Next < 1 || c.Next > head {
			v.wrong("cursor", "follower %q stands at %d, head is %d", c.Name, c.Next, head)
		}
	})
}

// perFollower checks the records that hang on a follower's number.
func (v *verifier) perFollower(ctx context.Context) error {
	for space, rest := range map[byte]int{spaceParked: 8, spaceControl: 0, spaceState: 0} {
		err := v.walk(ctx, space, func(key, value []byte) {
			v.report.Records++
			number, behind, err := v.store.keys.parseNumber(key, rest)
			if err != nil {
				v.problem(err)
				return
			}
			c, ok := v.followers[number]
			if !ok {
				v.wrong("follower", "space %c has a key of number %d, which has no cursor", space, number)
				return
			}
			switch space {
			case spaceParked:
				v.parked(c, binary.BigEndian.Uint64(behind), value)
			case spaceControl:
				if _, err := decodeControl(value); err != nil {
					v.problem(err)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) parked(c Cursor, id uint64, value []byte) {
	p, err := decodeParked(id, value)
	switch {
	case err != nil:
		v.problem(fmt.Errorf("follower %q: %w", c.Name, err))
	case id >= v.heads.of(c.Log):
		v.wrong("parked entry", "follower %q parked %d, head is %d", c.Name, id, v.heads.of(c.Log))
	case c.Log == messages.TrimmableLog && p.Entry == nil:
		v.wrong("parked entry", "follower %q parked trimmable entry %d without its bytes", c.Name, id)
	}
}

func (v *verifier) staged(ctx context.Context) error {
	return v.walk(ctx, spaceStaged, func(key, value []byte) {
		v.report.Records++
		epoch, counter, err := v.store.keys.parseNumber(key, 8)
		if err != nil {
			v.problem(err)
			return
		}
		id := StagedID{epoch, binary.BigEndian.Uint64(counter)}
		if id.Epoch > v.store.epoch || id.Counter == 0 {
			v.wrong("staged record", "%v, the epoch is %d", id, v.store.epoch)
		}
		if _, err := decodeStaged(id, value); err != nil {
			v.problem(err)
		}
	})
}

func (v *verifier) receipts(ctx context.Context) error {
	return v.walk(ctx, spaceKey, func(key, value []byte) {
		v.report.Records++
		a, err := decodeAppended(value)
		if err != nil {
			v.problem(err)
			return
		}
		if r := a.Receipt; r.LastEvent >= v.heads.Event || r.LastTrimmable >= v.heads.Trimmable {
			v.wrong("idempotency key", "stands for entries up to %v and %v, heads are %v and %v", r.LastEvent, r.LastTrimmable, v.heads.Event, v.heads.Trimmable)
		}
	})
}

package retinue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Query chooses entries of one log. The zero Query is the whole permanent log.
type Query struct {
	// Log to read.
	Log messages.Log
	// From and To bound the ids: [From, To). Nil means the horizon, wherever
	// the trimmer has moved it until the first entry is read (in reverse: until
	// the end), and the durable head; a receipt stands for its first id as
	// From, and for the place behind its last as To.
	From, To messages.Position
	// Since and Until bound the ordering time: [Since, Until). Zero is no
	// bound. They are found by binary search.
	Since, Until time.Time
	// Filter of the entries. Its event times are looked at entry by entry;
	// Since and Until beside them keep the scan short.
	Filter messages.Filter
	// Reverse reads from the highest id down.
	Reverse bool
	// Limit is how many entries at most; 0 is no limit for Entries, and 100
	// for Page.
	Limit int
	// Stats, if not nil, is added to as the query reads. It is the query's
	// until the reading has ended.
	Stats *ReadStats
}

// ReadStats is what a query has cost.
type ReadStats = persistence.ReadStats

// Page is a bounded part of a log.
type Page struct {
	// Entries are the caller's.
	Entries []messages.Entry
	// Next continues the query: as its From, or as its To in reverse. It is
	// nil when the query is exhausted; a page without entries and with a Next
	// is not the end.
	Next messages.Position
	// Head is the durable head of the log, Horizon its lowest id.
	Head, Horizon uint64
}

const (
	readEntries  = 256
	readBytes    = 1 << 20
	readScan     = 64 << 10
	defaultLimit = 100
	// largestLimit bounds a Page.
	largestLimit = 10_000
)

// Entries reads the log in bounded memory, whatever its length, up to the
// durable head at the time of the call. Entries are valid until the next one
// is taken; Clone keeps them. Unfiltered, it checks that ids are contiguous.
//
// Errors, yielded last: [messages.TrimmedError] where From is below the
// horizon, or the trimmer has overtaken the reader;
// [messages.ErrNotInLog] for a bound of the other log;
// [messages.CorruptError], [messages.ErrReentrant], [messages.ErrClosed], or
// ctx's error.
func (b *Bus) Entries(ctx context.Context, q Query) iter.Seq2[messages.Entry, error] {
	return func(yield func(messages.Entry, error) bool) {
		r, err := b.read(q)
		for left := q.Limit; err == nil && r.more(); {
			if err = ctx.Err(); err != nil {
				break
			}
			if err = r.page(left); err != nil {
				break
			}
			for i := range r.read.Entries {
				if !yield(r.read.Entries[i], nil) {
					return
				}
			}
			if q.Limit > 0 {
				if left -= len(r.read.Entries); left <= 0 {
					return
				}
			}
		}
		if err != nil {
			yield(messages.Entry{}, err)
		}
	}
}

// Page reads a bounded part of the log, at most 10,000 entries. Errors: those
// of Entries.
func (b *Bus) Page(ctx context.Context, q Query) (Page, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, largestLimit)
	r, err := b.read(q)
	if err != nil {
		return Page{}, err
	}
	p := Page{Head: r.head}
	for r.more() && len(p.Entries) < limit {
		if err := ctx.Err(); err != nil {
			return Page{}, err
		}
		if err := r.page(limit - len(p.Entries)); err != nil {
			return Page{}, err
		}
		for i := range r.read.Entries {
			p.Entries = append(p.Entries, r.read.Entries[i].Clone())
		}
	}
	p.Horizon = r.low
	if r.more() {
		next := r.query.From
		if q.Reverse {
			next = r.query.To
		}
		p.Next = position(q.Log, next)
	}
	return p, nil
}

// Entry returns one entry of a log, the first where at is a receipt. It is the
// caller's.
//
// Errors: [messages.ErrOutOfRange] for an id that was not given yet or is not
// durable, [messages.TrimmedError], [messages.ErrNotInLog],
// [messages.CorruptError], [messages.ErrReentrant], [messages.ErrClosed].
func (b *Bus) Entry(log messages.Log, at messages.Position) (messages.Entry, error) {
	if err := b.engine.Readable("read"); err != nil {
		return messages.Entry{}, err
	}
	id, _, err := messages.Span(at, log)
	if err != nil {
		return messages.Entry{}, err
	}
	marks := b.engine.Durable()
	if head := marks.Head(log); id >= head {
		return messages.Entry{}, fmt.Errorf("entry %d of the %v log, whose head is %d: %w", id, log, head, messages.ErrOutOfRange)
	}
	return b.store.Entry(log, id)
}

// reading is a query under way.
//
// Invariant: [query.From, query.To) is what is still to be read.
type reading struct {
	store     *persistence.Store
	query     persistence.PageQuery
	read      persistence.Page
	low, head uint64
	stats     *ReadStats
	// floating: query.From stands for the horizon, wherever that is by now.
	// Forward it is taken at its word with the first page.
	floating bool
}

func (b *Bus) read(q Query) (*reading, error) {
	if err := b.engine.Readable("read"); err != nil {
		return nil, err
	}
	marks := b.engine.Durable()
	r := &reading{store: b.store, low: marks.Low(q.Log), head: marks.Head(q.Log), stats: q.Stats, floating: q.From == nil}
	from, to := r.low, r.head
	if q.From != nil {
		first, _, err := messages.Span(q.From, q.Log)
		if err != nil {
			return nil, err
		}
		if q.Log == messages.TrimmableLog && first < from {
			return nil, &messages.TrimmedError{Wanted: messages.TrimmableID(first), Horizon: messages.TrimmableID(from)}
		}
		from = first
	}
	if q.To != nil {
		first, last, err := messages.Span(q.To, q.Log)
		if err != nil {
			return nil, err
		}
		if last != first || isReceipt(q.To) {
			last++
		}
		to = min(to, last)
	}
	var err error
	if !q.Since.IsZero() {
		if from, err = b.store.SeekTime(q.Log, q.Since, from, to, q.Stats); err != nil {
			return nil, err
		}
	}
	if !q.Until.IsZero() {
		if to, err = b.store.SeekTime(q.Log, q.Until, from, to, q.Stats); err != nil {
			return nil, err
		}
	}
	r.query = persistence.PageQuery{
		Log: q.Log, From: from, To: to, Reverse: q.Reverse, Selection: b.store.Select(q.Filter),
		MaxBytes: readBytes, MaxScan: readScan,
	}
	return r, nil
}

func isReceipt(p messages.Position) bool {
	_, ok := p.(messages.Receipt)
	return ok
}

func (r *reading) more() bool { return r.query.From < r.query.To }

// page reads up to left entries, all that fit where left is not above 0.
func (r *reading) page(left int) error {
	r.query.MaxEntries = readEntries
	if left > 0 {
		r.query.MaxEntries = min(left, readEntries)
	}
	err := r.readPage()
	for trimmed := (*messages.TrimmedError)(nil); r.floating && errors.As(err, &trimmed); {
		r.low = uint64(trimmed.Horizon)
		r.query.From = r.low
		err = r.readPage()
	}
	if err != nil {
		return fmt.Errorf("read %v log [%d, %d): %w", r.query.Log, r.query.From, r.query.To, err)
	}
	r.floating = r.floating && r.query.Reverse
	r.query.Hint = r.read.Hint
	if r.query.Reverse {
		r.query.To = r.read.Next
	} else {
		r.query.From = r.read.Next
	}
	return nil
}

func (r *reading) readPage() error {
	err := r.store.ReadPage(&r.read, r.query)
	r.stats.Add(r.read.Read)
	return err
}

func position(log messages.Log, id uint64) messages.Position {
	if log == messages.Permanent {
		return messages.EventID(id)
	}
	return messages.TrimmableID(id)
}

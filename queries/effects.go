package queries

import (
	"context"
	"errors"
	"iter"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Effects yields what reactions appended because of an entry: what they
// appended in reaction to it at depth 1, in reaction to that at depth 2, and so
// on; of both logs and in their order, so that a cause comes before its
// effects. The cause of a link is its Entry.Cause, which makes a tree of them.
//
// It is one scan of the trimmable log from the entry on, to the head or to
// q.Until, and remembers one id per effect that was found. q.Filter and q.Limit
// say which and how many of them are yielded; all are followed. No other field
// of q but Stats may be set.
//
// Where the trimmer has passed the entry, a link that says so comes before what
// is left: it carries the last id that is gone. Trimmable effects up to there,
// and what came of them in turn, cannot be told; permanent effects of permanent
// ones can, and are read from the permanent log.
//
// Errors, yielded last: [messages.InvalidError] for a field of q that may not
// be set, [messages.ErrOutOfRange] and [messages.TrimmedError] where the entry
// itself is not there, and those of [retinue.Bus.Entries].
func Effects(ctx context.Context, bus Source, at messages.Position, q retinue.Query) iter.Seq2[Link, error] {
	return func(yield func(Link, error) bool) {
		root, err := entryAt(bus, at)
		if err == nil {
			err = mayBound(q)
		}
		if err != nil {
			yield(Link{}, err)
			return
		}
		w := &walk{
			query: q, yield: yield, left: q.Limit,
			depths: map[messages.TrimmableID]int{root.TrimmableID: 0},
			next:   root.TrimmableID + 1, nextEvent: root.ID + 1,
		}
		if err := w.run(ctx, bus); err != nil && !errors.Is(err, errEnough) {
			yield(Link{}, err)
		}
	}
}

func mayBound(q retinue.Query) error {
	if q.Log != messages.Permanent || q.From != nil || q.To != nil || !q.Since.IsZero() || q.Reverse {
		return messages.Invalid("query", "effects are read forward from their cause: only Until, Filter, Limit and Stats may be set")
	}
	return nil
}

// errEnough ends a walk that was asked for no more.
var errEnough = errors.New("queries: enough")

// walk is a search for effects under way.
//
// Invariants: depths holds the entry that was asked about and all its effects
// below next; nextEvent is at most the first permanent entry at or behind next.
type walk struct {
	query     retinue.Query
	yield     func(Link, error) bool
	left      int // links still to be yielded; 0 is no limit
	depths    map[messages.TrimmableID]int
	next      messages.TrimmableID
	nextEvent messages.EventID
}

// run reads the trimmable log, and where the trimmer was faster the permanent
// one up to the horizon.
func (w *walk) run(ctx context.Context, bus Source) error {
	q := retinue.Query{Until: w.query.Until, Stats: w.query.Stats}
	for {
		q.Log, q.From = messages.TrimmableLog, w.next
		err := w.scan(bus.Entries(ctx, q), 0)
		trimmed := (*messages.TrimmedError)(nil)
		if !errors.As(err, &trimmed) {
			return err
		}
		if !w.yield(gone(trimmed.Horizon-1, 0), nil) {
			return errEnough
		}
		q.Log, q.From = messages.Permanent, w.nextEvent
		if err := w.scan(bus.Entries(ctx, q), trimmed.Horizon); err != nil {
			return err
		}
		w.next = max(w.next, trimmed.Horizon)
	}
}

// scan looks at entries below until, 0 for all.
func (w *walk) scan(entries iter.Seq2[messages.Entry, error], until messages.TrimmableID) error {
	for e, err := range entries {
		if err != nil {
			return err
		}
		if until != 0 && e.TrimmableID >= until {
			return nil
		}
		if e.TrimmableID < w.next {
			continue
		}
		if err := w.look(e); err != nil {
			return err
		}
		w.next = e.TrimmableID + 1
		if e.ID != 0 {
			w.nextEvent = e.ID + 1
		}
	}
	return nil
}

func (w *walk) look(e messages.Entry) error {
	if e.Cause == (messages.Cause{}) {
		return nil
	}
	depth, ours := w.depths[e.Cause.TrimmableID]
	if !ours {
		return nil
	}
	w.depths[e.TrimmableID] = depth + 1
	if !w.query.Filter.Match(e) {
		return nil
	}
	if !w.yield(Link{Entry: e.Clone(), Depth: depth + 1}, nil) {
		return errEnough
	}
	if w.left--; w.left == 0 {
		return errEnough
	}
	return nil
}

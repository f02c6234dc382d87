package queries

import (
	"context"
	"errors"
	"iter"

	"github.com/retinue-go/retinue/messages"
)

// Why yields the chain of causes of an entry: the entry itself at depth 0, the
// one that a reaction was reacting to when it appended it at depth 1, and so on
// back to one that a program appended by itself. The logs are crossed where the
// causes cross them. Where a cause was trimmed, a link that says so and knows
// the id alone is the last.
//
// It costs one look-up per link. Errors, yielded last:
// [messages.ErrOutOfRange] and [messages.TrimmedError] where the entry itself
// is not there, and those of [retinue.Bus.Entry]; [messages.CorruptError] for a
// cause that does not lie before its effect; ctx's error.
func Why(ctx context.Context, bus Source, at messages.Position) iter.Seq2[Link, error] {
	return func(yield func(Link, error) bool) {
		e, err := entryAt(bus, at)
		for depth := 0; err == nil; depth++ {
			if !yield(Link{Entry: e, Depth: depth}, nil) || e.Cause == (messages.Cause{}) {
				return
			}
			cause := e.Cause
			if cause.TrimmableID >= e.TrimmableID {
				err = messages.Corrupt("cause", "entry %d has the later %d for its cause", e.TrimmableID, cause.TrimmableID)
				break
			}
			if err = ctx.Err(); err != nil {
				break
			}
			if e, err = causeOf(bus, cause); errors.Is(err, messages.ErrTrimmed) {
				yield(gone(cause.TrimmableID, depth+1), nil)
				return
			}
		}
		yield(Link{}, err)
	}
}

func causeOf(bus Source, c messages.Cause) (messages.Entry, error) {
	if c.ID != 0 {
		return entryAt(bus, c.ID)
	}
	return entryAt(bus, c.TrimmableID)
}

package join

import (
	"context"
	"iter"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Each joins the entries of a query in one pass, in the memory of the open
// lefts, and yields what became of each. The types to read are the join's; the
// query says which log, from where to where, and what to leave out.
//
// What is still open at the end of the query is judged by its Until, by the
// last entry where it has a To, and else by the present: a left whose window
// has ended by then is [TimedOut], another [Open]. The lefts before the query's
// beginning are not seen, so their rights are [Unmatched].
//
// An entry that does not decode is yielded with its [messages.DecodeError] as
// LeftEntry or RightEntry, takes no part, and does not end the sequence.
//
// Any other error comes last: [messages.InvalidError] for a join that is not
// fit and for a query with Reverse, Limit or a filter of types, and those of
// [retinue.Bus.Entries].
func (j Join[L]) Each(ctx context.Context, bus *retinue.Bus, q retinue.Query) iter.Seq2[Result[L], error] {
	return func(yield func(Result[L], error) bool) {
		p, err := j.plan()
		if err == nil {
			err = p.restrict(&q)
		}
		if err != nil {
			yield(Result[L]{}, err)
			return
		}
		end := endOf(q)
		m := NewMatcher(p.window)
		give := func(pairs []Pair) (more bool) {
			for _, pair := range pairs {
				if !yield(result[L](p, pair)) {
					return false
				}
			}
			return true
		}
		for e, err := range bus.Entries(ctx, q) {
			if err != nil {
				yield(Result[L]{}, err)
				return
			}
			it, ok, err := p.item(e)
			switch {
			case err != nil:
				ok = yield(undecoded[L](it), err)
			case ok:
				ok = give(m.Add(it))
			default:
				ok = true
			}
			if !ok {
				return
			}
		}
		give(m.Finish(end))
	}
}

// endOf is the moment as of which a query is judged; zero is its last entry's.
func endOf(q retinue.Query) time.Time {
	now := time.Now()
	switch {
	case !q.Until.IsZero() && q.Until.Before(now):
		return q.Until
	case q.To != nil:
		return time.Time{}
	}
	return now
}

func undecoded[L messages.Event](it Item) Result[L] {
	if it.Right {
		return Result[L]{RightEntry: it.Entry}
	}
	return Result[L]{LeftEntry: it.Entry}
}

// restrict makes q a query for the types of the join. Errors:
// [messages.InvalidError].
func (p *plan) restrict(q *retinue.Query) error {
	switch {
	case q.Reverse:
		return messages.Invalid("join", "a query in reverse")
	case q.Limit != 0:
		return messages.Invalid("join", "a query with a limit of %d entries", q.Limit)
	case len(q.Filter.Modules)+len(q.Filter.Kinds)+len(q.Filter.Types) > 0:
		return messages.Invalid("join", "a query for types: they are those of the join")
	}
	if q.Log == messages.Permanent && p.log() != q.Log {
		return messages.Invalid("join", "one of its types is trimmable and never in the permanent log")
	}
	q.Filter.Types = p.types()
	return nil
}

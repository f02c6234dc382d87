package join

import (
	"context"
	"iter"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Each joins the entries of a query in one pass, in the memory of the open
// lefts, and yields what became of each. Of the query, Log, From, To, Since,
// Until and the filter's Instances count.
//
// What is still open at the end of the query is judged by its Until, by the
// last entry where it has a To, and else by the present: a left whose window
// has ended by then is [TimedOut], another [Open]. The lefts before the query's
// beginning are not seen, so their rights are [Unmatched].
//
// Errors, yielded last: [messages.InvalidError] for a join that is not fit and
// for a query with Reverse, Limit or another filter, [messages.DecodeError],
// and those of [retinue.Bus.Entries].
func (j Join[L]) Each(ctx context.Context, bus *retinue.Bus, q retinue.Query) iter.Seq2[Result[L], error] {
	return func(yield func(Result[L], error) bool) {
		if err := j.each(ctx, bus, q, func(r Result[L]) bool { return yield(r, nil) }); err != nil {
			yield(Result[L]{}, err)
		}
	}
}

func (j Join[L]) each(ctx context.Context, bus *retinue.Bus, q retinue.Query, yield func(Result[L]) bool) error {
	p, err := j.plan()
	if err == nil {
		err = p.restrict(&q)
	}
	if err != nil {
		return err
	}
	end := time.Now()
	switch {
	case !q.Until.IsZero() && q.Until.Before(end):
		end = q.Until
	case q.To != nil:
		end = time.Time{}
	}
	m := NewMatcher(p.window)
	give := func(pairs []Pair) (more bool, err error) {
		for _, pair := range pairs {
			r, err := result[L](p, pair)
			if err != nil || !yield(r) {
				return false, err
			}
		}
		return true, nil
	}
	for e, err := range bus.Entries(ctx, q) {
		if err != nil {
			return err
		}
		it, ok, err := p.item(e)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if more, err := give(m.Add(it)); err != nil || !more {
			return err
		}
	}
	_, err = give(m.Finish(end))
	return err
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
	for _, s := range p.sides {
		if q.Log == messages.Permanent && s.typ.Persistence == messages.Trimmable {
			return messages.Invalid("join", "%v is trimmable and never in the permanent log", s.typ)
		}
	}
	q.Filter.Types = p.types()
	return nil
}

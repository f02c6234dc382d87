package queries

import (
	"context"
	"iter"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Decoded is an entry with its event.
type Decoded[E messages.Event] struct {
	// Entry is valid until the next one is taken; Clone keeps it.
	Entry messages.Entry
	// Event shares no memory with the entry; zero where it did not decode.
	Event E
}

// Each yields the entries of E's module and kind that q chooses, older
// versions included where E is a [messages.Upcaster]. The filter of q narrows
// further; one that excludes E's kind yields nothing.
//
// An entry that does not decode is yielded with its [messages.DecodeError],
// and does not end the sequence: the loop decides. It returns the error, goes
// on to leave the entry out, or works with Entry.Payload as it is.
//
// Any other error comes last: those of [retinue.Bus.Entries], and
// [messages.InvalidError] for an E that [messages.DescribeOf] refuses or that
// the log of q never holds.
func Each[E messages.Event](ctx context.Context, bus Source, q retinue.Query) iter.Seq2[Decoded[E], error] {
	return func(yield func(Decoded[E], error) bool) {
		q, err := of[E](q)
		if err != nil {
			yield(Decoded[E]{}, err)
			return
		}
		for entry, err := range bus.Entries(ctx, q) {
			d := Decoded[E]{Entry: entry}
			if err == nil {
				d.Event, err = messages.Decode[E](entry)
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// of narrows q to the kind of E.
func of[E messages.Event](q retinue.Query) (retinue.Query, error) {
	d, err := messages.DescribeOf[E]()
	if err != nil {
		return q, err
	}
	switch {
	case d.Type.Persistence == messages.Transient:
		return q, messages.Invalid("query", "%v is transient and in no log", d.Type)
	case d.Type.Persistence == messages.Trimmable && q.Log == messages.Permanent:
		return q, messages.Invalid("query", "%v is trimmable and never in the permanent log", d.Type)
	}
	only := d.Type
	if !q.Filter.MatchType(only.Module, only.Kind) {
		only = messages.Type{} // no entry has it
	}
	q.Filter.Modules, q.Filter.Kinds, q.Filter.Types = nil, nil, []messages.Type{only}
	return q, nil
}

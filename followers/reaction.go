package followers

import "github.com/retinue-go/retinue/messages"

// Reaction is what a follower does with the entries of one kind. Make it with
// [On].
type Reaction struct {
	typ messages.Type
	// react calls otherwise where the turn's entry does not decode.
	react func(t *Turn, otherwise func(*Turn, error) error) error
	err   error
}

// On returns the reaction that decodes entries of E's module and kind, older
// versions included where E is a [messages.Upcaster], and calls react. For what does not decode see [Follower.Unknown].
//
// What is wrong with E or react is kept in the reaction and reported by
// [Follower.Plan], and so by whoever is given the follower: an interface
// type, an empty or overlong kind, a Transient type, which no log ever
// holds, a nil function.
func On[E messages.Event](react func(*Turn, E) error) Reaction {
	d, err := messages.DescribeOf[E]()
	if err != nil {
		return Reaction{err: err}
	}
	switch {
	case react == nil:
		return Reaction{typ: d.Type, err: messages.Invalid("reaction", "to %v: nil function", d.Type)}
	case d.Type.Persistence == messages.Transient:
		return Reaction{typ: d.Type, err: messages.Invalid("reaction", "%v is transient and in no log", d.Type)}
	}
	return Reaction{typ: d.Type, react: func(t *Turn, otherwise func(*Turn, error) error) error {
		e, err := messages.Decode[E](*t.entry)
		if err != nil {
			return otherwise(t, err)
		}
		return react(t, e)
	}}
}

// Type returns the type that the reaction reads, zero where [Reaction.Err]
// says that it could not be told.
func (r Reaction) Type() messages.Type { return r.typ }

// Err returns what is wrong with the reaction, nil where nothing is. Errors:
// [messages.InvalidError].
func (r Reaction) Err() error {
	if r.err == nil && r.react == nil {
		return messages.Invalid("reaction", "not made with On")
	}
	return r.err
}

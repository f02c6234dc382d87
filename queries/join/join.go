package join

import (
	"fmt"
	"slices"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// Join pairs the events of one type, the left, with those of one or more other
// types, the rights, that have the same key and come within a time. Left,
// Rights and Within must be set. It is a plain value and keeps nothing: use it
// as often as you like, from any goroutine, as far as its key functions allow.
type Join[L messages.Event] struct {
	// Left type and its key; see [On].
	Left Left[L]
	// Rights are the types that end what a left began; see [With].
	Rights []Right
	// Within is how long after its left a right may come, both ends included.
	// A right goes to the latest left of its key.
	Within time.Duration
	// Time to go by. Zero is [Ordered].
	Time Time
	// Lateness is how far behind the highest time seen an entry may come, for
	// [Event] time; results wait that long. One that is later is [Late].
	Lateness time.Duration
	// Many lets a left have any number of rights. Otherwise it has one, and
	// another right goes to the left before it that has none yet.
	Many bool
}

// Left is the left side of a join. Make it with [On].
type Left[L messages.Event] struct{ side side }

// Right is a right side of a join. Make it with [With].
type Right struct{ side side }

// On returns the left side that finds the key of a join in an L. An event
// whose key is empty takes no part.
//
// What is wrong with L or key - an interface type, a Transient type, which no
// log holds, a nil function - is reported where the join is used.
func On[L messages.Event](key func(L) string) Left[L] { return Left[L]{sideOf(key)} }

// With returns the right side that finds the key of a join in an R; see [On].
func With[R messages.Event](key func(R) string) Right { return Right{sideOf(key)} }

// Result is what became of an event. Each left and each right is in one
// result, but for the left of a join with Many, which is in one for each of
// its rights. The payloads of its entries are valid until the next result, in
// a follower until the turn ends.
type Result[L messages.Event] struct {
	// Outcome says which of the fields below are set.
	Outcome Outcome
	// Key of the events, never empty.
	Key string
	// Left event and its entry; zero for Unmatched, and for a Late right.
	Left      L
	LeftEntry messages.Entry
	// Right event, of the Go type that its [With] was made for: a type switch
	// tells which. Nil for TimedOut, Open and a Late left.
	Right      messages.Event
	RightEntry messages.Entry
	// Took is the time from left to right in the join's time, for Matched.
	Took time.Duration
}

// side decodes one type of a join.
type side struct {
	typ  messages.Type
	read func(messages.Entry) (event messages.Event, key string, err error)
	err  error
}

func sideOf[E messages.Event](key func(E) string) side {
	d, err := messages.DescribeOf[E]()
	switch {
	case err != nil:
		return side{err: err}
	case key == nil:
		return side{err: messages.Invalid("join", "%v: nil key function", d.Type)}
	case d.Type.Persistence == messages.Transient:
		return side{err: messages.Invalid("join", "%v is transient and in no log", d.Type)}
	}
	return side{typ: d.Type, read: func(e messages.Entry) (messages.Event, string, error) {
		event, err := messages.Decode[E](e)
		if err != nil {
			return nil, "", err
		}
		return event, key(event), nil
	}}
}

// plan is a checked join.
//
// Invariant: sides[0] is the left, and no two are of one module and kind.
type plan struct {
	window Window
	sides  []side
}

// plan checks j. Errors: [messages.InvalidError].
func (j Join[L]) plan() (*plan, error) {
	p := &plan{window: Window{Within: j.Within, Time: j.Time, Lateness: j.Lateness, Many: j.Many}}
	p.sides = append(p.sides, j.Left.side)
	for _, r := range j.Rights {
		p.sides = append(p.sides, r.side)
	}
	for i, s := range p.sides {
		name := "left"
		if i > 0 {
			name = fmt.Sprintf("right %d", i-1)
		}
		switch {
		case s.err != nil:
			return nil, &messages.InvalidError{What: "join", Why: name, Cause: s.err}
		case s.read == nil:
			return nil, messages.Invalid("join", "%s: not made with On or With", name)
		case slices.ContainsFunc(p.sides[:i], func(o side) bool { return o.reads(s.typ) }):
			return nil, messages.Invalid("join", "%s: %v is joined twice", name, s.typ)
		}
	}
	switch {
	case len(j.Rights) == 0:
		return nil, messages.Invalid("join", "no rights")
	case j.Within <= 0:
		return nil, messages.Invalid("join", "Within is %v, want above 0", j.Within)
	case j.Time > Event:
		return nil, messages.Invalid("join", "Time is %d, neither Ordered nor Event", j.Time)
	case j.Lateness < 0:
		return nil, messages.Invalid("join", "Lateness is %v, below 0", j.Lateness)
	case j.Lateness > 0 && j.Time == Ordered:
		return nil, messages.Invalid("join", "Lateness is %v: nothing is late in Ordered time", j.Lateness)
	}
	return p, nil
}

func (s side) reads(t messages.Type) bool { return s.typ.Module == t.Module && s.typ.Kind == t.Kind }

// types are those that the join reads.
func (p *plan) types() (all []messages.Type) {
	for _, s := range p.sides {
		all = append(all, s.typ)
	}
	return all
}

// log is the one that holds all types of the join.
func (p *plan) log() messages.Log {
	for _, s := range p.sides {
		if s.typ.Persistence == messages.Trimmable {
			return messages.TrimmableLog
		}
	}
	return messages.Permanent
}

// item decodes an entry; false where it takes no part.
func (p *plan) item(e messages.Entry) (it Item, ok bool, err error) {
	for i, s := range p.sides {
		if s.reads(e.Type) {
			event, key, err := s.read(e)
			return Item{Key: key, Right: i > 0, Entry: e, Event: event}, err == nil && key != "", err
		}
	}
	return Item{}, false, nil
}

// event decodes what item did not, or only before a restart.
func (p *plan) event(it *Item) (messages.Event, error) {
	if it.Event != nil {
		return it.Event, nil
	}
	for _, s := range p.sides {
		if s.reads(it.Entry.Type) {
			event, _, err := s.read(it.Entry)
			it.Event = event
			return event, err
		}
	}
	return nil, fmt.Errorf("entry %v of a type that is not joined any more: %w", it.Entry.Position(),
		messages.Invalid("join", "%v", it.Entry.Type))
}

// result tells a pair in the terms of a join.
func result[L messages.Event](p *plan, pair Pair) (r Result[L], err error) {
	r.Outcome, r.Took = pair.Outcome, pair.Took()
	if it := pair.Left; it != nil {
		event, err := p.event(it)
		if err != nil {
			return r, err
		}
		r.Key, r.Left, r.LeftEntry = it.Key, event.(L), it.Entry
	}
	if it := pair.Right; it != nil {
		r.Key, r.RightEntry = it.Key, it.Entry
		r.Right, err = p.event(it)
	}
	return r, err
}

package followers

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/retinue-go/retinue/messages"
)

// Plan is a checked [Follower], ready to run. It is not changed after it was
// made, so it may be shared; its React runs user code and is as safe for
// concurrent use as that is.
type Plan struct {
	// Follower as it was given; its Start holds an id of its Log where it was
	// a position.
	Follower
	wants     messages.Filter
	reactions map[kind]reader
	otherwise func(*Turn, error) error
}

// reader is the react of a [Reaction].
type reader = func(t *Turn, otherwise func(*Turn, error) error) error

// kind is what an entry and a reaction must share to meet.
type kind struct{ module, kind string }

// Plan checks f and prepares it to run. Errors: [messages.InvalidError] with
// What "follower"; where the start or a reaction is to blame, it unwraps to
// their error, [messages.ErrNotInLog] for a position of the other log.
func (f Follower) Plan() (*Plan, error) {
	if err := f.checkName(); err != nil {
		return nil, err
	}
	if err := f.checkBodies(); err != nil {
		return nil, err
	}
	if err := f.checkLimits(); err != nil {
		return nil, err
	}
	start, err := f.Start.in(f.Log)
	if err != nil {
		return nil, f.refuse("start", err)
	}
	f.Start = start
	reactions, err := f.reactions()
	if err != nil {
		return nil, err
	}
	return &Plan{Follower: f, wants: f.wants(), reactions: reactions, otherwise: f.unread}, nil
}

// Wants returns the filter of what must be delivered: Filter, narrowed to the
// types that the Reactions read unless [GiveRaw] wants the others too. Where
// the two have no type in common it passes nothing, and says so with the zero
// Type, which no entry has because a kind is never empty; an empty list would
// pass everything. The caller must not change it.
func (p *Plan) Wants() messages.Filter { return p.wants }

// React runs the turn's entry through Every, or through the reaction to its
// module and kind; what no reaction can read goes the way of Unknown. It
// allocates nothing of its own. It returns what the user's function returned,
// or [messages.DecodeError], and lets panics through. For a plan with Batch or
// Props, which the host calls itself, it panics.
func (p *Plan) React(t *Turn) error {
	if p.Every != nil {
		return p.Every(t)
	}
	if p.reactions == nil {
		panic("followers: React on a plan with Batch or Props")
	}
	react, ok := p.reactions[kind{t.entry.Type.Module, t.entry.Type.Kind}]
	switch {
	case ok:
		return react(t, p.otherwise)
	case p.Unknown == GiveRaw:
		return p.Raw(t)
	}
	return nil
}

// unread is Unknown for an entry that did not decode, and why.
func (f Follower) unread(t *Turn, why error) error {
	switch f.Unknown {
	case PassOver:
		t.passedOver = true
		return nil
	case GiveRaw:
		return f.Raw(t)
	}
	return why
}

func (f Follower) wants() messages.Filter {
	wants := f.Filter.Clone()
	if len(f.Reactions) == 0 || f.Raw != nil {
		return wants
	}
	var types []messages.Type
	for _, r := range f.Reactions {
		if f.Filter.MatchType(r.typ.Module, r.typ.Kind) {
			types = append(types, r.typ)
		}
	}
	if len(types) == 0 {
		types = []messages.Type{{}}
	}
	wants.Modules, wants.Kinds, wants.Types = nil, nil, types
	return wants
}

// reactions returns nil for a follower that has none.
func (f Follower) reactions() (map[kind]reader, error) {
	if len(f.Reactions) == 0 {
		return nil, nil
	}
	reactions := make(map[kind]reader, len(f.Reactions))
	for i, r := range f.Reactions {
		if err := r.Err(); err != nil {
			return nil, f.refuse(fmt.Sprintf("reaction %d", i), err)
		}
		if f.Log == messages.Permanent && r.typ.Persistence == messages.Trimmable {
			return nil, f.invalid("reaction %d: %v is trimmable and never in the permanent log", i, r.typ)
		}
		k := kind{r.typ.Module, r.typ.Kind}
		if reactions[k] != nil {
			return nil, f.invalid("reaction %d: there is one to %v already", i, r.typ)
		}
		reactions[k] = r.react
	}
	return reactions, nil
}

func (f Follower) checkName() error {
	switch {
	case f.Name == "":
		return f.invalid("the name is empty")
	case len(f.Name) > messages.MaxName:
		return f.invalid("the name has %d bytes, over %d", len(f.Name), messages.MaxName)
	case !utf8.ValidString(f.Name):
		return f.invalid("the name is not UTF-8")
	}
	return nil
}

func (f Follower) checkBodies() error {
	bodies := 0
	for _, set := range []bool{len(f.Reactions) > 0, f.Every != nil, f.Batch != nil, f.Props != nil} {
		if set {
			bodies++
		}
	}
	switch {
	case bodies != 1:
		return f.invalid("%d of Reactions, Every, Batch and Props are set, want exactly one", bodies)
	case f.CaughtUp != nil && f.Props != nil:
		return f.invalid("CaughtUp is set with Props, which get a message")
	case f.Unknown > GiveRaw:
		return f.invalid("Unknown is %d, none of FailTurn, PassOver and GiveRaw", f.Unknown)
	case f.Unknown != FailTurn && len(f.Reactions) == 0:
		return f.invalid("Unknown is %v without Reactions, which alone decode", f.Unknown)
	case (f.Raw != nil) != (f.Unknown == GiveRaw):
		return f.invalid("Unknown is %v and Raw set: %v; GiveRaw and Raw go together", f.Unknown, f.Raw != nil)
	}
	return nil
}

func (f Follower) checkLimits() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Timeout", f.Timeout},
		{"Restart.Initial", f.Restart.Initial},
		{"Restart.Max", f.Restart.Max},
	} {
		if d.value < 0 {
			return f.invalid("%s is %v, below 0", d.name, d.value)
		}
	}
	switch {
	case f.Restart.Max > 0 && f.Restart.Initial > f.Restart.Max:
		return f.invalid("Restart.Initial %v is over Restart.Max %v", f.Restart.Initial, f.Restart.Max)
	case f.Restart.Budget < 0:
		return f.invalid("Restart.Budget is %d, below 0", f.Restart.Budget)
	case f.Poison.After < 0:
		return f.invalid("Poison.After is %d, below 0", f.Poison.After)
	case f.Poison.Action > Park:
		return f.invalid("Poison.Action is %d, none of Halt, Skip and Park", f.Poison.Action)
	case f.Trimmed > Jump:
		return f.invalid("Trimmed is %d, neither Fail nor Jump", f.Trimmed)
	case f.Log > messages.TrimmableLog:
		return f.invalid("Log is %d, neither Permanent nor TrimmableLog", f.Log)
	}
	return nil
}

func (f Follower) invalid(format string, args ...any) error {
	return messages.Invalid("follower", "%q: "+format, append([]any{f.Name}, args...)...)
}

func (f Follower) refuse(part string, cause error) error {
	return &messages.InvalidError{What: "follower", Why: fmt.Sprintf("%q: %s", f.Name, part), Cause: cause}
}

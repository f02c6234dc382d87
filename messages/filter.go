package messages

import (
	"slices"
	"time"
)

// Filter chooses entries by what stands around the payload, without a look
// into it. Within a field any value matches, between fields all must; an empty
// field matches everything, and the zero Filter matches every entry.
//
// Modules, Kinds and Types skip whole blocks of the log; by the other fields
// every entry of the range that is left is looked at.
type Filter struct {
	// Modules to match. "" matches the application's own events.
	Modules []string
	// Kinds to match, in any of the modules.
	Kinds []string
	// Types to match by module and kind; persistence and version do not count.
	Types []Type
	// Instances to match.
	Instances []uint32
	// Correlations to match. "" matches entries without one.
	Correlations []string
	// HappenedSince and HappenedUntil bound [Entry.Time], when the event
	// happened: [HappenedSince, HappenedUntil). Zero is no bound.
	HappenedSince, HappenedUntil time.Time
}

// Match reports whether e passes the filter.
func (f Filter) Match(e Entry) bool {
	return f.MatchType(e.Type.Module, e.Type.Kind) && f.MatchInstance(e.Instance) &&
		f.MatchCorrelation(e.Correlation) && f.MatchTime(e.Time)
}

// MatchType reports whether entries of the module's kind can pass the filter.
func (f Filter) MatchType(module, kind string) bool {
	if len(f.Modules) > 0 && !slices.Contains(f.Modules, module) {
		return false
	}
	if len(f.Kinds) > 0 && !slices.Contains(f.Kinds, kind) {
		return false
	}
	return len(f.Types) == 0 || slices.ContainsFunc(f.Types, func(t Type) bool {
		return t.Module == module && t.Kind == kind
	})
}

// MatchInstance reports whether entries of the instance can pass the filter.
func (f Filter) MatchInstance(instance uint32) bool {
	return len(f.Instances) == 0 || slices.Contains(f.Instances, instance)
}

// MatchCorrelation reports whether entries of the correlation can pass the
// filter.
func (f Filter) MatchCorrelation(correlation string) bool {
	return len(f.Correlations) == 0 || slices.Contains(f.Correlations, correlation)
}

// MatchTime reports whether entries of events that happened at t can pass the
// filter.
func (f Filter) MatchTime(t time.Time) bool {
	return (f.HappenedSince.IsZero() || !t.Before(f.HappenedSince)) &&
		(f.HappenedUntil.IsZero() || t.Before(f.HappenedUntil))
}

// ByRecord reports whether f asks for more than the type.
func (f Filter) ByRecord() bool {
	return len(f.Instances)+len(f.Correlations) > 0 || !f.HappenedSince.IsZero() || !f.HappenedUntil.IsZero()
}

// All reports whether f passes every entry.
func (f Filter) All() bool {
	return len(f.Modules)+len(f.Kinds)+len(f.Types) == 0 && !f.ByRecord()
}

// Clone returns a filter that shares no memory with f.
func (f Filter) Clone() Filter {
	f.Modules, f.Kinds, f.Types = slices.Clone(f.Modules), slices.Clone(f.Kinds), slices.Clone(f.Types)
	f.Instances, f.Correlations = slices.Clone(f.Instances), slices.Clone(f.Correlations)
	return f
}

// Condition is a demand on the permanent log, checked by the writer in the
// moment of the append. Use [HeadIs] or [NoneSince].
//
// Invariant: Types is empty for a condition on the head.
type Condition struct {
	// At is the head that is demanded, or the id from which on no entry of
	// Types may stand.
	At EventID
	// Types that may not occur at or after At.
	Types []Type
}

// HeadIs demands that id is the next to be given in the permanent log.
func HeadIs(id EventID) Condition { return Condition{At: id} }

// NoneSince demands that the permanent log holds no entry of the types at or
// after id. Naming no type, or one that is not persistent, is refused with
// [InvalidError].
func NoneSince(id EventID, types ...Type) Condition {
	if types == nil {
		types = []Type{}
	}
	return Condition{At: id, Types: types}
}

// OnHead reports whether c was made by [HeadIs].
func (c Condition) OnHead() bool { return c.Types == nil }

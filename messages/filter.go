package messages

import "slices"

// Filter chooses entries by what their key and dictionary say, without a look
// at the payload. Within a field any value matches, between fields all must;
// an empty field matches everything, and the zero Filter matches every entry.
type Filter struct {
	// Modules to match. "" matches the application's own events.
	Modules []string
	// Kinds to match, in any of the modules.
	Kinds []string
	// Types to match by module and kind; persistence and version do not count.
	Types []Type
	// Instances to match.
	Instances []uint32
}

// Match reports whether e passes the filter.
func (f Filter) Match(e Entry) bool {
	return f.MatchType(e.Type.Module, e.Type.Kind) && f.MatchInstance(e.Instance)
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

// All reports whether f passes every entry.
func (f Filter) All() bool {
	return len(f.Modules)+len(f.Kinds)+len(f.Types)+len(f.Instances) == 0
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

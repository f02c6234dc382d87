package messages

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
	"unicode/utf8"
)

// Description is what a Go type says about its events.
type Description struct {
	Type Type
	// Codec that writes and reads its events, never nil: [JSON] where the type
	// is no [Coder].
	Codec Codec
}

// Describe returns what event's Go type says about it, looking into a
// [Draft]. Errors: [InvalidError] for a nil event, a nil pointer, a Draft
// without event or inside a Draft, a type that [DescribeOf] refuses, and a
// value whose EventType is not that of a fresh value.
//
// Describe is safe for concurrent use, as is DescribeOf; both look at a Go
// type once.
func Describe(event Event) (Description, error) {
	draft, err := asDraft(event)
	if err != nil {
		return Description{}, err
	}
	d, err := describeValue(draft.Event)
	if err != nil {
		return Description{}, err
	}
	return d.Description, nil
}

// description is a Description with the name of its codec.
type description struct {
	Description
	codec string
}

// DescribeOf is [Describe] for a Go type. Errors: [InvalidError] for an
// interface, [Draft], an empty kind, names over [MaxName] bytes or not UTF-8,
// an unknown persistence, no codec or one without a proper name, a panic of
// EventType or EventCodec on a fresh value, and a module and kind that another
// Go type of this process has with another persistence.
func DescribeOf[E Event]() (Description, error) {
	d, err := describeType(reflect.TypeFor[E]())
	if err != nil {
		return Description{}, err
	}
	return d.Description, nil
}

// asDraft returns a draft that holds event, which is neither nil nor a draft.
func asDraft(event Event) (Draft, error) {
	draft := Draft{Event: event}
	switch e := event.(type) {
	case nil:
		return Draft{}, Invalid("event", "nil")
	case Draft:
		draft = e
	case *Draft:
		if e == nil {
			return Draft{}, Invalid("event", "nil %T", e)
		}
		draft = *e
	}
	switch draft.Event.(type) {
	case nil:
		return Draft{}, Invalid("event", "a Draft without event")
	case Draft, *Draft:
		return Draft{}, Invalid("event", "a Draft inside a Draft")
	}
	return draft, nil
}

func describeValue(event Event) (*description, error) {
	v := reflect.ValueOf(event)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, Invalid("event", "nil %T", event)
	}
	d, err := describeType(v.Type())
	if err != nil {
		return nil, err
	}
	got, err := eventType(event)
	if err != nil {
		return nil, &InvalidError{What: "event", Why: fmt.Sprintf("EventType of %T", event), Cause: err}
	}
	if got != d.Type {
		return nil, Invalid("event", "EventType of %T is %s, of a fresh one %s", event, spell(got), spell(d.Type))
	}
	return d, nil
}

// described remembers the types that were found good: reflect.Type to
// *description.
var described sync.Map

func describeType(t reflect.Type) (*description, error) {
	if known, ok := described.Load(t); ok {
		return known.(*description), nil
	}
	d, err := askFresh(t)
	if err != nil {
		return nil, err
	}
	if err := persistences.claim(t, d.Type); err != nil {
		return nil, err
	}
	known := &description{Description: d, codec: d.Codec.Name()}
	described.Store(t, known)
	return known, nil
}

func askFresh(t reflect.Type) (d Description, err error) {
	if t.Kind() == reflect.Interface {
		return d, Invalid("event type", "%v is an interface", t)
	}
	if t == reflect.TypeFor[Draft]() || t == reflect.TypeFor[*Draft]() {
		return d, Invalid("event type", "%v wraps events and is none", t)
	}
	event := fresh(t)
	if d.Type, err = eventType(event); err != nil {
		return d, &InvalidError{What: "event type", Why: fmt.Sprintf("EventType of a fresh %v", t), Cause: err}
	}
	if err = checkType(t, d.Type); err != nil {
		return d, err
	}
	d.Codec, err = codecOf(t, event)
	return d, err
}

// fresh returns the zero value of t, or a pointer to one where t is a pointer.
func fresh(t reflect.Type) Event {
	if t.Kind() == reflect.Pointer {
		return reflect.New(t.Elem()).Interface().(Event)
	}
	return reflect.Zero(t).Interface().(Event)
}

func eventType(event Event) (t Type, err error) {
	defer recovered(&err)
	return event.EventType(), nil
}

func checkType(t reflect.Type, typ Type) error {
	if typ.Kind == "" {
		return Invalid("event type", "%v has an empty kind", t)
	}
	if why := faultOfName(typ.Module); why != "" {
		return Invalid("event type", "%v: module %s", t, why)
	}
	if why := faultOfName(typ.Kind); why != "" {
		return Invalid("event type", "%v: kind %s", t, why)
	}
	if typ.Persistence > Transient {
		return Invalid("event type", "%v: unknown %v", t, typ.Persistence)
	}
	return nil
}

func codecOf(t reflect.Type, event Event) (Codec, error) {
	coder, ok := event.(Coder)
	if !ok {
		if reflect.PointerTo(t).Implements(reflect.TypeFor[Coder]()) {
			return nil, Invalid("event type", "only *%v has EventCodec", t)
		}
		return JSON, nil
	}
	var codec Codec
	var name string
	err := guard(func() error {
		if codec = coder.EventCodec(); codec != nil {
			name = codec.Name()
		}
		return nil
	})
	if err != nil {
		return nil, &InvalidError{What: "event type", Why: fmt.Sprintf("codec of a fresh %v", t), Cause: err}
	}
	if codec == nil {
		return nil, Invalid("event type", "%v has a nil codec", t)
	}
	if name == "" {
		return nil, Invalid("event type", "%v: codec %T has no name", t, codec)
	}
	if why := faultOfName(name); why != "" {
		return nil, Invalid("event type", "%v: name of its codec %s", t, why)
	}
	return codec, nil
}

// persistences holds, for each module and kind of this process, the one
// persistence that all its Go types share, and the Go type that came first.
var persistences claims

type claims struct {
	mu    sync.Mutex
	kinds map[moduleKind]claim
}

type moduleKind struct{ module, kind string }

type claim struct {
	persistence Persistence
	by          reflect.Type
}

func (c *claims) claim(t reflect.Type, typ Type) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := moduleKind{typ.Module, typ.Kind}
	first, taken := c.kinds[key]
	if taken && first.persistence != typ.Persistence {
		return Invalid("event type", "%v is %v in %v and %v in %v", typ, first.persistence, first.by, typ.Persistence, t)
	}
	if taken {
		return nil
	}
	if c.kinds == nil {
		c.kinds = make(map[moduleKind]claim)
	}
	c.kinds[key] = claim{typ.Persistence, t}
	return nil
}

// faultOfName says what is wrong with a name that will be stored; "" for
// nothing.
func faultOfName(name string) string {
	if len(name) > MaxName {
		return fmt.Sprintf("of %d bytes is over the limit of %d", len(name), MaxName)
	}
	if !utf8.ValidString(name) {
		return fmt.Sprintf("%q is not UTF-8", name)
	}
	return ""
}

func spell(t Type) string {
	return fmt.Sprintf("%v (%v, version %d)", t, t.Persistence, t.Version)
}

// guard runs f, a user's code, and returns its panic as a [PanicError].
func guard(f func() error) (err error) {
	defer recovered(&err)
	return f()
}

// recovered turns the panic of who deferred it into a [PanicError].
func recovered(err *error) {
	if value := recover(); value != nil {
		*err = &PanicError{Value: value, Stack: debug.Stack()}
	}
}

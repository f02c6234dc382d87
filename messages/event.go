package messages

import (
	"fmt"
	"time"
)

// Persistence says which logs keep an event, and for how long.
type Persistence uint8

const (
	// Persistent events are kept in the permanent log for ever and are read
	// in the trimmable log too. It is the zero value: forgetting the field
	// costs disk, never an event.
	Persistent Persistence = iota
	// Trimmable events are kept in the trimmable log until they are trimmed.
	Trimmable
	// Transient events are never written to disk; they reach the subscribers
	// of the moment and nobody else.
	Transient
)

// Type names a kind of event. Module and Kind are stored with every entry and
// are chosen by the author: renaming the Go type does not change them.
type Type struct {
	// Module owns the kind. It may be empty: the application's own event.
	// At most [MaxName] bytes of UTF-8.
	Module string
	// Kind is unique within its module; never empty, at most [MaxName] bytes
	// of UTF-8.
	Kind string
	// Persistence is the same for all Go types of one process that share
	// Module and Kind.
	Persistence Persistence
	// Version of the payload's schema, from 0. See [Upcaster].
	Version uint32
}

// MaxName is the longest module, kind, codec, correlation or follower name,
// in bytes.
const MaxName = 255

// Event is a Go value that can be appended. EventType is constant per Go
// type: it is asked of a fresh zero value too (where the type is a pointer,
// of one to a zero value), and both answers must agree.
//
// A trap of encoding/json: an event that embeds [time.Time], or any other type
// with a MarshalJSON, loses its other fields, because that method is promoted
// and becomes the event's own. Give the embedded field a name.
type Event interface {
	EventType() Type
}

// Coder is implemented by events that are not encoded as JSON. EventCodec is
// constant per Go type and is asked of a fresh value, like EventType.
type Coder interface {
	EventCodec() Codec
}

// Upcaster is implemented by events that can still read payloads of older
// versions. UpcastEvent turns a payload of version from into one of version
// from+1; [Decode] chains it up to the version of the Go type. It is asked of
// a fresh value. payload is the reader's: it is neither changed nor kept.
type Upcaster interface {
	UpcastEvent(from uint32, payload []byte) ([]byte, error)
}

// Draft is an event with the fields that most events leave out. It is taken
// wherever an [Event] is.
type Draft struct {
	Event
	// Instance of the module, for programs that run several.
	Instance uint32
	// Time is when the event happened; zero means the time of the call. Its
	// year must lie in [1, 9999]; it is kept in UTC, to the nanosecond.
	Time time.Time
	// Correlation joins the entries of one business process; at most
	// [MaxName] bytes of UTF-8.
	Correlation string
	// Headers carry trace context and the like. Keys and values are UTF-8;
	// they count against the size limit of the event.
	Headers map[string]string
}

// String returns "module/kind", or the kind alone for the application's own
// events.
func (t Type) String() string {
	if t.Module == "" {
		return t.Kind
	}
	return t.Module + "/" + t.Kind
}

// String returns "persistent", "trimmable" or "transient".
func (p Persistence) String() string {
	switch p {
	case Persistent:
		return "persistent"
	case Trimmable:
		return "trimmable"
	case Transient:
		return "transient"
	}
	return fmt.Sprintf("persistence(%d)", uint8(p))
}

// MarshalText returns String's name. Errors: [InvalidError] for an unknown
// persistence.
func (p Persistence) MarshalText() ([]byte, error) {
	if p > Transient {
		return nil, Invalid("persistence", "%d", uint8(p))
	}
	return []byte(p.String()), nil
}

// UnmarshalText takes what MarshalText returns. Errors: [InvalidError].
func (p *Persistence) UnmarshalText(text []byte) error {
	for known := Persistent; known <= Transient; known++ {
		if known.String() == string(text) {
			*p = known
			return nil
		}
	}
	return Invalid("persistence", "%q", text)
}

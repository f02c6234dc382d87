package messages

import (
	"fmt"
	"reflect"
	"strconv"
)

// Decode returns e's event as an E. Several Go types may decode one kind. It
// compares module and kind, version and codec, in this order, before it looks
// at the payload; a payload of an older version goes through E's [Upcaster].
// The event shares no memory with e.
//
// Decode allocates the event and what its codec allocates. Errors:
// [DecodeError]; [InvalidError] where [DescribeOf] refuses E.
func Decode[E Event](e Entry) (event E, err error) {
	d, err := DescribeOf[E]()
	if err != nil {
		return event, err
	}
	if e.Type.Module != d.Type.Module || e.Type.Kind != d.Type.Kind {
		return event, refusal(e, WrongType, d.Type.String(), e.Type.String())
	}
	if t := reflect.TypeFor[E](); t.Kind() == reflect.Pointer {
		into := reflect.New(t.Elem()).Interface()
		if err := decodeInto(e, d, into); err != nil {
			return event, err
		}
		return into.(E), nil
	}
	into := new(E)
	if err := decodeInto(e, d, into); err != nil {
		return event, err
	}
	return *into, nil
}

// decodeInto fills into, a pointer to a fresh value, from an entry of d's
// module and kind.
func decodeInto(e Entry, d Description, into any) error {
	caster, casts := into.(Upcaster)
	if e.Type.Version > d.Type.Version {
		return refusal(e, NewerVersion, version(d.Type.Version), version(e.Type.Version))
	}
	if e.Type.Version < d.Type.Version && !casts {
		return refusal(e, NoUpcast, version(d.Type.Version), version(e.Type.Version))
	}
	if name := d.Codec.Name(); e.Codec != name {
		return refusal(e, WrongCodec, name, e.Codec)
	}
	payload := e.Payload
	for v := e.Type.Version; v < d.Type.Version; v++ {
		err := guard(func() (err error) {
			payload, err = caster.UpcastEvent(v, payload)
			return err
		})
		if err != nil {
			return &DecodeError{At: e.Position(), Type: e.Type, Reason: UpcastFailed, Want: version(v + 1), Got: version(v), Cause: err}
		}
	}
	err := guard(func() error { return d.Codec.Decode(payload, into) })
	if err != nil {
		return &DecodeError{At: e.Position(), Type: e.Type, Reason: BadPayload, Cause: err}
	}
	return nil
}

func refusal(e Entry, reason DecodeReason, want, got string) error {
	return &DecodeError{At: e.Position(), Type: e.Type, Reason: reason, Want: want, Got: got}
}

func version(v uint32) string { return strconv.FormatUint(uint64(v), 10) }

// DecodeReason says why an entry did not decode.
type DecodeReason uint8

const (
	// WrongType: the entry is of another module or kind than the Go type.
	WrongType DecodeReason = iota + 1
	// NewerVersion: the entry's version is above the Go type's.
	NewerVersion
	// NoUpcast: the entry's version is below the Go type's, which is no
	// [Upcaster].
	NoUpcast
	// UpcastFailed: the type's [Upcaster] returned an error or panicked.
	UpcastFailed
	// WrongCodec: the entry was written by another codec than the Go type's.
	WrongCodec
	// BadPayload: the codec refused the payload or panicked.
	BadPayload
)

// String returns the reason in words.
func (r DecodeReason) String() string {
	switch r {
	case WrongType:
		return "wrong type"
	case NewerVersion:
		return "newer version"
	case NoUpcast:
		return "older version without upcaster"
	case UpcastFailed:
		return "upcast failed"
	case WrongCodec:
		return "wrong codec"
	case BadPayload:
		return "bad payload"
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// DecodeError is an entry that is not, or does not become, the event that was
// asked for. It is [ErrDecode] and unwraps to its cause.
type DecodeError struct {
	// At is the entry's place in the log that it was read from.
	At     Position
	Type   Type
	Reason DecodeReason
	// Want and Got are the types, versions or codecs that disagree: the Go
	// type's and the entry's, or the two versions between which an upcast
	// failed. Both are empty for a BadPayload.
	Want, Got string
	// Cause is what the codec or the upcaster returned, or a [PanicError];
	// nil where neither was asked.
	Cause error
}

func (e *DecodeError) Error() string {
	s := fmt.Sprintf("retinue: cannot decode entry %v (%v): %v", e.At, e.Type, e.Reason)
	if e.Want+e.Got != "" {
		s += fmt.Sprintf(": want %q, got %q", e.Want, e.Got)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}
func (e *DecodeError) Is(target error) bool { return target == ErrDecode }
func (e *DecodeError) Unwrap() error        { return e.Cause }

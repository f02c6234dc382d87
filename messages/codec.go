package messages

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Codec turns an event into bytes and back. Its name is stored with every
// entry, so it must not change. A codec is safe for concurrent use.
type Codec interface {
	// Name is stored; 1 to [MaxName] bytes of UTF-8.
	Name() string
	// Append appends the event's bytes to dst and returns the result.
	Append(dst []byte, event any) ([]byte, error)
	// Decode fills into, a pointer to a fresh value of the event's type.
	// payload is the reader's: what into keeps of it must be copied.
	Decode(payload []byte, into any) error
}

// JSON is the codec of events that are no [Coder]: encoding/json as it is,
// HTML escaping included. Its name is "json".
var JSON Codec = jsonCodec{}

// Raw is the codec of events whose underlying type is []byte: the payload is
// the event's bytes. Its name is "raw". An event without bytes decodes to nil.
var Raw Codec = rawCodec{}

type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

func (jsonCodec) Append(dst []byte, event any) ([]byte, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return dst, err
	}
	if len(dst) == 0 {
		return data, nil
	}
	return append(dst, data...), nil
}

func (jsonCodec) Decode(payload []byte, into any) error { return json.Unmarshal(payload, into) }

type rawCodec struct{}

func (rawCodec) Name() string { return "raw" }

func (rawCodec) Append(dst []byte, event any) ([]byte, error) {
	v := reflect.ValueOf(event)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !isBytes(v) {
		return dst, fmt.Errorf("raw codec: %T is not bytes", event)
	}
	return append(dst, v.Bytes()...), nil
}

func (rawCodec) Decode(payload []byte, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || !isBytes(v.Elem()) {
		return fmt.Errorf("raw codec: %T does not point to bytes", into)
	}
	v.Elem().SetBytes(append([]byte(nil), payload...))
	return nil
}

func isBytes(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8
}

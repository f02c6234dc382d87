package messages

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// maxInlineDepth is how deeply a payload may nest to be written inline.
// encoding/json reads 10,000 levels, and entries may stand inside other JSON.
const maxInlineDepth = 1000

const base64Payload = "base64"

// entryJSON is the JSON form of an entry, its keys in the order of the fields.
// Codec is left out for "json", PayloadEncoding for an inline payload.
type entryJSON struct {
	Log             Log         `json:"log"`
	ID              EventID     `json:"id,omitempty"`
	TrimmableID     TrimmableID `json:"trimmable_id"`
	Module          string      `json:"module"`
	Kind            string      `json:"kind"`
	Version         uint32      `json:"version"`
	Instance        uint32      `json:"instance"`
	Persistence     Persistence `json:"persistence"`
	Time            time.Time   `json:"time"`
	Ordered         time.Time   `json:"ordered"`
	Meta            *metaJSON   `json:"meta,omitempty"`
	Codec           *string     `json:"codec,omitempty"`
	Payload         any         `json:"payload"`
	PayloadEncoding string      `json:"payload_encoding,omitempty"`
}

type metaJSON struct {
	Correlation string            `json:"correlation,omitempty"`
	Cause       *causeJSON        `json:"cause,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
}

type causeJSON struct {
	ID          EventID     `json:"id,omitempty"`
	TrimmableID TrimmableID `json:"trimmable_id,omitempty"`
}

// MarshalJSON returns e as an object with the keys log, id, trimmable_id,
// module, kind, version, instance, persistence, time, ordered, meta, codec,
// payload, payload_encoding, in this order. id is left out where it is 0, meta
// where it is empty, codec where it is "json". The payload stands inline where
// that keeps its bytes; else it is base64, and payload_encoding says so.
// Errors: [InvalidError] for an unknown log or persistence, and what
// [time.Time.MarshalJSON] refuses.
func (e Entry) MarshalJSON() ([]byte, error) {
	form := entryJSON{
		Log:         e.Log,
		ID:          e.ID,
		TrimmableID: e.TrimmableID,
		Module:      e.Type.Module,
		Kind:        e.Type.Kind,
		Version:     e.Type.Version,
		Instance:    e.Instance,
		Persistence: e.Type.Persistence,
		Time:        e.Time.UTC(),
		Ordered:     e.Ordered.UTC(),
	}
	if e.Correlation != "" || e.Cause != (Cause{}) || len(e.Headers) > 0 {
		form.Meta = &metaJSON{Correlation: e.Correlation, Headers: e.Headers}
		if e.Cause != (Cause{}) {
			form.Meta.Cause = &causeJSON{e.Cause.ID, e.Cause.TrimmableID}
		}
	}
	if e.Codec != JSON.Name() {
		form.Codec = &e.Codec
	}
	if inline(e.Payload) {
		form.Payload = json.RawMessage(e.Payload)
	} else {
		form.Payload = base64.StdEncoding.EncodeToString(e.Payload)
		form.PayloadEncoding = base64Payload
	}
	return json.Marshal(form)
}

// inline reports whether payload keeps its bytes as a part of other JSON.
func inline(payload []byte) bool {
	if len(payload) == 0 || !utf8.Valid(payload) {
		return false
	}
	again, err := json.Marshal(json.RawMessage(payload))
	return err == nil && bytes.Equal(again, payload) && depth(payload) <= maxInlineDepth
}

// depth returns how deeply valid JSON nests.
func depth(data []byte) (deepest int) {
	open, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '[' || c == '{':
			open++
			deepest = max(deepest, open)
		case c == ']' || c == '}':
			open--
		}
	}
	return deepest
}

// UnmarshalJSON takes what MarshalJSON returns, however it was indented, and
// gives back the same entry with the same bytes. On error e is unchanged.
// Errors: [InvalidError] for a field that is unknown, repeated, null or
// missing, for a value outside its range, and for an entry without the id of
// its log; it unwraps to the cause, such as [ErrBadID].
func (e *Entry) UnmarshalJSON(data []byte) error {
	var form entryJSON
	var meta, payload json.RawMessage
	codec := JSON.Name()
	err := readObject(data, map[string]any{
		"log":          &form.Log,
		"trimmable_id": &form.TrimmableID,
		"module":       &form.Module,
		"kind":         &form.Kind,
		"version":      &form.Version,
		"instance":     &form.Instance,
		"persistence":  &form.Persistence,
		"time":         &form.Time,
		"ordered":      &form.Ordered,
		"payload":      &payload,
	}, map[string]any{
		"id":               &form.ID,
		"meta":             &meta,
		"codec":            &codec,
		"payload_encoding": &form.PayloadEncoding,
	})
	if err != nil {
		return entryFault("its fields", err)
	}
	read := form.entry(codec)
	if err := read.checkRead(); err != nil {
		return err
	}
	if err := read.readMeta(meta); err != nil {
		return entryFault("meta", err)
	}
	if read.Payload, err = readPayload(payload, form.PayloadEncoding); err != nil {
		return entryFault("payload", err)
	}
	*e = read
	return nil
}

// entry returns the fields that form holds as they are.
func (form *entryJSON) entry(codec string) Entry {
	return Entry{
		Log:         form.Log,
		ID:          form.ID,
		TrimmableID: form.TrimmableID,
		Type:        Type{form.Module, form.Kind, form.Persistence, form.Version},
		Instance:    form.Instance,
		Codec:       codec,
		Time:        form.Time.UTC(),
		Ordered:     form.Ordered.UTC(),
	}
}

func entryFault(why string, cause error) error {
	return &InvalidError{What: "entry in JSON", Why: why, Cause: cause}
}

func (e Entry) checkRead() error {
	if e.Type.Kind == "" {
		return Invalid("entry in JSON", "empty kind")
	}
	if e.Log == Permanent && e.ID == 0 {
		return Invalid("entry in JSON", "no id in the %v log", e.Log)
	}
	if e.Log == TrimmableLog && e.TrimmableID == 0 && e.Type.Persistence != Transient {
		return Invalid("entry in JSON", "no id in the %v log", e.Log)
	}
	if !yearFits(e.Time) || !yearFits(e.Ordered) {
		return Invalid("entry in JSON", "year of %v or %v is outside [1, 9999]", e.Time, e.Ordered)
	}
	return nil
}

func (e *Entry) readMeta(data json.RawMessage) error {
	if data == nil {
		return nil
	}
	var cause, headers json.RawMessage
	err := readObject(data, nil, map[string]any{"correlation": &e.Correlation, "cause": &cause, "headers": &headers})
	if err != nil {
		return err
	}
	if cause != nil {
		err := readObject(cause, nil, map[string]any{"id": &e.Cause.ID, "trimmable_id": &e.Cause.TrimmableID})
		if err != nil {
			return fmt.Errorf("cause: %w", err)
		}
	}
	if headers == nil {
		return nil
	}
	return eachMember(headers, func(key string, value json.RawMessage) error {
		if _, repeated := e.Headers[key]; repeated {
			return fmt.Errorf("repeated header %q", key)
		}
		if e.Headers == nil {
			e.Headers = make(map[string]string)
		}
		var text string
		err := unmarshalMember(key, value, &text)
		e.Headers[key] = text
		return err
	})
}

func readPayload(data json.RawMessage, encoding string) ([]byte, error) {
	switch encoding {
	case "":
		var compact bytes.Buffer
		err := json.Compact(&compact, data)
		return compact.Bytes(), err
	case base64Payload:
		var text string
		if err := unmarshalMember("payload", data, &text); err != nil {
			return nil, err
		}
		return base64.StdEncoding.DecodeString(text)
	}
	return nil, fmt.Errorf("unknown payload_encoding %q", encoding)
}

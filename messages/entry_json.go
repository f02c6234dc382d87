package messages

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// maxInlineDepth is how deeply a payload may nest to be written inline.
// encoding/json reads 10,000 levels, and entries may stand inside other JSON.
const maxInlineDepth = 1000

const base64Payload = "base64"

// entryJSON are the fields of an entry in JSON that are read as they stand.
type entryJSON struct {
	Log             Log
	ID              EventID
	TrimmableID     TrimmableID
	Module, Kind    string
	Version         uint32
	Instance        uint32
	Persistence     Persistence
	Time, Ordered   time.Time
	PayloadEncoding string
}

// MarshalJSON returns e as an object with the keys log, id, trimmable_id,
// module, kind, version, instance, persistence, time, ordered, meta, codec,
// payload, payload_encoding, in this order. id is left out where it is 0, meta
// where it is empty, codec where it is "json". The payload stands inline where
// that keeps its bytes; else it is base64, and payload_encoding says so.
// Errors: [InvalidError] for an unknown log or persistence, and what
// [time.Time.MarshalJSON] refuses.
func (e Entry) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// UnmarshalJSON takes what MarshalJSON returns, however it was indented, and
// gives back the same entry with the same bytes. On error e is unchanged.
// Errors: [InvalidError] for a field that is unknown, repeated, null or
// missing, for a value outside its range, and for an entry without the id of
// its log; it unwraps to the cause, such as [ErrBadID].
func (e *Entry) UnmarshalJSON(data []byte) error {
	if read, ok := readCanonical(data); ok {
		*e = read
		return nil
	}
	return e.readAny(data)
}

func (e *Entry) readAny(data []byte) error {
	if !json.Valid(data) {
		return Invalid("entry in JSON", "it is no JSON")
	}
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

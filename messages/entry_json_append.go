package messages

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends what [Entry.MarshalJSON] returns, without a detour
// through reflection. On error dst is returned as it was. Errors: those of
// MarshalJSON.
func (e *Entry) AppendJSON(dst []byte) ([]byte, error) {
	log, err := e.Log.MarshalText()
	if err != nil {
		return dst, err
	}
	persistence, err := e.Type.Persistence.MarshalText()
	if err != nil {
		return dst, err
	}
	b := append(append(append(dst, `{"log":"`...), log...), '"')
	if e.ID != 0 {
		b = strconv.AppendUint(append(b, `,"id":`...), uint64(e.ID), 10)
	}
	b = strconv.AppendUint(append(b, `,"trimmable_id":`...), uint64(e.TrimmableID), 10)
	b = appendText(append(b, `,"module":`...), e.Type.Module)
	b = appendText(append(b, `,"kind":`...), e.Type.Kind)
	b = strconv.AppendUint(append(b, `,"version":`...), uint64(e.Type.Version), 10)
	b = strconv.AppendUint(append(b, `,"instance":`...), uint64(e.Instance), 10)
	b = append(append(append(b, `,"persistence":"`...), persistence...), '"')
	if b, err = appendTime(append(b, `,"time":`...), e.Time); err != nil {
		return dst, err
	}
	if b, err = appendTime(append(b, `,"ordered":`...), e.Ordered); err != nil {
		return dst, err
	}
	b = e.appendMeta(b)
	if e.Codec != JSON.Name() {
		b = appendText(append(b, `,"codec":`...), e.Codec)
	}
	b = append(b, `,"payload":`...)
	if inline(e.Payload) {
		return append(append(b, e.Payload...), '}'), nil
	}
	b = base64.StdEncoding.AppendEncode(append(b, '"'), e.Payload)
	return append(b, `","payload_encoding":"`+base64Payload+`"}`...), nil
}

func (e *Entry) appendMeta(b []byte) []byte {
	if e.Correlation == "" && e.Cause == (Cause{}) && len(e.Headers) == 0 {
		return b
	}
	b = append(b, `,"meta":`...)
	between := byte('{')
	if e.Correlation != "" {
		b = appendText(append(append(b, between), `"correlation":`...), e.Correlation)
		between = ','
	}
	if e.Cause != (Cause{}) {
		b = e.Cause.append(append(append(b, between), `"cause":`...))
		between = ','
	}
	if len(e.Headers) > 0 {
		b = append(append(b, between), `"headers":`...)
		between = '{'
		for _, key := range slices.Sorted(maps.Keys(e.Headers)) {
			b = appendText(append(b, between), key)
			b = appendText(append(b, ':'), e.Headers[key])
			between = ','
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

func (c Cause) append(b []byte) []byte {
	between := byte('{')
	if c.ID != 0 {
		b = strconv.AppendUint(append(append(b, between), `"id":`...), uint64(c.ID), 10)
		between = ','
	}
	if c.TrimmableID != 0 {
		b = strconv.AppendUint(append(append(b, between), `"trimmable_id":`...), uint64(c.TrimmableID), 10)
	}
	return append(b, '}')
}

// appendText appends a string as encoding/json does.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; !plain(c) || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string has no error
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// plain reports whether c stands for itself in a string of JSON.
func plain(c byte) bool { return 0x20 <= c && c < 0x7f && c != '"' && c != '\\' }

func appendTime(b []byte, t time.Time) ([]byte, error) {
	b, err := t.UTC().AppendText(append(b, '"'))
	return append(b, '"'), err
}

// inline reports whether payload keeps its bytes as a part of other JSON:
// encoding/json drops space between tokens, and escapes what HTML or
// JavaScript could misread.
func inline(payload []byte) bool {
	if len(payload) == 0 || !utf8.Valid(payload) || !json.Valid(payload) {
		return false
	}
	open, quoted := 0, false
	for i := 0; i < len(payload); i++ {
		switch c := payload[i]; {
		case c == '<', c == '>', c == '&':
			return false
		case c == 0xe2 && payload[i+1] == 0x80 && payload[i+2]&^1 == 0xa8: // U+2028, U+2029
			return false
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == ' ', c == '\t', c == '\n', c == '\r':
			return false
		case c == '[', c == '{':
			if open++; open > maxInlineDepth {
				return false
			}
		case c == ']', c == '}':
			open--
		}
	}
	return true
}

package messages

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"
)

// readCanonical reads an entry that is written as [Entry.AppendJSON] writes
// most of them: no space, keys in order, no escapes outside metadata and
// payload. It returns false for everything else, right or wrong.
func readCanonical(data []byte) (e Entry, ok bool) {
	c := canonical{rest: data}
	c.expect(`{"log":`)
	c.bad = e.Log.UnmarshalText(c.text()) != nil || c.bad
	if c.skip(`,"id":`) {
		e.ID = EventID(c.number(64))
	}
	c.expect(`,"trimmable_id":`)
	e.TrimmableID = TrimmableID(c.number(64))
	c.expect(`,"module":`)
	e.Type.Module = string(c.text())
	c.expect(`,"kind":`)
	e.Type.Kind = string(c.text())
	c.expect(`,"version":`)
	e.Type.Version = uint32(c.number(32))
	c.expect(`,"instance":`)
	e.Instance = uint32(c.number(32))
	c.expect(`,"persistence":`)
	c.bad = e.Type.Persistence.UnmarshalText(c.text()) != nil || c.bad
	c.expect(`,"time":`)
	e.Time = c.time()
	c.expect(`,"ordered":`)
	e.Ordered = c.time()
	if c.skip(`,"meta":`) {
		c.bad = e.readMeta(c.object()) != nil || c.bad
	}
	e.Codec = JSON.Name()
	if c.skip(`,"codec":`) {
		e.Codec = string(c.text())
	}
	c.expect(`,"payload":`)
	e.Payload = c.payload()
	return e, !c.bad && e.checkRead() == nil
}

// canonical is what is still to be read. After the first surprise it is bad,
// and yields nothing that counts.
type canonical struct {
	rest []byte
	bad  bool
}

func (c *canonical) skip(text string) bool {
	if len(c.rest) < len(text) || string(c.rest[:len(text)]) != text {
		return false
	}
	c.rest = c.rest[len(text):]
	return true
}

func (c *canonical) expect(text string) { c.bad = !c.skip(text) || c.bad }

// text returns a string without escapes.
func (c *canonical) text() []byte {
	c.expect(`"`)
	n := 0
	for n < len(c.rest) && plain(c.rest[n]) {
		n++
	}
	text := c.rest[:n]
	c.rest = c.rest[n:]
	c.expect(`"`)
	return text
}

func (c *canonical) number(bits int) uint64 {
	n := 0
	for n < len(c.rest) && '0' <= c.rest[n] && c.rest[n] <= '9' {
		n++
	}
	digits := c.rest[:n]
	c.rest = c.rest[n:]
	value, err := strconv.ParseUint(string(digits), 10, bits)
	c.bad = c.bad || err != nil || n > 1 && digits[0] == '0'
	return value
}

func (c *canonical) time() (t time.Time) {
	c.bad = t.UnmarshalText(c.text()) != nil || c.bad
	return t.UTC()
}

// object returns an object of which no more is known than where it ends.
func (c *canonical) object() []byte {
	open, quoted := 0, false
	for i := 0; i < len(c.rest); i++ {
		switch b := c.rest[i]; {
		case b == '"':
			quoted = !quoted
		case quoted && b == '\\':
			i++
		case quoted:
		case b == '{':
			open++
		case b == '}':
			if open--; open <= 0 {
				object := c.rest[:i+1]
				c.rest = c.rest[i+1:]
				return object
			}
		}
	}
	c.bad = true
	return nil
}

var base64End = []byte(`","payload_encoding":"` + base64Payload + `"}`)

// payload returns a copy of the last value, which all that is left must be.
func (c *canonical) payload() []byte {
	text, encoded := bytes.CutSuffix(c.rest, base64End)
	if encoded && len(text) > 0 && text[0] == '"' {
		payload, err := base64.StdEncoding.AppendDecode([]byte{}, text[1:])
		c.bad = c.bad || err != nil || bytes.ContainsAny(text, "\r\n")
		return payload
	}
	value, ok := bytes.CutSuffix(c.rest, []byte("}"))
	c.bad = c.bad || !ok || !inline(value)
	return bytes.Clone(value)
}

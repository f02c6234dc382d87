package messages

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// Prepare checks and encodes event, which may be a [Draft], in memory of its
// own. Errors: those of [Prepared.Encode].
func Prepare(event Event, maxSize int) (p Prepared, err error) {
	err = p.Encode(nil, event, maxSize)
	return p, err
}

// Encode checks and encodes event, which may be a [Draft], into p. The payload
// is put into dst's memory where it fits; dst is empty and may be nil. maxSize
// limits [Prepared.Size]; 0 or less is no limit. The result shares no memory
// with event; after an error p is of no use. Errors: [InvalidError] for what [Describe]
// refuses, a field of the Draft outside its range, and an event that does not
// encode (it unwraps to the codec's error, or to a [PanicError]);
// [TooLargeError].
func (p *Prepared) Encode(dst []byte, event Event, maxSize int) error {
	*p = Prepared{}
	event, err := p.undraft(event)
	if err != nil {
		return err
	}
	d, err := describeValue(event)
	if err != nil {
		return err
	}
	p.Type, p.Codec = d.Type, d.codec
	if p.Payload, err = d.append(dst, event); err != nil {
		return &InvalidError{What: "event", Why: fmt.Sprintf("%T does not encode", event), Cause: err}
	}
	if size := p.Size(); maxSize > 0 && size > maxSize {
		return &TooLargeError{What: "event", Size: size, Limit: maxSize}
	}
	return nil
}

// undraft takes over what a Draft says, and returns the event in it.
func (p *Prepared) undraft(event Event) (Event, error) {
	switch event.(type) {
	case nil, Draft, *Draft:
	default:
		return event, nil
	}
	draft, err := asDraft(event)
	if err != nil {
		return nil, err
	}
	if err := draft.check(); err != nil {
		return nil, err
	}
	p.Instance, p.Time, p.Correlation = draft.Instance, draft.Time.Round(0).UTC(), draft.Correlation
	if len(draft.Headers) > 0 {
		p.Headers = maps.Clone(draft.Headers)
	}
	return draft.Event, nil
}

func (d *description) append(dst []byte, event Event) (payload []byte, err error) {
	defer recovered(&err)
	return d.Codec.Append(dst, event)
}

func (d Draft) check() error {
	if !d.Time.IsZero() && !yearFits(d.Time) {
		return Invalid("event", "year %d of its time is outside [1, 9999]", d.Time.UTC().Year())
	}
	if why := faultOfName(d.Correlation); why != "" {
		return Invalid("event", "correlation %s", why)
	}
	for key, value := range d.Headers {
		if key == "" {
			return Invalid("event", "header %q has an empty key", value)
		}
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return Invalid("event", "header %q: %q is not UTF-8", key, value)
		}
	}
	return nil
}

func yearFits(t time.Time) bool {
	year := t.UTC().Year()
	return 1 <= year && year <= 9999
}

// Size returns the bytes that count against the limit of an event: payload,
// module, kind, codec, correlation, and the headers' keys and values.
func (p *Prepared) Size() int {
	size := len(p.Payload) + len(p.Type.Module) + len(p.Type.Kind) + len(p.Codec) + len(p.Correlation)
	for key, value := range p.Headers {
		size += len(key) + len(value)
	}
	return size
}

// Digest returns the hash of what the event says: of every field but Cause,
// and of Time as it was given. It is stored beside idempotency keys, so it
// never changes: the first 16 bytes of SHA-256 over
//
//	module kind codec correlation   each: length uvarint, bytes
//	persistence u8  version u32BE  instance u32BE
//	timed u8        0 and nothing, or 1 and: seconds since 1970 i64BE, nanoseconds u32BE
//	headers         count uvarint, then key and value, keys ascending, each: length uvarint, bytes
//	payload         length uvarint, bytes
func (p *Prepared) Digest() [16]byte {
	b := make([]byte, 0, 256)
	for _, s := range [...]string{p.Type.Module, p.Type.Kind, p.Codec, p.Correlation} {
		b = appendString(b, s)
	}
	b = append(b, byte(p.Type.Persistence))
	b = binary.BigEndian.AppendUint32(b, p.Type.Version)
	b = binary.BigEndian.AppendUint32(b, p.Instance)
	if p.Time.IsZero() {
		b = append(b, 0)
	} else {
		b = append(b, 1)
		b = binary.BigEndian.AppendUint64(b, uint64(p.Time.Unix()))
		b = binary.BigEndian.AppendUint32(b, uint32(p.Time.Nanosecond()))
	}
	b = binary.AppendUvarint(b, uint64(len(p.Headers)))
	for _, key := range slices.Sorted(maps.Keys(p.Headers)) {
		b = appendString(b, key)
		b = appendString(b, p.Headers[key])
	}
	b = binary.AppendUvarint(b, uint64(len(p.Payload)))

	hash := sha256.New()
	hash.Write(b)
	hash.Write(p.Payload)
	return [16]byte(hash.Sum(b[:0]))
}

// DigestAll returns the hash of an append: the first 16 bytes of SHA-256 over
// the digests of its events, in their order.
func DigestAll(events []Prepared) [16]byte {
	b := make([]byte, 0, 16*len(events))
	for i := range events {
		digest := events[i].Digest()
		b = append(b, digest[:]...)
	}
	sum := sha256.Sum256(b)
	return [16]byte(sum[:])
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

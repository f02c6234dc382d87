package join

import (
	"encoding/binary"
	"errors"

	"github.com/retinue-go/retinue/messages"
)

// What is kept of an item is a row of fields:
//
//	flags u8: 1 open, 2 matched
//	key
//	log u8  ID  TrimmableID
//	module  kind  persistence u8  version
//	instance  codec  time  ordered  correlation  cause's ID and TrimmableID
//	number of headers, each with name and value
//	payload
//
// A number without a size is an unsigned varint, a text or payload stands
// behind its length as one, and times are as in the keys.
const (
	flagOpen = 1 << iota
	flagMatched
)

func appendItem(dst []byte, it *Item) []byte {
	e := &it.Entry
	flags := byte(0)
	if it.open {
		flags |= flagOpen
	}
	if it.matched {
		flags |= flagMatched
	}
	dst = appendText(append(dst, flags), it.Key)
	dst = appendNumber(append(dst, byte(e.Log)), e.ID)
	dst = appendNumber(dst, e.TrimmableID)
	dst = appendText(appendText(dst, e.Type.Module), e.Type.Kind)
	dst = appendNumber(append(dst, byte(e.Type.Persistence)), e.Type.Version)
	dst = appendText(appendNumber(dst, e.Instance), e.Codec)
	dst = appendTime(appendTime(dst, e.Time), e.Ordered)
	dst = appendText(dst, e.Correlation)
	dst = appendNumber(appendNumber(dst, e.Cause.ID), e.Cause.TrimmableID)
	dst = appendNumber(dst, uint(len(e.Headers)))
	for name, value := range e.Headers {
		dst = appendText(appendText(dst, name), value)
	}
	return appendText(dst, e.Payload)
}

// readItem reads into it what appendItem wrote. The item keeps none of src.
func readItem(it *Item, src []byte) error {
	f := fields{rest: src}
	flags := f.byte()
	it.open, it.matched = flags&flagOpen != 0, flags&flagMatched != 0
	it.Key = f.text()
	e := &it.Entry
	e.Log, e.ID, e.TrimmableID = messages.Log(f.byte()), messages.EventID(f.number()), messages.TrimmableID(f.number())
	e.Type.Module, e.Type.Kind = f.text(), f.text()
	e.Type.Persistence, e.Type.Version = messages.Persistence(f.byte()), uint32(f.number())
	e.Instance, e.Codec = uint32(f.number()), f.text()
	e.Time, e.Ordered = readTime(f.next(timeSize)), readTime(f.next(timeSize))
	e.Correlation = f.text()
	e.Cause.ID, e.Cause.TrimmableID = messages.EventID(f.number()), messages.TrimmableID(f.number())
	if n := f.number(); n > 0 {
		e.Headers = make(map[string]string)
		for range min(n, uint64(len(f.rest))) {
			name := f.text()
			e.Headers[name] = f.text()
		}
	}
	e.Payload = append([]byte{}, f.next(f.number())...)
	if f.short || len(f.rest) > 0 {
		return errors.New("not an item of a join")
	}
	return nil
}

func appendNumber[N ~uint | ~uint32 | ~uint64](dst []byte, n N) []byte {
	return binary.AppendUvarint(dst, uint64(n))
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// fields reads a row of fields; behind its end it reads zeros.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) next(n uint64) []byte {
	if n > uint64(len(f.rest)) {
		f.short, f.rest = true, nil
		return make([]byte, min(n, timeSize))
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) byte() byte { return f.next(1)[0] }

func (f *fields) number() uint64 {
	n, size := binary.Uvarint(f.rest)
	if size <= 0 {
		f.short, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[size:]
	return n
}

func (f *fields) text() string { return string(f.next(f.number())) }

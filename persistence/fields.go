package persistence

import (
	"encoding/binary"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// Records other than entries are a row of fields: unsigned varints, and byte
// strings behind their length as a varint. Times are nanoseconds since 1970
// as a signed (zigzag) varint, none is the least int64.

func appendBytes[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

const noTime = -1 << 63

func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(dst, noTime)
	}
	return binary.AppendVarint(dst, t.UnixNano())
}

// fields reads a record. After the first failure it yields zero values, and
// end tells of it.
type fields struct {
	what string
	rest []byte
	bad  bool
}

func (f *fields) uvarint() uint64 {
	n, size := binary.Uvarint(f.rest)
	if size <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[size:]
	return n
}

func (f *fields) varint() int64 {
	n, size := binary.Varint(f.rest)
	if size <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[size:]
	return n
}

// bytes points into the record.
func (f *fields) bytes() []byte {
	n := f.uvarint()
	if n > uint64(len(f.rest)) {
		f.bad, f.rest = true, nil
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) string() string { return string(f.bytes()) }

func (f *fields) time() time.Time {
	n := f.varint()
	if n == noTime || f.bad {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// end returns [messages.CorruptError] unless the record was read whole.
func (f *fields) end() error {
	if f.bad {
		return messages.Corrupt(f.what, "record is cut short")
	}
	if len(f.rest) > 0 {
		return messages.Corrupt(f.what, "%d bytes behind the last field", len(f.rest))
	}
	return nil
}

package persistence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// corrupt fails the test unless err is [messages.ErrCorrupt], and reports
// whether it is one.
func corrupt(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, messages.ErrCorrupt) {
		t.Fatalf("%v is no ErrCorrupt", err)
	}
	return err != nil
}

// again wants that what was decoded is decoded from its own encoding.
func again[T any](t *testing.T, first T, encoded []byte, decode func([]byte) (T, error)) {
	t.Helper()
	second, err := decode(encoded)
	if err != nil {
		t.Fatalf("%+v is decoded, and not from its encoding: %v", first, err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Fatalf(" got %+v\nwant %+v", second, first)
	}
}

func FuzzEntryKey(f *testing.F) {
	k := newKeyspace([]byte("a\x00b"))
	f.Add([]byte("a\x00b"), k.permanent(nil, 1, 2, 3, 4)[len(k.prefix)+1:])
	f.Add([]byte{}, keyspace{}.trimmable(nil, 1, 2, 3)[1:])
	f.Add([]byte{}, []byte("P"))
	f.Fuzz(func(t *testing.T, prefix, body []byte) {
		k := newKeyspace(prefix)
		for _, space := range []byte{spacePermanent, spaceTrimmable} {
			key := append(k.space(nil, space), body...)
			e, err := k.parseEntry(space, key)
			if corrupt(t, err) {
				continue
			}
			built := k.permanent(nil, e.id, e.tid, e.ordered, e.typ)
			if space == spaceTrimmable {
				built = k.trimmable(nil, e.tid, e.ordered, e.typ)
			}
			if !bytes.Equal(built, key) {
				t.Fatalf("%x is built again as %x", key, built)
			}
		}
	})
}

func FuzzNumberedKey(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 'k'}, 0)
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2}, 8)
	f.Add([]byte{1}, 0)
	f.Fuzz(func(t *testing.T, body []byte, rest int) {
		rest &= 8
		k := newKeyspace([]byte("p"))
		number, behind, err := k.parseNumber(append(k.space(nil, spaceState), body...), rest)
		if corrupt(t, err) {
			if len(body) >= 4+rest {
				t.Fatalf("%x is refused", body)
			}
			return
		}
		if !bytes.Equal(k.numbered(nil, spaceState, number, behind...), append(k.space(nil, spaceState), body...)) {
			t.Fatalf("%x is %d and %x", body, number, behind)
		}
	})
}

// No store lies inside another, whatever prefixes a program chooses.
func FuzzPrefix(f *testing.F) {
	f.Add([]byte("a"), []byte("ab"))
	f.Add([]byte("a\x00"), []byte("a\x00\x01"))
	f.Add([]byte{0xff}, []byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, one, other []byte) {
		a, b := newKeyspace(one).prefix, newKeyspace(other).prefix
		if len(one) > 0 && !bytes.Equal(one, other) && bytes.HasPrefix(b, a) {
			t.Fatalf("%x of %x begins with %x of %x", b, other, a, one)
		}
		if end := prefixEnd(a); end != nil && (bytes.Compare(end, a) <= 0 || bytes.HasPrefix(end, a) && len(a) > 0) {
			t.Fatalf("%x ends at %x", a, end)
		}
	})
}

func FuzzCursor(f *testing.F) {
	c := Cursor{Name: "a", Log: 1, Started: "earliest", Next: 7, Hint: 3, Attempts: 2, Running: true, Handled: 1, Missed: 9}
	f.Add(c.append(nil))
	c.First = time.Unix(1, 2).UTC()
	f.Add(c.append(nil))
	f.Add([]byte("\x01a\x80\x02\x00\x07\x00\x00\x00\x00\x00\x00\x00")) // log 256
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		decode := func(b []byte) (Cursor, error) { return decodeCursor(5, b) }
		c, err := decode(b)
		if !corrupt(t, err) {
			again(t, c, c.append(nil), decode)
		}
	})
}

func FuzzControl(f *testing.F) {
	f.Add(Control{Paused: true, Since: time.Unix(1, 2).UTC()}.encode())
	f.Add(Control{Parked: true, Why: "too many"}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeControl(b)
		if !corrupt(t, err) {
			again(t, c, c.encode(), decodeControl)
		}
	})
}

func FuzzParked(f *testing.F) {
	p := Parked{ID: 5, Error: "no", Attempts: 3, First: time.Unix(1, 0).UTC(), Last: time.Unix(2, 0).UTC(), Key: "k"}
	f.Add(p.encode())
	p.Skipped = true
	p.Entry = &messages.Entry{
		Log: messages.TrimmableLog, TrimmableID: 5, Codec: "raw", Payload: []byte{0xff},
		Type: messages.Type{Kind: "k", Persistence: messages.Trimmable}, Time: p.First, Ordered: p.First,
	}
	f.Add(p.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		decode := func(b []byte) (Parked, error) { return decodeParked(5, b) }
		p, err := decode(b)
		if !corrupt(t, err) {
			again(t, p, p.encode(), decode)
		}
	})
}

func FuzzStaged(f *testing.F) {
	add := func(events ...messages.Prepared) { f.Add(stagedValue(f, events)) }
	add(messages.Prepared{Type: messages.Type{Kind: "k"}, Codec: "json", Time: time.Unix(1, 0).UTC(), Payload: []byte("1")})
	add(
		messages.Prepared{Type: messages.Type{Module: "m", Kind: "k", Version: 3}, Codec: "cbor", Instance: 7, Time: time.Unix(0, 5).UTC()},
		messages.Prepared{Type: messages.Type{Kind: "l", Persistence: messages.Trimmable}, Codec: "raw", Headers: map[string]string{"a": "b"}},
	)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{0}) // a call without events
	f.Fuzz(func(t *testing.T, b []byte) {
		decode := func(b []byte) (Staged, error) { return decodeStaged(StagedID{1, 2}, b) }
		s, err := decode(b)
		if corrupt(t, err) {
			return
		}
		for _, e := range s.Events {
			if e.Time.IsZero() {
				return // stands for the time of the call
			}
		}
		again(t, s, stagedValue(t, s.Events), decode)
	})
}

// stagedValue is what Stage writes.
func stagedValue(t testing.TB, events []messages.Prepared) []byte {
	t.Helper()
	var b pebble.Batch
	s := Store{}
	if err := s.Stage(&b, StagedID{1, 2}, events); err != nil {
		t.Fatal(err)
	}
	r := b.Reader()
	_, _, value, _, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func FuzzAppended(f *testing.F) {
	f.Add(Appended{Digest: [16]byte{1}, Ordered: 2, Receipt: messages.Receipt{FirstEvent: 3, LastTrimmable: 4, NextEvent: 5}}.append(nil))
	f.Add(append([]byte{17}, make([]byte, 17+7)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAppended(b)
		if !corrupt(t, err) {
			again(t, a, a.append(nil), decodeAppended)
		}
	})
}

func FuzzHeads(f *testing.F) {
	f.Add(Heads{Event: 1, Trimmable: 2, Ordered: 3, Offset: 4}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeads(b)
		if !corrupt(t, err) {
			again(t, h, h.encode(), decodeHeads)
		}
	})
}

func FuzzTypeName(f *testing.F) {
	f.Add(encodeTypeName(typeName{"m", "k"}))
	f.Add([]byte{255, 'k'})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeTypeName(b)
		if !corrupt(t, err) {
			again(t, n, encodeTypeName(n), decodeTypeName)
		}
	})
}

// A mark of any bytes says no more than a whole slot of it, and what is
// written into it then is read again.
func FuzzMark(f *testing.F) {
	whole := func(turn, event uint64) []byte {
		b := make([]byte, markSize)
		copy(b, markMagic)
		binary.BigEndian.PutUint64(b[24:], turn)
		binary.BigEndian.PutUint64(b[32:], event)
		binary.BigEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
		return b
	}
	f.Add(append(whole(1, 5), whole(2, 7)...), uint64(9))
	f.Add(append(whole(1, 5), whole(1<<64-1, 7)...), uint64(9))
	f.Add([]byte(markMagic), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, head uint64) {
		fs := vfs.NewMem()
		if err := writeFile(fs, "", markName, string(b)); err != nil {
			t.Fatal(err)
		}
		m := newMarker()
		heads, err := m.open(fs, "", StoreID{}, false, func(err error) { t.Error(err) })
		if len(b) != 2*markSize {
			if !errors.Is(err, messages.ErrDamaged) {
				t.Fatalf("open of %d bytes said %v, want ErrDamaged", len(b), err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if heads.Event != 0 && !bytes.Contains(b, binary.BigEndian.AppendUint64(nil, uint64(heads.Event))) {
			t.Fatalf("%x says %d", b, heads.Event)
		}
		if head == 0 || messages.EventID(head) == heads.Event || m.turn >= 1<<63 {
			m.drop()
			return
		}
		m.latest = Heads{Event: messages.EventID(head), Trimmable: 1}
		if err := m.close(); err != nil {
			t.Fatal(err)
		}
		next := newMarker()
		heads, err = next.open(fs, "", StoreID{}, true, nil)
		if err != nil || heads.Event != messages.EventID(head) {
			t.Fatalf("%d is read as %d, %v", head, heads.Event, err)
		}
	})
}

func FuzzSentinel(f *testing.F) {
	f.Add("retinue 1 00112233445566778899aabbccddeeff\n")
	f.Add("retinue -1 x")
	f.Add("retinue 99999999999999999999 x")
	f.Add("retinue 2")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := checkSentinel("dir", text)
		switch {
		case err == nil && id == "":
			t.Fatalf("%q has no id", text)
		case err != nil && !errors.Is(err, messages.ErrNotStore) && !errors.Is(err, messages.ErrNewerFormat):
			t.Fatal(err)
		}
	})
}

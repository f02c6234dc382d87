package persistence

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/retinue-go/retinue/messages"
)

// drawPrepared draws an event as the writer gets it.
func drawPrepared(t *rapid.T) *messages.Prepared {
	p := &messages.Prepared{
		Type: messages.Type{
			Module: "m", Kind: "k",
			Persistence: rapid.SampledFrom([]messages.Persistence{messages.Persistent, messages.Trimmable}).Draw(t, "persistence"),
			Version:     rapid.Uint32().Draw(t, "version"),
		},
		Codec:       rapid.SampledFrom([]string{"json", "raw", "cbor", strings.Repeat("c", messages.MaxName)}).Draw(t, "codec"),
		Instance:    rapid.Uint32().Draw(t, "instance"),
		Time:        time.Unix(rapid.Int64Range(firstSecond, lastSecond).Draw(t, "second"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanosecond")).UTC(),
		Correlation: rapid.String().Draw(t, "correlation"),
		Headers:     rapid.MapOfN(rapid.String(), rapid.String(), 0, 5).Draw(t, "headers"),
		Payload:     rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
	}
	p.Cause.ID = messages.EventID(rapid.Uint64().Draw(t, "cause"))
	p.Cause.TrimmableID = messages.TrimmableID(rapid.Uint64().Draw(t, "cause trimmable"))
	return p
}

// entryOf is the entry that p becomes.
func entryOf(log messages.Log, p *messages.Prepared, key entryKey) messages.Entry {
	e := messages.Entry{
		Log: log, ID: key.id, TrimmableID: key.tid, Type: p.Type, Instance: p.Instance, Codec: p.Codec,
		Time: p.Time, Ordered: orderedTime(key.ordered),
		Correlation: p.Correlation, Cause: p.Cause, Headers: p.Headers, Payload: p.Payload,
	}
	if p.Time.IsZero() {
		e.Time = e.Ordered
	}
	if len(p.Headers) == 0 {
		e.Headers = nil
	}
	return e
}

func sameEntry(a, b messages.Entry) bool {
	same := bytes.Equal(a.Payload, b.Payload)
	a.Payload, b.Payload = nil, nil
	return same && reflect.DeepEqual(a, b)
}

func TestRecordReadsBackAsWritten(t *testing.T) {
	var types dictionary
	types.add(1, "m", "k")
	rapid.Check(t, func(t *rapid.T) {
		p := drawPrepared(t)
		key := entryKey{tid: 7, ordered: rapid.Uint64().Draw(t, "ordered"), typ: 1}
		if p.Type.Persistence == messages.Persistent {
			key.id = 3
		}
		if rapid.Bool().Draw(t, "time of the call") {
			p.Time = orderedTime(key.ordered)
		}
		value := appendRecord([]byte("before"), p, key.ordered)
		var got messages.Entry
		if err := decodeEntry(&got, messages.TrimmableLog, key, value[len("before"):], &types); err != nil {
			t.Fatal(err)
		}
		if want := entryOf(messages.TrimmableLog, p, key); !sameEntry(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestEveryYearOfAnEventSurvives(t *testing.T) {
	for _, ordered := range []uint64{0, 1, 1_517_961_600_123_456_789, math.MaxUint64} {
		for year := 1; year <= 9999; year += 7 {
			for _, at := range []time.Time{
				time.Date(year, 1, 1, 0, 0, 0, 1, time.UTC),
				time.Date(year, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
			} {
				var e messages.Entry
				if err := decodeRecord(&e, ordered, appendRecord(nil, &messages.Prepared{Time: at, Codec: "raw"}, ordered)); err != nil {
					t.Fatal(err)
				}
				if e.Time != at {
					t.Fatalf("ordered %d: got %v, want %v", ordered, e.Time, at)
				}
			}
		}
	}
}

func TestRecordKeepsItsBytes(t *testing.T) {
	const ordered = 1_517_961_600_000_000_000
	for _, c := range []struct {
		name, want string
		p          messages.Prepared
	}{
		{"least", "00" + "7b7d", messages.Prepared{Codec: "json", Payload: []byte("{}")}},
		{"raw trimmable", "09" + "ff", messages.Prepared{Type: messages.Type{Persistence: messages.Trimmable}, Codec: "raw", Payload: []byte{0xff}}},
		{"all", "76" + "05" + "ac02" + "0463626f72" + "03" + "07" + "0163" + "02" + "03" + "02" + "01610162" + "01620163" + "70", messages.Prepared{
			Type: messages.Type{Version: 300}, Codec: "cbor", Instance: 5, Time: time.Unix(1_517_961_598, 7),
			Correlation: "c", Cause: messages.Cause{ID: 2, TrimmableID: 3},
			Headers: map[string]string{"b": "c", "a": "b"}, Payload: []byte("p"),
		}},
	} {
		if got := hex.EncodeToString(appendRecord(nil, &c.p, ordered)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDamagedRecordIsATypedError(t *testing.T) {
	for name, record := range map[string]string{
		"empty":                 "",
		"unknown flag":          "80",
		"both codecs":           "18",
		"instance cut":          "02",
		"instance over 32 bits": "028080808010",
		"codec without a name":  "1000",
		"codec cut":             "100561",
		"nanoseconds of 1e9":    "20008094ebdc03",
		"year 10000":            "20" + "feffffffffffffffff01" + "00",
		"header count":          "40000000ffffffffffffffffff01",
		"headers descend":       "40000000" + "02" + "016200" + "016100",
		"header twice":          "40000000" + "02" + "016100" + "016100",
	} {
		b, err := hex.DecodeString(record)
		if err != nil {
			t.Fatal(err)
		}
		var e messages.Entry
		if err := decodeRecord(&e, 5, b); !errors.Is(err, messages.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEntryThatContradictsItsKeyIsATypedError(t *testing.T) {
	var types dictionary
	types.add(1, "m", "k")
	persistent, trimmable := []byte{0}, []byte{recordTrimmable}
	var e messages.Entry
	for name, err := range map[string]error{
		"unknown type":          decodeEntry(&e, 0, entryKey{id: 1, tid: 1, typ: 2}, persistent, &types),
		"no type":               decodeEntry(&e, 0, entryKey{id: 1, tid: 1}, persistent, &types),
		"trimmable in P":        decodeEntry(&e, 0, entryKey{id: 1, tid: 1, typ: 1}, trimmable, &types),
		"persistent in T":       decodeEntry(&e, 0, entryKey{tid: 1, typ: 1}, persistent, &types),
		"record in P truncated": decodeEntry(&e, 0, entryKey{id: 1, tid: 1, typ: 1}, nil, &types),
	} {
		if !errors.Is(err, messages.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestKeyOfAnEntryReadsBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := newKeyspace(rapid.SliceOf(rapid.Byte()).Draw(t, "prefix"))
		want := entryKey{
			id:      messages.EventID(rapid.Uint64().Draw(t, "id")),
			tid:     messages.TrimmableID(rapid.Uint64().Draw(t, "trimmable id")),
			ordered: rapid.Uint64().Draw(t, "ordered"),
			typ:     rapid.Uint32().Draw(t, "type"),
		}
		key := keys.permanent(nil, want.id, want.tid, want.ordered, want.typ)
		if got, err := keys.parseEntry(spacePermanent, key); got != want || err != nil {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
		if _, err := keys.parseEntry(spaceTrimmable, key); !errors.Is(err, messages.ErrCorrupt) {
			t.Fatalf("permanent key in the trimmable space: %v", err)
		}
		key = keys.trimmable(nil, want.tid, want.ordered, want.typ)
		want.id = 0
		if got, err := keys.parseEntry(spaceTrimmable, key); got != want || err != nil {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestDecodingARecordAllocatesNothing(t *testing.T) {
	var types dictionary
	types.add(1, "m", "k")
	p := messages.Prepared{
		Type: messages.Type{Version: 3}, Codec: "cbor", Instance: 9, Time: time.Unix(5, 6),
		Cause: messages.Cause{ID: 5, TrimmableID: 6}, Payload: []byte("payload"),
	}
	value := appendRecord(nil, &p, 1e18)
	var e messages.Entry
	if n := testing.AllocsPerRun(100, func() {
		if err := decodeEntry(&e, messages.Permanent, entryKey{id: 1, tid: 1, ordered: 1e18, typ: 1}, value, &types); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(uint64(0), []byte{})
	f.Add(uint64(1e18), []byte{0x76, 5, 2, 1, 'x', 3, 7, 1, 'c', 2, 3, 1, 1, 'a', 1, 'b', 'p'})
	f.Fuzz(func(t *testing.T, ordered uint64, record []byte) {
		var e, again messages.Entry
		if err := decodeRecord(&e, ordered, record); err != nil {
			if !errors.Is(err, messages.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		p := messages.Prepared{
			Type: e.Type, Codec: e.Codec, Instance: e.Instance, Time: e.Time,
			Correlation: e.Correlation, Cause: e.Cause, Headers: e.Headers, Payload: e.Payload,
		}
		if e.Time.IsZero() {
			return // stands for the time of the call
		}
		if err := decodeRecord(&again, ordered, appendRecord(nil, &p, ordered)); err != nil {
			t.Fatal(err)
		}
		if !sameEntry(e, again) {
			t.Fatalf("got  %+v\nwant %+v", again, e)
		}
	})
}

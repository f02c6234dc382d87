package messages

import (
	"reflect"
	"testing"
	"time"
)

// What the short way reads, the long way reads alike.
func FuzzShortWayToReadAnEntryAgreesWithTheLongOne(f *testing.F) {
	for _, e := range canonicalEntries() {
		text, err := e.AppendJSON(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"log":"permanent","id":1,"trimmable_id":1,"module":"","kind":"k","version":0,"instance":0,"persistence":"persistent","time":"2026-01-02T03:04:05Z","ordered":"2026-01-02T03:04:05Z","payload":","payload_encoding":"base64"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		short, ok := readCanonical(text)
		if !ok {
			return
		}
		var long Entry
		if err := long.readAny(text); err != nil {
			t.Fatalf("%q is read the short way only: %v", text, err)
		}
		if !reflect.DeepEqual(short, long) {
			t.Errorf("%q is %+v the short way, %+v the long", text, short, long)
		}
	})
}

// The short way would be no use if it read nothing.
func TestEntriesAreReadTheShortWay(t *testing.T) {
	for _, e := range canonicalEntries() {
		text, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := readCanonical(text); !ok || !reflect.DeepEqual(got, e) {
			t.Errorf("%s is read as %+v, %v", text, got, ok)
		}
	}
}

func canonicalEntries() []Entry {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	plain := Entry{
		ID: 1, TrimmableID: 2, Type: Type{Module: "wallet", Kind: "deposited", Version: 3}, Instance: 4,
		Codec: "json", Time: at, Ordered: at.Add(time.Second), Payload: []byte(`{"a":["b \" c",1]}`),
	}
	trimmable := plain
	trimmable.Log, trimmable.ID, trimmable.Type.Persistence = TrimmableLog, 0, Trimmable
	trimmable.Codec, trimmable.Payload = "raw", []byte{0, 0xff, '\n'}
	empty := trimmable
	empty.Payload = []byte{}
	all := plain
	all.Correlation, all.Cause = "order \"7\"", Cause{ID: 1, TrimmableID: 1}
	all.Headers = map[string]string{"trace": "}<\u2028", "é": ""}
	all.Payload = []byte(`{"html":"<"}`)
	return []Entry{plain, trimmable, empty, all}
}

package messages_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// What is read as a position is written as the same one, as text and as JSON.
func FuzzPositions(f *testing.F) {
	for _, seed := range []string{"0", "1", "18446744073709551615", "18446744073709551616", "-1", "+1", "01", `"7"`, "permanent", "null", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if id, err := messages.ParseEventID(string(text)); err == nil {
			if again, err := messages.ParseEventID(id.String()); err != nil || again != id {
				t.Fatalf("%q is %v, then %v, %v", text, id, again, err)
			}
		} else if !errors.Is(err, messages.ErrBadID) {
			t.Fatalf("%q: %v is no ErrBadID", text, err)
		}
		var first, second struct {
			Event     messages.EventID
			Trimmable messages.TrimmableID
			Log       messages.Log
		}
		if json.Unmarshal(text, &first.Event) != nil || json.Unmarshal(text, &first.Trimmable) != nil {
			return
		}
		written, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &second); err != nil || first != second {
			t.Fatalf("%s: %v, %+v, want %+v", written, err, second, first)
		}
	})
}

// A draft is refused by name, or its fields come back from the JSON form of
// the entry that it becomes.
func FuzzDraft(f *testing.F) {
	f.Add([]byte("payload"), uint32(1), int64(1), int64(2), "correlation", "key", "value")
	f.Add([]byte{0xff, 0}, uint32(0), int64(-62135596801), int64(-1), "\xff", "", "\x00")
	f.Add([]byte(`{"a":1}`), uint32(1<<32-1), int64(253402300800), int64(1e9), "\u2028", "k", "\ufffd")
	f.Fuzz(func(t *testing.T, payload []byte, instance uint32, seconds, nanoseconds int64, correlation, key, value string) {
		at := time.Unix(seconds, nanoseconds)
		p, err := messages.Prepare(messages.Draft{
			Event: blob(payload), Instance: instance, Time: at, Correlation: correlation, Headers: map[string]string{key: value},
		}, 0)
		if err != nil {
			if !errors.Is(err, messages.ErrInvalid) {
				t.Fatalf("%v is no ErrInvalid", err)
			}
			return
		}
		if p.Size() < len(payload)+len(correlation)+len(key)+len(value) {
			t.Fatalf("size %d, payload of %d", p.Size(), len(payload))
		}
		first := messages.Entry{
			Log: messages.Permanent, ID: 1, TrimmableID: 1, Type: p.Type, Instance: p.Instance, Codec: p.Codec,
			Time: p.Time, Ordered: p.Time, Correlation: p.Correlation, Headers: p.Headers, Payload: p.Payload,
		}
		written, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		var second messages.Entry
		if err := json.Unmarshal(written, &second); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if len(first.Payload) == 0 {
			first.Payload = second.Payload
		}
		if !reflect.DeepEqual(first, second) || len(second.Payload) != len(payload) {
			t.Fatalf(" got %+v\nwant %+v", second, first)
		}
	})
}

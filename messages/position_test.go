package messages_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/retinue-go/retinue/messages"
	"pgregory.net/rapid"
)

func TestIDsPrintParseAndMarshalTheSame(t *testing.T) {
	type ids struct {
		E  messages.EventID
		T  messages.TrimmableID
		ME map[messages.EventID]messages.TrimmableID
		MT map[messages.TrimmableID]messages.EventID
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64().Draw(t, "n")
		e, tr := messages.EventID(n), messages.TrimmableID(n)
		if got, err := messages.ParseEventID(e.String()); err != nil || got != e {
			t.Fatalf("%v, %v", got, err)
		}
		if got, err := messages.ParseTrimmableID(tr.String()); err != nil || got != tr {
			t.Fatalf("%v, %v", got, err)
		}
		want := ids{e, tr, map[messages.EventID]messages.TrimmableID{e: tr}, map[messages.TrimmableID]messages.EventID{tr: e}}
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.ReplaceAll(`{"E":#,"T":#,"ME":{"#":#},"MT":{"#":#}}`, "#", e.String()); string(data) != text {
			t.Fatalf("got %s, want %s", data, text)
		}
		var got ids
		if err := json.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func TestTextThatIsNoIDIsRefused(t *testing.T) {
	for _, text := range []string{"", " 1", "-1", "+1", "1.0", "1e3", "0x1", "1_0", "one", "18446744073709551616"} {
		if id, err := messages.ParseEventID(text); !errors.Is(err, messages.ErrBadID) || id != 0 {
			t.Errorf("%q: %v, %v", text, id, err)
		}
		if id, err := messages.ParseTrimmableID(text); !errors.Is(err, messages.ErrBadID) || id != 0 {
			t.Errorf("%q: %v, %v", text, id, err)
		}
	}
}

func TestJSONThatIsNoIDIsRefused(t *testing.T) {
	for _, text := range []string{`"one"`, `""`, `null`, `-1`, `1.5`, `[1]`} {
		var e messages.EventID
		var tr messages.TrimmableID
		if err := json.Unmarshal([]byte(text), &e); !errors.Is(err, messages.ErrBadID) {
			t.Errorf("%s: %v, %v", text, e, err)
		}
		if err := json.Unmarshal([]byte(text), &tr); !errors.Is(err, messages.ErrBadID) {
			t.Errorf("%s: %v, %v", text, tr, err)
		}
	}
}

func TestSpanOfEveryPosition(t *testing.T) {
	entry := messages.Entry{ID: 3, TrimmableID: 5}
	receipt := messages.Receipt{FirstEvent: 3, LastEvent: 4, FirstTrimmable: 5, LastTrimmable: 7}
	for _, test := range []struct {
		at          messages.Position
		log         messages.Log
		first, last uint64
	}{
		{messages.EventID(math.MaxUint64), messages.Permanent, math.MaxUint64, math.MaxUint64},
		{messages.TrimmableID(2), messages.TrimmableLog, 2, 2},
		{entry, messages.Permanent, 3, 3},
		{entry, messages.TrimmableLog, 5, 5},
		{receipt, messages.Permanent, 3, 4},
		{receipt, messages.TrimmableLog, 5, 7},
	} {
		first, last, err := messages.Span(test.at, test.log)
		if err != nil || first != test.first || last != test.last {
			t.Errorf("%+v in %v: %d to %d, %v", test.at, test.log, first, last, err)
		}
	}
}

// Trap 18: an id of one log is never taken for an id of the other.
func TestPositionWithoutIDInTheLogIsNotInLog(t *testing.T) {
	trimmableOnly := messages.Receipt{FirstTrimmable: 5, LastTrimmable: 7}
	for _, test := range []struct {
		at  messages.Position
		log messages.Log
	}{
		{nil, messages.Permanent},
		{messages.TrimmableID(2), messages.Permanent},
		{messages.EventID(2), messages.TrimmableLog},
		{messages.EventID(0), messages.Permanent},
		{messages.TrimmableID(0), messages.TrimmableLog},
		{messages.Entry{TrimmableID: 5}, messages.Permanent},
		{messages.Entry{}, messages.TrimmableLog},
		{trimmableOnly, messages.Permanent},
		{messages.Receipt{}, messages.TrimmableLog},
	} {
		first, last, err := messages.Span(test.at, test.log)
		if !errors.Is(err, messages.ErrNotInLog) || first != 0 || last != 0 {
			t.Errorf("%+v in %v: %d to %d, %v", test.at, test.log, first, last, err)
		}
	}
}

func TestReceiptMarshalsItsIDsAsNumbers(t *testing.T) {
	want := messages.Receipt{FirstEvent: 1, LastEvent: 2, FirstTrimmable: 3, LastTrimmable: 5, NextEvent: 3, NextTrimmable: 6, Repeated: true}
	data, err := json.Marshal(want)
	const text = `{"FirstEvent":1,"LastEvent":2,"FirstTrimmable":3,"LastTrimmable":5,"NextEvent":3,"NextTrimmable":6,"Repeated":true}`
	if err != nil || string(data) != text {
		t.Errorf("%s, %v", data, err)
	}
	var got messages.Receipt
	if err := json.Unmarshal(data, &got); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLogsHaveNames(t *testing.T) {
	for log, name := range map[messages.Log]string{messages.Permanent: "permanent", messages.TrimmableLog: "trimmable"} {
		text, err := log.MarshalText()
		if err != nil || string(text) != name || log.String() != name {
			t.Errorf("%s, %v", text, err)
		}
		var got messages.Log
		if err := got.UnmarshalText(text); err != nil || got != log {
			t.Errorf("%v, %v", got, err)
		}
	}
	if _, err := messages.Log(2).MarshalText(); !errors.Is(err, messages.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	log := messages.TrimmableLog
	if err := log.UnmarshalText([]byte("Permanent")); !errors.Is(err, messages.ErrInvalid) || log != messages.TrimmableLog {
		t.Errorf("%v, %v", log, err)
	}
	if got := messages.Log(2).String(); got != "log(2)" {
		t.Errorf("got %q", got)
	}
}

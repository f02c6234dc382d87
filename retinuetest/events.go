package retinuetest

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Append appends events and returns once they are on disk. It fails the test
// where the bus refuses them.
func Append(t TB, bus *retinue.Bus, events ...messages.Event) messages.Receipt {
	t.Helper()
	ctx, cancel := patiently(t)
	defer cancel()
	at, err := bus.Append(ctx, events...)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return at
}

// Entries returns all events of E's kind, decoded, in order: from the
// permanent log, or for a trimmable E from what is left of the trimmable one.
// It fails the test for an E that no log holds, and where one of the entries
// does not become an E.
func Entries[E messages.Event](t TB, bus *retinue.Bus) []E {
	t.Helper()
	d, err := messages.DescribeOf[E]()
	if err != nil {
		t.Fatalf("entries: %v", err)
	}
	q := retinue.Query{Filter: messages.Filter{Types: []messages.Type{d.Type}}}
	switch d.Type.Persistence {
	case messages.Trimmable:
		q.Log = messages.TrimmableLog
	case messages.Transient:
		t.Fatalf("entries: %v is transient and in no log", d.Type)
	}
	var all []E
	for _, entry := range read(t, bus, q) {
		event, err := messages.Decode[E](entry)
		if err != nil {
			t.Fatalf("entries: %v; its payload is %q", err, entry.Payload)
		}
		all = append(all, event)
	}
	return all
}

// Kinds returns the types of all entries that are left, persistent and
// trimmable, in order: "wallet/deposited".
func Kinds(t TB, bus *retinue.Bus) []string {
	t.Helper()
	var kinds []string
	for _, e := range read(t, bus, retinue.Query{Log: messages.TrimmableLog}) {
		kinds = append(kinds, e.Type.String())
	}
	return kinds
}

// Appended calls do and returns what was appended, durably, in the meantime:
// by do, and by whoever else is at work. Compare it with [WantEvents].
func Appended(t TB, bus *retinue.Bus, do func()) []messages.Entry {
	t.Helper()
	from := bus.Status().Trimmable.Head
	do()
	return read(t, bus, retinue.Query{Log: messages.TrimmableLog, From: messages.TrimmableID(from)})
}

func read(t TB, bus *retinue.Bus, q retinue.Query) []messages.Entry {
	t.Helper()
	var all []messages.Entry
	for e, err := range bus.Entries(t.Context(), q) {
		if err != nil {
			t.Fatalf("read the %v log: %v", q.Log, err)
		}
		all = append(all, e.Clone())
	}
	return all
}

// EntryOf returns the entry that event would be at id, first in its process
// and just now, to test a reaction without a bus. A trimmable event has that
// id in the trimmable log only, a persistent one in both. It fails the test
// for an event that could not be appended.
func EntryOf(t TB, id uint64, event messages.Event) messages.Entry {
	t.Helper()
	p, err := messages.Prepare(event, 0)
	if err != nil {
		t.Fatalf("entry of %T: %v", event, err)
	}
	e := entryOf(p)
	e.TrimmableID = messages.TrimmableID(id)
	if p.Type.Persistence == messages.Persistent {
		e.ID = messages.EventID(id)
	} else {
		e.Log = messages.TrimmableLog
	}
	e.Ordered = time.Now().UTC()
	if e.Time.IsZero() {
		e.Time = e.Ordered
	}
	return e
}

// WantEvents compares what was appended - by [Appended], or by
// [followers.Turn.Appended] - with the events that it must be: as many, in
// that order, the same types and payloads. Of a wanted [messages.Draft], the
// fields that are set count too.
func WantEvents[E messages.Entry | messages.Prepared](t TB, got []E, want ...messages.Event) {
	t.Helper()
	var found []messages.Entry
	for _, g := range got {
		found = append(found, asEntry(g))
	}
	wanted := make([]messages.Prepared, len(want))
	same := len(found) == len(want)
	for i, event := range want {
		p, err := messages.Prepare(event, 0)
		if err != nil {
			t.Fatalf("want events: %T: %v", event, err)
		}
		wanted[i] = p
		same = same && fits(found[i], p)
	}
	if same {
		return
	}
	var b strings.Builder
	for i := range max(len(found), len(wanted)) {
		mark, g, w := "  ", "nothing", "nothing"
		if i < len(found) {
			g = sketch(found[i])
		}
		if i < len(wanted) {
			w = sketch(entryOf(wanted[i]))
		}
		if i >= len(found) || i >= len(wanted) || !fits(found[i], wanted[i]) {
			mark = "! "
		}
		fmt.Fprintf(&b, "\n%s%d: got %s, want %s", mark, i+1, g, w)
	}
	t.Errorf("%d events were appended, want %d:%s", len(found), len(wanted), b.String())
}

// One asks for exactly one event, an E, in what was appended, and returns it.
// It fails the test otherwise.
func One[E messages.Event](t TB, got []messages.Entry) E {
	t.Helper()
	if len(got) != 1 {
		var all []string
		for _, e := range got {
			all = append(all, sketch(e))
		}
		t.Fatalf("%d events were appended, want one: %s", len(got), strings.Join(all, ", "))
	}
	event, err := messages.Decode[E](got[0])
	if err != nil {
		t.Fatalf("%s is no %T: %v", sketch(got[0]), event, err)
	}
	return event
}

func asEntry(v any) messages.Entry {
	if p, ok := v.(messages.Prepared); ok {
		return entryOf(p)
	}
	return v.(messages.Entry)
}

func entryOf(p messages.Prepared) messages.Entry {
	return messages.Entry{
		Type: p.Type, Instance: p.Instance, Codec: p.Codec, Time: p.Time,
		Correlation: p.Correlation, Cause: p.Cause, Headers: p.Headers, Payload: p.Payload,
	}
}

func fits(got messages.Entry, want messages.Prepared) bool {
	return got.Type == want.Type && got.Codec == want.Codec && bytes.Equal(got.Payload, want.Payload) &&
		(want.Instance == 0 || got.Instance == want.Instance) &&
		(want.Time.IsZero() || got.Time.Equal(want.Time)) &&
		(want.Correlation == "" || got.Correlation == want.Correlation) &&
		(len(want.Headers) == 0 || maps.Equal(got.Headers, want.Headers))
}

// sketch is an entry in a line of a failure.
func sketch(e messages.Entry) string {
	s := fmt.Sprintf("%v %s", e.Type, short(e.Payload))
	if e.Type.Version != 0 {
		s += fmt.Sprintf(" version %d", e.Type.Version)
	}
	if e.Instance != 0 {
		s += fmt.Sprintf(" instance %d", e.Instance)
	}
	if e.Correlation != "" {
		s += fmt.Sprintf(" correlation %q", e.Correlation)
	}
	if len(e.Headers) > 0 {
		s += fmt.Sprintf(" headers %v", e.Headers)
	}
	return s
}

// short quotes a payload where it is no text, and cuts it where it is long.
func short(payload []byte) string {
	const most = 200
	cut := ""
	if len(payload) > most {
		cut = fmt.Sprintf("... (%d bytes)", len(payload))
		payload = payload[:most]
	}
	if q := fmt.Sprintf("%q", payload); strings.Contains(q, `\x`) || len(payload) == 0 {
		return q + cut
	}
	return string(payload) + cut
}

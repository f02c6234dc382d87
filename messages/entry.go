package messages

import (
	"maps"
	"slices"
	"time"
)

// Entry is an event that has its place. Payload, and nothing else of it, may
// point into memory that the reader owns: an entry handed to a reaction is
// valid until the turn ends, and [Entry.Clone] keeps it.
type Entry struct {
	// Log is the log that the entry was read from.
	Log Log
	// ID is its place in the permanent log; 0 for a trimmable or transient
	// event.
	ID EventID
	// TrimmableID is its place in the trimmable log, persistent or not; 0 for
	// a transient event.
	TrimmableID TrimmableID
	Type        Type
	Instance    uint32
	// Codec is the name of the codec that wrote Payload.
	Codec string
	// Time is when the event happened: the event's own time, else the time of
	// the call.
	Time time.Time
	// Ordered is when the writer placed the entry. It never decreases along a
	// log. Both times are UTC.
	Ordered     time.Time
	Correlation string
	// Cause is the entry that a reaction was reacting to when it appended
	// this one.
	Cause   Cause
	Headers map[string]string
	Payload []byte
}

// Cause names the entry that made a reaction append; zero where a program
// appended by itself.
type Cause struct {
	// ID is 0 where the cause is in the trimmable log only.
	ID EventID
	// TrimmableID may lie below the horizon by now.
	TrimmableID TrimmableID
}

// Position returns the entry's id in the log that it was read from.
func (e Entry) Position() Position {
	if e.Log == Permanent {
		return e.ID
	}
	return e.TrimmableID
}

// Clone returns a copy that shares no memory with e.
func (e Entry) Clone() Entry {
	e.Payload = slices.Clone(e.Payload)
	e.Headers = maps.Clone(e.Headers)
	return e
}

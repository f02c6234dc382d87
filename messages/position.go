package messages

import (
	"fmt"
	"strconv"
)

// Log names one of the two orders over the stream of events.
type Log uint8

const (
	// Permanent is the log of persistent events; it is never trimmed.
	Permanent Log = iota
	// TrimmableLog holds persistent and trimmable events, in the same
	// relative order, until they are trimmed.
	TrimmableLog
)

// EventID is the place of an entry in the permanent log. Ids start at 1 and
// are contiguous; 0 means none.
type EventID uint64

// TrimmableID is the place of an entry in the trimmable log. Ids start at 1
// and are contiguous; 0 means none. It is a type of its own, so that a place
// in one log is never taken for a place in the other.
type TrimmableID uint64

// Position is a place in a log: an [EventID], a [TrimmableID], an [Entry] or
// a [Receipt]. It is sealed.
type Position interface {
	// span returns the first and last id that the position has in log; both
	// are 0 where it has none.
	span(log Log) (first, last uint64)
}

// Span returns the first and the last id that p has in log, which differ for
// the receipt of several events only. Errors: [ErrNotInLog].
func Span(p Position, log Log) (first, last uint64, err error) {
	if p == nil {
		return 0, 0, fmt.Errorf("no position: %w", ErrNotInLog)
	}
	first, last = p.span(log)
	if first == 0 {
		return 0, 0, fmt.Errorf("%T %v has no id in the %v log: %w", p, p, log, ErrNotInLog)
	}
	return first, last, nil
}

func (id EventID) span(log Log) (uint64, uint64) {
	if log != Permanent {
		return 0, 0
	}
	return uint64(id), uint64(id)
}

func (id TrimmableID) span(log Log) (uint64, uint64) {
	if log != TrimmableLog {
		return 0, 0
	}
	return uint64(id), uint64(id)
}

func (e Entry) span(log Log) (uint64, uint64) {
	if log == Permanent {
		return uint64(e.ID), uint64(e.ID)
	}
	return uint64(e.TrimmableID), uint64(e.TrimmableID)
}

func (r Receipt) span(log Log) (uint64, uint64) {
	if log == Permanent {
		return uint64(r.FirstEvent), uint64(r.LastEvent)
	}
	return uint64(r.FirstTrimmable), uint64(r.LastTrimmable)
}

// Receipt says where the events of one append were placed. Ids of one append
// are adjacent in both logs.
//
// Invariant: FirstEvent <= LastEvent < NextEvent, or FirstEvent = LastEvent =
// 0 where the append held no persistent event; the same for the trimmable ids.
type Receipt struct {
	// The first and the last id that the events were given, inclusive; 0 where
	// none of them is in that log.
	FirstEvent, LastEvent         EventID
	FirstTrimmable, LastTrimmable TrimmableID
	// NextEvent and NextTrimmable are the heads right after the append: where
	// the next events will be placed.
	NextEvent     EventID
	NextTrimmable TrimmableID
	// Repeated is true where an earlier append with the same key was found:
	// the receipt is that append's, and nothing was appended now.
	Repeated bool
}

// String returns the id in decimal.
func (id EventID) String() string { return strconv.FormatUint(uint64(id), 10) }

// String returns the id in decimal.
func (id TrimmableID) String() string { return strconv.FormatUint(uint64(id), 10) }

// ParseEventID parses a decimal id. Errors: [ErrBadID].
func ParseEventID(s string) (EventID, error) {
	n, err := parseID(s)
	return EventID(n), err
}

// ParseTrimmableID parses a decimal id. Errors: [ErrBadID].
func ParseTrimmableID(s string) (TrimmableID, error) {
	n, err := parseID(s)
	return TrimmableID(n), err
}

func parseID(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("id %q: %w", s, ErrBadID)
	}
	return n, nil
}

func unquoted(data []byte) []byte {
	if n := len(data); n >= 2 && data[0] == '"' && data[n-1] == '"' {
		return data[1 : n-1]
	}
	return data
}

// MarshalText returns the id in decimal; it makes ids usable as map keys.
func (id EventID) MarshalText() ([]byte, error) {
	return strconv.AppendUint(nil, uint64(id), 10), nil
}

// UnmarshalText parses a decimal id. Errors: [ErrBadID].
func (id *EventID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseEventID(string(text))
	return err
}

// MarshalText returns the id in decimal; it makes ids usable as map keys.
func (id TrimmableID) MarshalText() ([]byte, error) {
	return strconv.AppendUint(nil, uint64(id), 10), nil
}

// UnmarshalText parses a decimal id. Errors: [ErrBadID].
func (id *TrimmableID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseTrimmableID(string(text))
	return err
}

// MarshalJSON returns the id as a JSON number.
func (id EventID) MarshalJSON() ([]byte, error) { return id.MarshalText() }

// UnmarshalJSON takes a JSON number, or one in quotes, which is what
// encoding/json makes of a map key. Errors: [ErrBadID].
func (id *EventID) UnmarshalJSON(data []byte) error { return id.UnmarshalText(unquoted(data)) }

// MarshalJSON returns the id as a JSON number.
func (id TrimmableID) MarshalJSON() ([]byte, error) { return id.MarshalText() }

// UnmarshalJSON takes a JSON number, or one in quotes, which is what
// encoding/json makes of a map key. Errors: [ErrBadID].
func (id *TrimmableID) UnmarshalJSON(data []byte) error { return id.UnmarshalText(unquoted(data)) }

// String returns "permanent" or "trimmable".
func (l Log) String() string {
	switch l {
	case Permanent:
		return "permanent"
	case TrimmableLog:
		return "trimmable"
	}
	return fmt.Sprintf("log(%d)", uint8(l))
}

// MarshalText returns String's name. Errors: [InvalidError] for an unknown
// log.
func (l Log) MarshalText() ([]byte, error) {
	if l > TrimmableLog {
		return nil, Invalid("log", "%d", uint8(l))
	}
	return []byte(l.String()), nil
}

// UnmarshalText takes what MarshalText returns. Errors: [InvalidError].
func (l *Log) UnmarshalText(text []byte) error {
	for known := Permanent; known <= TrimmableLog; known++ {
		if known.String() == string(text) {
			*l = known
			return nil
		}
	}
	return Invalid("log", "%q is neither %v nor %v", text, Permanent, TrimmableLog)
}

package followers

import (
	"time"

	"github.com/retinue-go/retinue/messages"
)

// Start is the place where a follower without a cursor begins. The zero Start
// is [Earliest].
type Start struct {
	from  StartFrom
	at    messages.Position
	since time.Time
}

// StartFrom is the kind of a [Start].
type StartFrom uint8

const (
	// FromEarliest begins at the first entry that is still there.
	FromEarliest StartFrom = iota
	// FromLatest begins at the head: with what comes after the first start.
	FromLatest
	// FromPosition begins at [Start.Position].
	FromPosition
	// FromTime begins at the first entry ordered at or after [Start.Time].
	FromTime
)

// Earliest starts at the lowest entry that the log still has.
func Earliest() Start { return Start{} }

// Latest starts at the head of the log: with the next entry to come.
func Latest() Start { return Start{from: FromLatest} }

// At starts with the entry at p, the first one where p is a receipt. p must
// have an id in the follower's log.
func At(p messages.Position) Start { return Start{from: FromPosition, at: p} }

// Since starts with the first entry that was ordered at or after t; its event
// time does not count. t's year lies in [1, 9999].
func Since(t time.Time) Start { return Start{from: FromTime, since: t.UTC()} }

// From tells which of the others holds something.
func (s Start) From() StartFrom { return s.from }

// Position is what [At] was given, nil for the other starts. In a [Plan] it
// is an id of the follower's log.
func (s Start) Position() messages.Position { return s.at }

// Time is what [Since] was given, in UTC, and zero for the other starts.
func (s Start) Time() time.Time { return s.since }

// String returns the text that is recorded beside the cursor: "earliest",
// "latest", "at 17" or "since 2026-01-02T15:04:05Z".
func (s Start) String() string {
	switch s.from {
	case FromLatest:
		return "latest"
	case FromPosition:
		return "at " + s.idText()
	case FromTime:
		return "since " + s.since.Format(time.RFC3339Nano)
	}
	return "earliest"
}

// idText prefers the permanent id: before Plan has settled on a log, a
// receipt may have ids in both.
func (s Start) idText() string {
	if id, _, err := messages.Span(s.at, messages.Permanent); err == nil {
		return messages.EventID(id).String()
	}
	id, _, _ := messages.Span(s.at, messages.TrimmableLog)
	return messages.TrimmableID(id).String()
}

// in returns s with its position reduced to an id of log.
func (s Start) in(log messages.Log) (Start, error) {
	switch s.from {
	case FromPosition:
		id, _, err := messages.Span(s.at, log)
		if err != nil {
			return Start{}, err
		}
		if log == messages.Permanent {
			return At(messages.EventID(id)), nil
		}
		return At(messages.TrimmableID(id)), nil
	case FromTime:
		if year := s.since.Year(); year < 1 || year > 9999 {
			return Start{}, messages.Invalid("start", "year %d is outside [1, 9999]", year)
		}
	}
	return s, nil
}

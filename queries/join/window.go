package join

import "time"

// Time says which of an entry's two times a join goes by.
type Time uint8

const (
	// Ordered is when the writer placed the entry: it never decreases along
	// the log, and nothing is ever late. At equal times the log decides: a left
	// matches the rights behind it.
	Ordered Time = iota
	// Event is when the event happened. A left matches rights of its own time
	// too, wherever they stand in the log.
	Event
)

// Window says which lefts and rights belong together.
type Window struct {
	// Within is how long after its left a right may come, both ends included.
	Within time.Duration
	// Time to go by. Zero is Ordered.
	Time Time
	// Lateness is how far the time of an entry may lie behind the highest one
	// seen, for Event: an entry waits that long for those that belong before
	// it, and one that is later still is [Late].
	Lateness time.Duration
	// Many lets a left have any number of rights; otherwise it has one.
	Many bool
}

// Outcome is what became of an entry.
type Outcome uint8

const (
	// Matched: a left and its right.
	Matched Outcome = iota + 1
	// TimedOut: a left whose window ended without a right.
	TimedOut
	// Open: a left without a right whose window had not ended where a query
	// did. A follower has none.
	Open
	// Unmatched: a right without a left.
	Unmatched
	// Late: an entry too far behind the highest time seen. It takes no part.
	Late
)

// String returns "matched", "timed out", "open", "unmatched" or "late".
func (o Outcome) String() string {
	switch o {
	case Matched:
		return "matched"
	case TimedOut:
		return "timed out"
	case Open:
		return "open"
	case Unmatched:
		return "unmatched"
	case Late:
		return "late"
	}
	return "no outcome"
}

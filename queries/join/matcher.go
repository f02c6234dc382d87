package join

import (
	"container/heap"
	"time"

	"github.com/retinue-go/retinue/messages"
)

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

// Item is one entry on its way through a [Matcher].
type Item struct {
	// Key that a left and its rights share.
	Key string
	// Right is true on the right side.
	Right bool
	// Entry, and Event as whoever fed the matcher decoded it; it may be nil.
	Entry messages.Entry
	Event messages.Event

	at      time.Time // in the join's time
	arrived uint64    // breaks ties
	// open is true for a left that can match, false for what still waits for
	// earlier ones.
	open, matched bool
	// All open lefts form a list in the order of time, those of one key a
	// stack with the latest on top.
	before, after, below, above *Item
}

// At is the item's time in the join's time.
func (it *Item) At() time.Time { return it.at }

// Pair is what a [Matcher] found: two items where they matched, else one.
type Pair struct {
	Outcome     Outcome
	Left, Right *Item
}

// Took is the time from left to right; 0 where there are not both.
func (p Pair) Took() time.Duration {
	if p.Left == nil || p.Right == nil {
		return 0
	}
	return p.Right.at.Sub(p.Left.at)
}

// Matcher is the join without a log: fed with entries in the order of the log,
// it tells what became of each, once. Its memory is that of what its window
// holds. It is not safe for concurrent use.
//
//	            Late  <-- behind the watermark
//	             |
//	entry --> waiting --> left: open --> Matched, TimedOut, Open
//	        (Event only)   right ------> Matched, Unmatched
//
// Invariants: watermark = clock - Lateness, and no item is accepted whose time
// is below it; items leave the waiting ones in the order (time, left before
// right, arrival); an open left and a right match only if
// left <= right <= left + Within.
type Matcher struct {
	window Window
	// clock is the highest time seen, ordered the last ordering time.
	clock, ordered time.Time
	arrivals       uint64
	waiting        waiting
	open           map[string]*Item // key -> its latest open left
	oldest, newest *Item
	held           int
	found          []Pair

	// most bounds how many items one call lets go; 0 is no bound.
	most, left int
	// changed, if not nil, is called with each item that is to be stored, or
	// that is no more: held is false then.
	changed func(it *Item, held bool)
}

// NewMatcher returns a matcher that holds nothing. The window's durations are
// 0 or above.
func NewMatcher(w Window) *Matcher {
	return &Matcher{window: w, open: make(map[string]*Item)}
}

// Held is how many items the matcher keeps.
func (m *Matcher) Held() int { return m.held }

// Add takes an entry and returns what it decides, which is valid until the
// next call; the entry's memory is the caller's again after that.
func (m *Matcher) Add(it Item) []Pair {
	m.begin()
	it.at = it.Entry.Ordered
	if m.window.Time == Event {
		it.at = it.Entry.Time
	}
	if !m.clock.IsZero() && it.at.Before(m.watermark()) {
		return m.tell(Late, &it)
	}
	m.arrivals++
	it.arrived = m.arrivals
	if it.Entry.Ordered.After(m.ordered) {
		m.ordered = it.Entry.Ordered
	}
	if it.at.After(m.clock) {
		m.clock = it.at
	}
	if m.window.Time == Event {
		waits := m.hold(it)
		heap.Push(&m.waiting, waits)
		m.store(waits, true)
		m.advance()
		return m.found
	}
	m.advance()
	m.place(&it)
	return m.found
}

// Tick lets time pass without an entry, up to an ordering time, and returns
// what that decides. With Event time, the highest time seen grows by the
// ordering time since the last entry.
func (m *Matcher) Tick(ordered time.Time) []Pair {
	m.begin()
	if m.clock.IsZero() {
		return nil
	}
	if ordered.After(m.ordered) {
		m.clock = m.clock.Add(ordered.Sub(m.ordered))
		m.ordered = ordered
	}
	m.advance()
	return m.found
}

// Finish ends the log at an ordering time, lets go of all items and returns
// what becomes of them.
func (m *Matcher) Finish(ordered time.Time) []Pair {
	m.Tick(ordered)
	m.left = 0
	for len(m.waiting) > 0 {
		m.place(heap.Pop(&m.waiting).(*Item))
	}
	for m.oldest != nil {
		m.close(m.oldest, Open)
	}
	return m.found
}

// Due returns the ordering time from which on a Tick decides something; false
// where nothing is held.
func (m *Matcher) Due() (ordered time.Time, ok bool) {
	var earliest time.Time
	if len(m.waiting) > 0 {
		earliest, ok = m.waiting[0].at, true
	}
	if m.oldest != nil {
		if end := m.end(m.oldest); !ok || end.Before(earliest) {
			earliest, ok = end, true
		}
	}
	if !ok {
		return time.Time{}, false
	}
	return m.ordered.Add(earliest.Sub(m.watermark())).Add(1), true
}

// behind reports whether a call left something over for the next.
func (m *Matcher) behind() bool {
	due, ok := m.Due()
	return ok && !due.After(m.ordered)
}

func (m *Matcher) begin() {
	clear(m.found)
	m.found = m.found[:0]
	m.left = m.most
}

// watermark is the time below which nothing is accepted any more.
func (m *Matcher) watermark() time.Time { return m.clock.Add(-m.window.Lateness) }

// end is the last moment of a left's window.
func (m *Matcher) end(left *Item) time.Time { return left.at.Add(m.window.Within) }

// advance decides what lies below the watermark, in the order of time.
func (m *Matcher) advance() {
	watermark := m.watermark()
	for len(m.waiting) > 0 && m.waiting[0].at.Before(watermark) {
		next := m.waiting[0]
		m.expire(next.at)
		if !m.may() {
			return
		}
		heap.Pop(&m.waiting)
		m.place(next)
	}
	m.expire(watermark)
}

// expire closes the lefts whose windows ended before a time.
func (m *Matcher) expire(now time.Time) {
	for m.oldest != nil && m.end(m.oldest).Before(now) && m.may() {
		m.close(m.oldest, TimedOut)
	}
}

// may counts what one call lets go.
func (m *Matcher) may() bool {
	if m.most == 0 {
		return true
	}
	m.left--
	return m.left >= 0
}

// place gives an item its role: everything before it in time has its own.
func (m *Matcher) place(it *Item) {
	if !it.Right {
		if m.window.Time == Ordered {
			it = m.hold(*it)
		}
		m.push(it)
		m.store(it, true)
		return
	}
	if m.window.Time == Event {
		m.release(it)
	}
	left := m.open[it.Key]
	if left == nil || m.end(left).Before(it.at) {
		m.tell(Unmatched, it)
		return
	}
	m.found = append(m.found, Pair{Outcome: Matched, Left: left, Right: it})
	switch {
	case !m.window.Many:
		m.drop(left)
	case !left.matched:
		left.matched = true
		m.store(left, true)
	}
}

// close lets go of an open left that gets no more rights.
func (m *Matcher) close(left *Item, o Outcome) {
	if !left.matched {
		m.tell(o, left)
	}
	m.drop(left)
}

func (m *Matcher) tell(o Outcome, it *Item) []Pair {
	p := Pair{Outcome: o, Left: it}
	if it.Right {
		p = Pair{Outcome: o, Right: it}
	}
	m.found = append(m.found, p)
	return m.found
}

func (m *Matcher) hold(it Item) *Item {
	m.held++
	it.Entry = it.Entry.Clone()
	return &it
}

func (m *Matcher) release(it *Item) {
	m.held--
	m.store(it, false)
}

func (m *Matcher) store(it *Item, held bool) {
	if m.changed != nil {
		m.changed(it, held)
	}
}

// push makes a left the latest of all and of its key.
func (m *Matcher) push(it *Item) {
	it.open = true
	it.before, m.newest = m.newest, it
	if it.before == nil {
		m.oldest = it
	} else {
		it.before.after = it
	}
	it.below = m.open[it.Key]
	if it.below != nil {
		it.below.above = it
	}
	m.open[it.Key] = it
}

// drop takes an open left out.
func (m *Matcher) drop(it *Item) {
	if it.before == nil {
		m.oldest = it.after
	} else {
		it.before.after = it.after
	}
	if it.after == nil {
		m.newest = it.before
	} else {
		it.after.before = it.before
	}
	if it.below != nil {
		it.below.above = it.above
	}
	switch {
	case it.above != nil:
		it.above.below = it.below
	case it.below != nil:
		m.open[it.Key] = it.below
	default:
		delete(m.open, it.Key)
	}
	it.before, it.after, it.below, it.above = nil, nil, nil, nil
	m.release(it)
}

// restore takes back an item that was stored, in the order of time.
func (m *Matcher) restore(it *Item) {
	m.held++
	m.arrivals++
	it.arrived = m.arrivals
	if it.open {
		m.push(it)
	} else {
		heap.Push(&m.waiting, it)
	}
}

// waiting is a heap of items, the earliest first.
type waiting []*Item

func (w waiting) Len() int { return len(w) }
func (w waiting) Less(i, j int) bool {
	a, b := w[i], w[j]
	if c := a.at.Compare(b.at); c != 0 {
		return c < 0
	}
	if a.Right != b.Right {
		return b.Right
	}
	return a.arrived < b.arrived
}
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(it any)  { *w = append(*w, it.(*Item)) }
func (w *waiting) Pop() any {
	last := len(*w) - 1
	it := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	return it
}

package join

import (
	"container/heap"
	"time"

	"github.com/retinue-go/retinue/messages"
)

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
	passing        Item // the last one added, where it is not held

	// most bounds how many items one call lets go, of which quota are left; 0 is
	// no bound.
	most, quota int
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
func (m *Matcher) Add(item Item) []Pair {
	m.begin()
	m.passing = item
	it := &m.passing
	it.at = m.timeOf(&it.Entry)
	if !m.clock.IsZero() && it.at.Before(m.watermark()) {
		return m.tell(Late, it)
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
	m.place(it)
	return m.found
}

// refuse tells that an entry is late, whatever its time.
func (m *Matcher) refuse(it Item) []Pair {
	m.begin()
	m.passing = it
	m.passing.at = m.timeOf(&it.Entry)
	return m.tell(Late, &m.passing)
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
	for len(m.waiting) > 0 {
		m.place(heap.Pop(&m.waiting).(*Item))
	}
	for m.oldest != nil {
		m.close(m.oldest, Open)
	}
	return m.found
}

// Due returns the ordering time from which on a Tick decides something, or lets
// go of a left that has its rights; false where nothing is held.
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
	m.quota = m.most
}

func (m *Matcher) timeOf(e *messages.Entry) time.Time {
	if m.window.Time == Event {
		return e.Time
	}
	return e.Ordered
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
	m.quota--
	return m.quota >= 0
}

// place gives an item its role: everything before it in time has its own.
func (m *Matcher) place(it *Item) {
	if !it.Right {
		if m.window.Time == Ordered {
			it = m.hold(it)
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

func (m *Matcher) hold(it *Item) *Item {
	m.held++
	held := *it
	held.Entry = it.Entry.Clone()
	return &held
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

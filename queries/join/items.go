package join

import (
	"container/heap"
	"time"

	"github.com/retinue-go/retinue/messages"
)

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

// Pair is what a [Matcher] found: an outcome, and the left and the right that
// it is of; one of the two is nil where they did not match.
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

package actors

import "time"

// clock is ordering time: max(wall, last + elapsed), so that it never runs
// backwards, and goes on at its own pace when the wall clock jumps back.
//
// Invariant: last never decreases; offset = last - wall at the last reading,
// and never below 0.
type clock struct {
	now    func() time.Time
	last   uint64 // nanoseconds since 1970
	offset time.Duration
	// read is the last reading of now; its monotonic part measures elapsed.
	read time.Time
}

// newClock goes on from what the store remembers. While it was closed time
// went on as the wall clock did.
func newClock(now func() time.Time, last uint64, offset time.Duration) clock {
	c := clock{now: now, last: last, offset: offset, read: now()}
	c.settle(c.read, max(last, nanoseconds(c.read)+uint64(offset)))
	return c
}

// tick returns the present ordering time.
func (c *clock) tick() uint64 {
	now := c.now()
	elapsed := max(now.Sub(c.read), 0)
	c.settle(now, max(nanoseconds(now), c.last+uint64(elapsed)))
	c.read = now
	return c.last
}

func (c *clock) settle(now time.Time, at uint64) {
	c.last = at
	c.offset = time.Duration(at - nanoseconds(now))
}

func nanoseconds(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

func orderedTime(ns uint64) time.Time { return time.Unix(0, int64(ns)).UTC() }

// Package weight is what a weighed process tells the one that started it.
package weight

import "time"

// Weight of a process, in bytes of resident memory.
type Weight struct {
	// Start is before the store is opened, Peak the most that ever was, Idle
	// what is left a while after the last append.
	Start, Peak, Idle int64
	// Elapsed is the time of the appends, Events how many there were.
	Elapsed time.Duration
	Events  int64
}

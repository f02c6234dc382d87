package messages

import "time"

// Prepared is an event that was checked and encoded on its caller's
// goroutine; the writer only has to place it.
type Prepared struct {
	// Type of the event, Codec by name, Instance of its module.
	Type     Type
	Codec    string
	Instance uint32
	// Time is zero where the event has none of its own.
	Time        time.Time
	Correlation string
	Cause       Cause
	Headers     map[string]string
	Payload     []byte
}

package measure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Result is one line of the comparison: a case and its medians. A figure that
// a case does not have is nil.
type Result struct {
	// Workload and System name the case; Variant tells cases apart that agree
	// in all other fields.
	Workload string `json:"workload"`
	System   string `json:"system"`
	Variant  string `json:"variant,omitempty"`
	// Producers that append concurrently, Followers that react.
	Producers int `json:"producers"`
	Followers int `json:"followers"`
	// Payload of one event, in bytes.
	Payload int `json:"payload"`
	// Durability is [Synced], [Unsynced] or [InMemory].
	Durability string `json:"durability"`
	// Profile sizes the database of Retinue, and of raw Pebble beside it.
	Profile string `json:"profile"`
	// Entries in the log, where the workload fixes their number.
	Entries int `json:"entries,omitempty"`
	// Rounds that the medians are of.
	Rounds int `json:"rounds"`

	EventsPerS *float64 `json:"events_per_s"`
	// P50 and P99 of the time of one operation, in microseconds.
	P50 *float64 `json:"p50_us"`
	P99 *float64 `json:"p99_us"`
	// Allocs per event, of the whole process: load generator, actors and
	// Pebble's background work included. C's allocations are not seen.
	Allocs *float64 `json:"allocs_per_event"`
	// RatioToRaw is EventsPerS of Retinue over that of raw Pebble with one
	// committer, batches of as many entries as there are producers, and one key
	// per entry, of the same group of rounds.
	RatioToRaw *float64 `json:"ratio_to_raw"`

	// Extra figures by name; the name says the unit. In JSON they stand beside
	// the others.
	Extra map[string]float64 `json:"-"`
}

// What a system has done when it answers.
const (
	// Synced: the event is on disk; a power cut leaves it there.
	Synced = "synced"
	// Unsynced: the operating system has it; a power cut may take it.
	Unsynced = "unsynced"
	// InMemory: the process has it.
	InMemory = "memory"
)

// MarshalJSON writes one object with the extra figures beside the fixed ones.
func (r Result) MarshalJSON() ([]byte, error) {
	type fixed Result
	line, err := json.Marshal(fixed(r))
	if err != nil || len(r.Extra) == 0 {
		return line, err
	}
	b := bytes.NewBuffer(bytes.TrimSuffix(line, []byte("}")))
	for _, name := range slices.Sorted(maps.Keys(r.Extra)) {
		value, err := json.Marshal(r.Extra[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(b, ",%q:%s", name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// String names the case in a line of progress.
func (r Result) String() string {
	name := r.System
	if r.Variant != "" {
		name += "/" + r.Variant
	}
	s := fmt.Sprintf("%s %s %s", r.Workload, name, r.Durability)
	if r.Producers > 0 {
		s += fmt.Sprintf(" P=%d", r.Producers)
	}
	if r.Followers > 0 {
		s += fmt.Sprintf(" F=%d", r.Followers)
	}
	if r.Entries > 0 {
		s += fmt.Sprintf(" entries=%d", r.Entries)
	}
	return fmt.Sprintf("%s %d B", s, r.Payload)
}

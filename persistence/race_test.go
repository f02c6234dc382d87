//go:build race || invariants

package persistence

// pageAllocations is wide here: under the race detector, or asked to, Pebble checks
// itself, and its pools forget on purpose, so it allocates at random.
const pageAllocations = 512

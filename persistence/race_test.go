//go:build race

package persistence

// pageAllocations is wide here: under the race detector Pebble checks itself,
// and its pools forget on purpose, so it allocates at random.
const pageAllocations = 512

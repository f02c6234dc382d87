//go:build race

package main

// manySeeds take a while under the race detector, where Pebble checks its
// invariants as well.
const manySeeds = 25

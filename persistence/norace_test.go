//go:build !race && !invariants

package persistence

// pageAllocations bounds what a page allocates, however many entries it has.
const pageAllocations = 16

//go:build !race

package persistence

// pageAllocations bounds what a page allocates, however many entries it has.
const pageAllocations = 16

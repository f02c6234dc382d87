package persistence

import "github.com/cockroachdb/pebble/v2"

// ReadStats is what reading has cost.
type ReadStats struct {
	// Entries that were looked at, whether a filter passed them or not. What
	// is skipped by whole blocks is not among them.
	Entries uint64
	// Bytes of the blocks that were loaded, index blocks included, as they are
	// on disk; what is still in memory tables costs none. Cached of them were
	// in the block cache.
	Bytes, Cached uint64
}

// Add adds other to s; nil counts nothing.
func (s *ReadStats) Add(other ReadStats) {
	if s == nil {
		return
	}
	s.Entries += other.Entries
	s.Bytes += other.Bytes
	s.Cached += other.Cached
}

func (s *ReadStats) blocks(it *pebble.Iterator) {
	loaded := it.Stats().InternalStats
	s.Add(ReadStats{Bytes: loaded.BlockBytes, Cached: loaded.BlockBytesInCache})
}

package persistence

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// Profile sizes an embedded database.
type Profile uint8

const (
	// Small is for a client app: a few tens of megabytes of memory.
	Small Profile = iota
	// Server is for a host with hundreds of megabytes to spare: larger
	// memtables keep throughput high while Pebble flushes.
	Server
)

// flushDelay bounds how long trimmed entries keep their space.
const flushDelay = 10 * time.Second

// options returns Pebble's options for the profile. Sizes follow what was
// measured on Pebble v2.1.7: the memtable's size matters most for throughput,
// the target file size is the granularity in which trimmed space comes back,
// and the cache must hold the memtables as well.
func (p Profile) options() *pebble.Options {
	o := &pebble.Options{
		FormatMajorVersion:          formatMajorVersion,
		CacheSize:                   16 << 20,
		MemTableSize:                4 << 20,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                128,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               16 << 20,
		FlushDelayDeleteRange:       flushDelay,
		MaxManifestFileSize:         1 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
	}
	o.TargetFileSizes[0] = 1 << 20
	compression := pebble.DBCompressionFastest
	if p == Server {
		o.CacheSize = 256 << 20
		o.MemTableSize = 64 << 20
		o.MemTableStopWritesThreshold = 8
		o.MaxOpenFiles = 4096
		o.L0CompactionThreshold = 8
		o.L0StopWritesThreshold = 1000
		o.LBaseMaxBytes = 64 << 20
		o.MaxManifestFileSize = 16 << 20
		o.CompactionConcurrencyRange = func() (int, int) { return 1, 2 }
		o.TargetFileSizes[0] = 4 << 20
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	o.Experimental.EnableDeleteOnlyCompactionExcises = func() bool { return true }
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return compression })
	return o
}

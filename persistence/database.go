package persistence

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
	client "github.com/prometheus/client_model/go"
)

// Database is what Pebble says of itself. In a shared database the figures
// are those of the whole database.
type Database struct {
	// Known is false once the store is closed or has failed; then all else is
	// zero.
	Known bool
	// WALSync is how long fsyncs of the write-ahead log took. An observation
	// lies in the bucket of its upper bound in Pebble's own, finer, histogram.
	WALSync Histogram[time.Duration]
	// WALFiles and WALBytes are the log files on disk; WALWritten is what was
	// handed to the log since the database was opened, in bytes.
	WALFiles   int
	WALBytes   uint64
	WALWritten uint64
	// Flushes and Compactions since the database was opened, and how long the
	// latter took; Compacting of them run now.
	Flushes, Compactions uint64
	CompactionTime       time.Duration
	Compacting           int
	// CompactionDebt estimates the bytes that compactions still have to move.
	CompactionDebt uint64
	// L0Files and L0Sublevels are what has been flushed and not compacted;
	// ReadAmplification is how many places a read may have to look into.
	L0Files, L0Sublevels, ReadAmplification int
	// Tables are the live files of the database, TableBytes their size.
	Tables     int
	TableBytes uint64
	// Memtables and MemtableBytes hold what is not flushed yet.
	Memtables     int
	MemtableBytes uint64
	// CacheBytes of the block cache, and how often it had a block or had not.
	CacheBytes             uint64
	CacheHits, CacheMisses uint64
	// DiskBytes is what the database takes on disk. DiskFree and DiskTotal are
	// those of the file system that holds it, in bytes; both 0 where that is
	// not known, as in a shared database.
	DiskBytes, DiskFree, DiskTotal uint64
}

// Database returns what Pebble says of itself. It does not ask a failed one,
// whose locks may never be free again.
func (s *Store) Database() Database {
	if s.fence.Cause() != nil || s.use() != nil {
		return Database{}
	}
	found := make(chan Database, 1)
	go func() {
		defer s.users.Done()
		found <- s.askDatabase()
	}()
	select {
	case d := <-found:
		return d
	case <-s.fence.Tripped():
		return Database{}
	}
}

func (s *Store) askDatabase() Database {
	m := s.db.Metrics()
	d := Database{
		Known: true, WALSync: syncLatency(m),
		WALFiles: int(m.WAL.Files), WALBytes: m.WAL.PhysicalSize, WALWritten: m.WAL.BytesIn,
		Flushes: uint64(m.Flush.Count), Compactions: uint64(m.Compact.Count), CompactionTime: m.Compact.Duration,
		Compacting: int(m.Compact.NumInProgress), CompactionDebt: m.Compact.EstimatedDebt,
		L0Files: int(m.Levels[0].TablesCount), L0Sublevels: int(m.Levels[0].Sublevels), ReadAmplification: m.ReadAmp(),
		Tables: int(m.Total().TablesCount), TableBytes: uint64(m.Total().TablesSize),
		Memtables: int(m.MemTable.Count), MemtableBytes: m.MemTable.Size,
		CacheBytes: uint64(m.BlockCache.Size), CacheHits: uint64(m.BlockCache.Hits), CacheMisses: uint64(m.BlockCache.Misses),
		DiskBytes: m.DiskSpaceUsage(),
	}
	if s.place != nil {
		if usage, err := s.place.fs.GetDiskUsage(s.place.dir); err == nil {
			d.DiskFree, d.DiskTotal = usage.AvailBytes, usage.TotalBytes
		}
	}
	return d
}

// syncBounds are the bounds of WALSync: from 16 us to 17 s.
var syncBounds = func() (bounds []time.Duration) {
	for i := range 21 {
		bounds = append(bounds, 16*time.Microsecond<<i)
	}
	return bounds
}()

// syncLatency takes Pebble's hundred buckets over into fewer.
func syncLatency(m *pebble.Metrics) Histogram[time.Duration] {
	h := Histogram[time.Duration]{Bounds: syncBounds, Counts: make([]uint64, len(syncBounds)+1)}
	var read client.Metric
	if m.LogWriter.FsyncLatency == nil || m.LogWriter.FsyncLatency.Write(&read) != nil {
		return h
	}
	theirs := read.GetHistogram()
	h.Sum = theirs.GetSampleSum()
	var below uint64
	i := 0
	for _, b := range theirs.GetBucket() {
		for i < len(syncBounds) && float64(syncBounds[i]) < b.GetUpperBound() {
			i++
		}
		h.Counts[i] += b.GetCumulativeCount() - below
		below = b.GetCumulativeCount()
	}
	h.Counts[len(syncBounds)] += theirs.GetSampleCount() - below
	return h
}

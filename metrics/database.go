package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/retinue-go/retinue"
)

var databaseFamilies = []family{
	{name: "retinue_wal_sync_latency_seconds", help: "Time of an fsync of the write-ahead log.", database: true,
		durations: single(func(s *source) retinue.Histogram[time.Duration] { return s.Database.WALSync })},
	ofDatabase("retinue_wal_files", "Files of the write-ahead log.", gauge,
		func(d *retinue.Database) float64 { return float64(d.WALFiles) }),
	ofDatabase("retinue_wal_size_bytes", "What the write-ahead log takes on disk.", gauge,
		func(d *retinue.Database) float64 { return float64(d.WALBytes) }),
	ofDatabase("retinue_wal_written_bytes_total", "Bytes handed to the write-ahead log.", counter,
		func(d *retinue.Database) float64 { return float64(d.WALWritten) }),
	ofDatabase("retinue_memtables", "Memtables, the one in use and those that wait to be flushed.", gauge,
		func(d *retinue.Database) float64 { return float64(d.Memtables) }),
	ofDatabase("retinue_memtable_size_bytes", "Memory of the memtables.", gauge,
		func(d *retinue.Database) float64 { return float64(d.MemtableBytes) }),
	ofDatabase("retinue_flushes_total", "Memtables that were flushed.", counter,
		func(d *retinue.Database) float64 { return float64(d.Flushes) }),
	ofDatabase("retinue_l0_files", "Tables of level 0: flushed and not compacted yet.", gauge,
		func(d *retinue.Database) float64 { return float64(d.L0Files) }),
	ofDatabase("retinue_l0_sublevels", "Layers of the tables of level 0.", gauge,
		func(d *retinue.Database) float64 { return float64(d.L0Sublevels) }),
	ofDatabase("retinue_read_amplification", "Places that a read may have to look into.", gauge,
		func(d *retinue.Database) float64 { return float64(d.ReadAmplification) }),
	ofDatabase("retinue_compactions_total", "Compactions that have ended.", counter,
		func(d *retinue.Database) float64 { return float64(d.Compactions) }),
	ofDatabase("retinue_compaction_seconds_total", "Time of all compactions.", counter,
		func(d *retinue.Database) float64 { return d.CompactionTime.Seconds() }),
	ofDatabase("retinue_compactions_running", "Compactions that run now.", gauge,
		func(d *retinue.Database) float64 { return float64(d.Compacting) }),
	ofDatabase("retinue_compaction_debt_bytes", "What compactions still have to move; an estimate.", gauge,
		func(d *retinue.Database) float64 { return float64(d.CompactionDebt) }),
	ofDatabase("retinue_tables", "Tables of the database.", gauge,
		func(d *retinue.Database) float64 { return float64(d.Tables) }),
	ofDatabase("retinue_table_size_bytes", "What the tables take on disk.", gauge,
		func(d *retinue.Database) float64 { return float64(d.TableBytes) }),
	ofDatabase("retinue_block_cache_size_bytes", "Memory of the block cache.", gauge,
		func(d *retinue.Database) float64 { return float64(d.CacheBytes) }),
	ofDatabase("retinue_block_cache_hits_total", "Blocks that were in the cache.", counter,
		func(d *retinue.Database) float64 { return float64(d.CacheHits) }),
	ofDatabase("retinue_block_cache_misses_total", "Blocks that had to be read.", counter,
		func(d *retinue.Database) float64 { return float64(d.CacheMisses) }),
	ofDatabase("retinue_disk_used_bytes", "What the database takes on disk.", gauge,
		func(d *retinue.Database) float64 { return float64(d.DiskBytes) }),
	ofFileSystem("retinue_disk_free_bytes", "Free space of the file system, where it is known.",
		func(d *retinue.Database) float64 { return float64(d.DiskFree) }),
	ofFileSystem("retinue_disk_size_bytes", "Size of the file system, where it is known.",
		func(d *retinue.Database) float64 { return float64(d.DiskTotal) }),
}

func ofDatabase(name, help string, kind prometheus.ValueType, value func(*retinue.Database) float64) family {
	return family{name: name, help: help, kind: kind, database: true,
		value: one(func(s *source) float64 { return value(&s.Database) })}
}

// ofFileSystem is left out where nothing is known: no space must not look like
// none left.
func ofFileSystem(name, help string, value func(*retinue.Database) float64) family {
	return family{name: name, help: help, kind: gauge, database: true,
		value: func(s *source, emit func(float64, ...string)) {
			if s.Database.DiskTotal > 0 {
				emit(value(&s.Database))
			}
		}}
}

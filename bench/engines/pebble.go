package engines

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/retinue-go/retinue/persistence"
)

// PebbleOptions returns the options that Retinue opens an embedded database
// with, without what makes it Retinue's: collectors, fence and logger. They
// are a copy of persistence/profile.go; a test compares the two.
func PebbleOptions(p persistence.Profile) *pebble.Options {
	o := &pebble.Options{
		FormatMajorVersion:          pebble.FormatValueSeparation,
		CacheSize:                   16 << 20,
		MemTableSize:                4 << 20,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                128,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               16 << 20,
		FlushDelayDeleteRange:       10 * time.Second,
		MaxManifestFileSize:         1 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
		Logger:                      quiet{},
	}
	o.TargetFileSizes[0] = 1 << 20
	if p == persistence.Server {
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
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	return o
}

// quiet drops what Pebble logs and ends the process where Pebble must not go
// on.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// Pebble is the engine without Retinue: one key per event, of the same bytes
// as Retinue's, and nothing else.
type Pebble struct {
	DB     *pebble.DB
	values [][]byte
	last   atomic.Uint64
}

// OpenPebble opens or creates a database.
func OpenPebble(c Config) (*Pebble, error) {
	db, err := pebble.Open(c.Dir, PebbleOptions(c.Profile))
	if err != nil {
		return nil, err
	}
	p := &Pebble{DB: db}
	for i, payload := range c.Payloads {
		nanos := 1<<28 + uint64(i)*6_700_417%700_000_000
		p.values = append(p.values, append(binary.AppendUvarint([]byte{recordFlags, 0}, nanos), payload...))
	}
	return p, nil
}

// recordFlags say that the codec is messages.Raw and that the time follows: the
// seconds by which it differs from the ordering time, 0, and its nanoseconds.
const recordFlags = 1<<3 | 1<<5

// Close closes the database.
func (p *Pebble) Close() error { return p.DB.Close() }

// entryKey draws the key of an entry in the permanent space:
//
//	'P' id u64, trimmable id u64, ordered u64, type u32
func entryKey(key []byte, id uint64) []byte {
	key = binary.BigEndian.AppendUint64(append(key[:0], 'P'), id)
	key = binary.BigEndian.AppendUint64(key, id)
	key = binary.BigEndian.AppendUint64(key, 1_800_000_000_000_000_000+id*1000)
	return binary.BigEndian.AppendUint32(key, 1)
}

// entryBounds is where the entries of ids [from, to) stand.
func entryBounds(from, to uint64) (lower, upper []byte) {
	return binary.BigEndian.AppendUint64([]byte{'P'}, from), binary.BigEndian.AppendUint64([]byte{'P'}, to)
}

// AppendBatch commits events entries as one batch, synced. It is for one
// goroutine, or with events == 1 for many.
func (p *Pebble) AppendBatch(_ context.Context, n uint64, events int) error {
	return p.commit(n, events, pebble.Sync)
}

func (p *Pebble) commit(n uint64, events int, how *pebble.WriteOptions) error {
	batch := p.DB.NewBatch()
	defer batch.Close()
	var buffer [29]byte
	last := p.last.Add(uint64(events))
	for i := range uint64(events) {
		key := entryKey(buffer[:], last-uint64(events)+1+i)
		if err := batch.Set(key, p.values[(n+i)%uint64(len(p.values))], nil); err != nil {
			return err
		}
	}
	return batch.Commit(how)
}

// Append commits one entry, synced, and leaves the grouping to Pebble.
func (p *Pebble) Append(ctx context.Context, n uint64) error { return p.AppendBatch(ctx, n, 1) }

// UpdateBatch reads keys and writes them, in one synced batch.
func (p *Pebble) UpdateBatch(keys [][]byte) error {
	batch := p.DB.NewBatch()
	defer batch.Close()
	for _, key := range keys {
		old, closer, err := p.DB.Get(key)
		if err != nil && !errors.Is(err, pebble.ErrNotFound) {
			return err
		}
		value := Counted(old)
		if closer != nil {
			closer.Close()
		}
		if err := batch.Set(key, value, nil); err != nil {
			return err
		}
	}
	return batch.Commit(pebble.Sync)
}

// TrimAndRead removes the n oldest entries with one range deletion and reads
// the first one left; it returns how long each took.
func (p *Pebble) TrimAndRead(n int) (call, read time.Duration, err error) {
	lower, upper := entryBounds(1, uint64(n)+1)
	began := time.Now()
	if err := p.DB.DeleteRange(lower, upper, pebble.Sync); err != nil {
		return 0, 0, err
	}
	call = time.Since(began)
	began = time.Now()
	it, err := p.DB.NewIter(&pebble.IterOptions{LowerBound: upper, UpperBound: []byte{'P' + 1}})
	if err != nil {
		return 0, 0, err
	}
	if !it.First() {
		return 0, 0, errors.Join(errors.New("nothing is left"), it.Close())
	}
	return call, time.Since(began), it.Close()
}

// Fill writes n entries without a sync for each batch, and syncs at the end.
func (p *Pebble) Fill(ctx context.Context, n int) error {
	for done := 0; done < n; done += fillBatch {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.commit(uint64(done), min(fillBatch, n-done), pebble.NoSync); err != nil {
			return err
		}
	}
	return p.DB.LogData(nil, pebble.Sync)
}

// fillBatch is how many events one append of a preparation has.
const fillBatch = 1000

package peers

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/tidwall/wal"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
)

func tidwallPeer() Peer {
	return Peer{
		Name: "tidwall-wal", Durability: measure.Synced, Log: (*tidwall)(nil), Consumes: "cursor only",
		Note: "fsync per write, producers behind a mutex; the cursor is a file beside it, without reactions",
		Open: openTidwall,
	}
}

type tidwall struct {
	mu       sync.Mutex
	log      *wal.Log
	cursor   *os.File
	payloads [][]byte
	last     uint64
	batch    wal.Batch
}

func openTidwall(c engines.Config) (Log, error) {
	log, err := wal.Open(filepath.Join(c.Dir, "wal"), &wal.Options{SegmentSize: 20 << 20, SegmentCacheSize: 2, NoCopy: true})
	if err != nil {
		return nil, err
	}
	cursor, err := os.Create(filepath.Join(c.Dir, "cursor"))
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return &tidwall{log: log, cursor: cursor, payloads: c.Payloads}, nil
}

func (t *tidwall) Close() error { return errors.Join(t.log.Close(), t.cursor.Close()) }

func (t *tidwall) Append(_ context.Context, n uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	return t.log.Write(t.last, t.payloads[n%uint64(len(t.payloads))])
}

func (t *tidwall) AppendBatch(_ context.Context, n uint64, events int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.batch.Clear()
	for i := range uint64(events) {
		t.last++
		t.batch.Write(t.last, t.payloads[(n+i)%uint64(len(t.payloads))])
	}
	return t.log.WriteBatch(&t.batch)
}

func (t *tidwall) Consume(ctx context.Context, n int) error {
	for done := 0; done < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		for range min(engines.ConsumeStep, n-done) {
			done++
			if _, err := t.log.Read(uint64(done)); err != nil {
				return err
			}
		}
		if _, err := t.cursor.WriteAt(binary.BigEndian.AppendUint64(nil, uint64(done)), 0); err != nil {
			return err
		}
		if err := t.cursor.Sync(); err != nil {
			return err
		}
	}
	return nil
}

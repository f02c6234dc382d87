package peers

import (
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
)

func badgerPeer() Peer {
	return Peer{
		Name: "badger", Durability: measure.Synced, LaterSync: true, Log: (*badgerLog)(nil),
		Note: "SyncWrites; one transaction per event, msync of its log",
		Open: openBadger,
	}
}

type badgerLog struct {
	db       *badger.DB
	payloads [][]byte
	last     atomic.Uint64
}

func openBadger(c engines.Config) (Log, error) {
	db, err := badger.Open(badger.DefaultOptions(c.Dir).WithSyncWrites(!c.Unsynced).WithLogger(nil).WithMetricsEnabled(false))
	if err != nil {
		return nil, err
	}
	return &badgerLog{db: db, payloads: c.Payloads}, nil
}

func (b *badgerLog) Close() error { return b.db.Close() }

func (b *badgerLog) Append(ctx context.Context, n uint64) error { return b.AppendBatch(ctx, n, 1) }

func (b *badgerLog) AppendBatch(_ context.Context, n uint64, events int) error {
	last := b.last.Add(uint64(events))
	return b.db.Update(func(tx *badger.Txn) error {
		for i := range uint64(events) {
			id := last - uint64(events) + 1 + i
			if err := tx.Set(badgerKey('P', id), b.payloads[(n+i)%uint64(len(b.payloads))]); err != nil {
				return err
			}
		}
		return nil
	})
}

func badgerKey(space byte, id uint64) []byte { return binary.BigEndian.AppendUint64([]byte{space}, id) }

func (b *badgerLog) Consume(ctx context.Context, n int) error {
	for done := 0; done < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		step, err := b.step(uint64(done) + 1)
		if err != nil {
			return err
		}
		done += step
	}
	return b.db.Sync()
}

func (b *badgerLog) step(from uint64) (read int, err error) {
	err = b.db.Update(func(tx *badger.Txn) error {
		read = 0
		o := badger.DefaultIteratorOptions
		o.PrefetchSize, o.Prefix = engines.ConsumeStep, []byte{'P'}
		it := tx.NewIterator(o)
		defer it.Close()
		for it.Seek(badgerKey('P', from)); it.Valid() && read < engines.ConsumeStep; it.Next() {
			if err := it.Item().Value(func([]byte) error { return nil }); err != nil {
				return err
			}
			if err := tx.Set(badgerKey('F', from+uint64(read)), make([]byte, engines.ReactionSize)); err != nil {
				return err
			}
			read++
		}
		if read == 0 {
			return errors.New("the log ends too early")
		}
		return tx.Set([]byte("cursor"), binary.BigEndian.AppendUint64(nil, from+uint64(read)))
	})
	return read, err
}

func (b *badgerLog) Update(_ context.Context, key []byte) error {
	for {
		err := b.db.Update(func(tx *badger.Txn) error {
			var old []byte
			item, err := tx.Get(key)
			if err == nil {
				old, err = item.ValueCopy(nil)
			}
			if err != nil && !errors.Is(err, badger.ErrKeyNotFound) {
				return err
			}
			return tx.Set(key, engines.Counted(old))
		})
		if !errors.Is(err, badger.ErrConflict) {
			return err
		}
	}
}

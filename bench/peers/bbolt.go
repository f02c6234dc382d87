package peers

import (
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
)

func boltPeer() Peer {
	return Peer{
		Name: "bbolt", Durability: measure.Synced, Log: (*bolt)(nil),
		Note: "DB.Batch with MaxBatchSize = producers; fdatasync per transaction (NoSync may lose the database: not run)",
		Open: openBolt,
	}
}

type bolt struct {
	db       *bbolt.DB
	payloads [][]byte
}

var boltLog, boltKeys = []byte("log"), []byte("keys")

func openBolt(c engines.Config) (Log, error) {
	db, err := bbolt.Open(filepath.Join(c.Dir, "bolt"), 0o600, &bbolt.Options{
		FreelistType: bbolt.FreelistMapType, NoFreelistSync: true, Timeout: time.Second,
	})
	if err != nil {
		return nil, err
	}
	db.MaxBatchSize = max(1, c.Producers)
	return &bolt{db, c.Payloads}, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(boltLog)
		_, errKeys := tx.CreateBucketIfNotExists(boltKeys)
		return errors.Join(err, errKeys)
	})
}

func (b *bolt) Close() error { return b.db.Close() }

func (b *bolt) Append(_ context.Context, n uint64) error {
	return b.db.Batch(func(tx *bbolt.Tx) error { return b.put(tx, n, 1) })
}

func (b *bolt) AppendBatch(_ context.Context, n uint64, events int) error {
	return b.db.Update(func(tx *bbolt.Tx) error { return b.put(tx, n, events) })
}

func (b *bolt) put(tx *bbolt.Tx, n uint64, events int) error {
	log := tx.Bucket(boltLog)
	log.FillPercent = 0.9 // keys ascend
	for i := range uint64(events) {
		id, err := log.NextSequence()
		if err != nil {
			return err
		}
		if err := log.Put(binary.BigEndian.AppendUint64(nil, id), b.payloads[(n+i)%uint64(len(b.payloads))]); err != nil {
			return err
		}
	}
	return nil
}

func (b *bolt) Consume(ctx context.Context, n int) error {
	for done := 0; done < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := b.db.Update(func(tx *bbolt.Tx) error {
			keys := tx.Bucket(boltKeys)
			keys.FillPercent = 0.9
			cursor := tx.Bucket(boltLog).Cursor()
			step, value := 0, make([]byte, engines.ReactionSize)
			for k, _ := cursor.Seek(binary.BigEndian.AppendUint64(nil, uint64(done)+1)); k != nil && step < engines.ConsumeStep; k, _ = cursor.Next() {
				if err := keys.Put(k, value); err != nil {
					return err
				}
				step++
			}
			if step == 0 {
				return errors.New("the log ends too early")
			}
			done += step
			return keys.Put([]byte("cursor"), binary.BigEndian.AppendUint64(nil, uint64(done)))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bolt) Update(_ context.Context, key []byte) error {
	return b.db.Batch(func(tx *bbolt.Tx) error {
		keys := tx.Bucket(boltKeys)
		return keys.Put(key, engines.Counted(keys.Get(key)))
	})
}

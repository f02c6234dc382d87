package engines

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Scan reads the first n entries and nothing else.
func (p *Pebble) Scan(_ context.Context, n int) error {
	lower, upper := entryBounds(1, uint64(n)+1)
	it, err := p.DB.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	read := 0
	for it.First(); it.Valid(); it.Next() {
		if len(it.Value()) > 1 {
			read++
		}
	}
	if read != n {
		return errors.Join(fmt.Errorf("read %d of %d entries", read, n), it.Error(), it.Close())
	}
	return it.Close()
}

// ScanAndSet returns what a follower costs without Retinue: n entries in steps
// of 256, each step one batch that sets a key per entry, and the cursor.
func ScanAndSet(sync bool) func(*Pebble, context.Context, int) error {
	return func(p *Pebble, ctx context.Context, n int) error { return p.react(ctx, n, ConsumeStep, sync) }
}

// PerTransaction returns the same with one transaction per event.
func PerTransaction(sync bool) func(*Pebble, context.Context, int) error {
	return func(p *Pebble, ctx context.Context, n int) error { return p.react(ctx, n, 1, sync) }
}

func (p *Pebble) react(ctx context.Context, n, step int, sync bool) error {
	how := pebble.NoSync
	if sync {
		how = pebble.Sync
	}
	for cursor := 1; cursor <= n; cursor += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.turn(uint64(cursor), min(step, n+1-cursor), how); err != nil {
			return err
		}
	}
	return p.DB.LogData(nil, pebble.Sync)
}

// turn reacts to the entries [cursor, cursor+step) in one batch.
func (p *Pebble) turn(cursor uint64, step int, how *pebble.WriteOptions) error {
	next := cursor + uint64(step)
	lower, upper := entryBounds(cursor, next)
	it, err := p.DB.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	batch := p.DB.NewBatch()
	defer batch.Close()
	var key [13]byte // like a follower's: 'F', its number, the 8 bytes it chose
	var value [ReactionSize]byte
	key[0], key[4] = 'F', 1
	read := 0
	for it.First(); it.Valid(); it.Next() {
		copy(key[5:], it.Key()[1:9])
		if err := batch.Set(key[:], value[:], nil); err != nil {
			return errors.Join(err, it.Close())
		}
		read++
	}
	if err := it.Close(); err != nil {
		return err
	}
	if read != step {
		return fmt.Errorf("read %d of %d entries from %d", read, step, cursor)
	}
	if err := batch.Set([]byte("C\x00\x00\x00\x01"), binary.BigEndian.AppendUint64(nil, next), nil); err != nil {
		return err
	}
	return batch.Commit(how)
}

package persistence

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

// Batch is what one round of the writer changes, all or nothing. It belongs
// to the writer; Commit leaves it empty for the next round.
type Batch struct {
	store *Store
	b     *pebble.Batch
	// scratch holds a key or a value until Pebble has copied it.
	key, value []byte
}

// Placed is an event with its place.
//
// Invariant: Event is 0 for a trimmable event, and so is Trimmable for a
// transient one, which is not written; Type is the number of
// Prepared.Type in the dictionary; Prepared.Time is set.
type Placed struct {
	*messages.Prepared
	Event     messages.EventID
	Trimmable messages.TrimmableID
	// Ordered is the ordering time in nanoseconds since 1970.
	Ordered uint64
	Type    uint32
}

// NewBatch returns an empty batch.
func (s *Store) NewBatch() *Batch { return &Batch{store: s, b: s.db.NewBatch()} }

// Empty reports whether nothing was written into the batch.
func (b *Batch) Empty() bool { return b.b.Empty() }

// Size returns the bytes that the batch takes in the write-ahead log.
func (b *Batch) Size() int { return b.b.Len() }

// Place writes entries, those of one space after those of the other: Pebble's
// memtable inserts neighbours faster.
func (b *Batch) Place(entries []Placed) {
	for i := range entries {
		if e := &entries[i]; e.Event != 0 {
			b.key = b.store.keys.permanent(b.key[:0], e.Event, e.Trimmable, e.Ordered, e.Type)
			b.record(e)
			b.store.recent.note(e.Event, e.Type)
		}
	}
	for i := range entries {
		if e := &entries[i]; e.Event == 0 && e.Trimmable != 0 {
			b.key = b.store.keys.trimmable(b.key[:0], e.Trimmable, e.Ordered, e.Type)
			b.record(e)
		}
	}
}

func (b *Batch) record(e *Placed) {
	b.value = appendRecord(b.value[:0], e.Prepared, e.Ordered)
	b.set(b.key, b.value)
}

// NameType writes the number of an event type.
func (b *Batch) NameType(number uint32, module, kind string) {
	b.set(b.store.keys.numbered(nil, spaceType, number), encodeTypeName(typeName{Module: module, Kind: kind}))
}

// SetHeads moves the heads; in the same batch as the entries that move them.
func (b *Batch) SetHeads(h Heads) { b.set(b.store.keys.meta(metaHeads), h.encode()) }

// Trim deletes the trimmable entries in [from, to) and moves the horizon.
func (b *Batch) Trim(from, to messages.TrimmableID) {
	k := b.store.keys
	check(b.b.DeleteRange(k.trimmableID(nil, from), k.trimmableID(nil, to), nil))
	b.set(k.meta(metaHorizon), binary.BigEndian.AppendUint64(nil, uint64(to)))
}

// SetCursor writes a follower's cursor.
func (b *Batch) SetCursor(c *Cursor) {
	b.key = b.store.keys.numbered(b.key[:0], spaceCursor, c.Number)
	b.value = c.append(b.value[:0])
	b.set(b.key, b.value)
}

// SetNextFollower writes the number that the next new follower will get.
func (b *Batch) SetNextFollower(number uint32) {
	b.set(b.store.keys.meta(metaFollowers), binary.BigEndian.AppendUint32(nil, number))
}

// SetControl writes a follower's control record.
func (b *Batch) SetControl(number uint32, c Control) {
	b.set(b.store.keys.numbered(nil, spaceControl, number), c.encode())
}

// SetParked writes a parked entry.
func (b *Batch) SetParked(number uint32, p *Parked) {
	b.set(b.store.keys.parked(nil, number, p.ID), p.encode())
}

// DeleteParked deletes a parked entry.
func (b *Batch) DeleteParked(number uint32, id uint64) {
	check(b.b.Delete(b.store.keys.parked(nil, number, id), nil))
}

// Forget deletes everything of a follower; its number is not used again.
func (b *Batch) Forget(number uint32) {
	k := b.store.keys
	check(b.b.Delete(k.numbered(nil, spaceCursor, number), nil))
	check(b.b.Delete(k.numbered(nil, spaceControl, number), nil))
	for _, space := range []byte{spaceParked, spaceState} {
		lower, upper := k.numberedBounds(space, number)
		check(b.b.DeleteRange(lower, upper, nil))
	}
}

// SetKey writes an idempotency key with what it stands for.
func (b *Batch) SetKey(bucket uint32, key []byte, a Appended) {
	b.key = b.store.keys.numbered(b.key[:0], spaceKey, bucket, key...)
	b.value = a.append(b.value[:0])
	b.set(b.key, b.value)
}

// ExpireKeys deletes the buckets of idempotency keys below bucket.
func (b *Batch) ExpireKeys(bucket uint32) {
	k := b.store.keys
	check(b.b.DeleteRange(k.numbered(nil, spaceKey, 0), k.numbered(nil, spaceKey, bucket), nil))
}

// DeleteStaged deletes a staged record that was ordered.
func (b *Batch) DeleteStaged(at StagedID) {
	b.key = b.store.keys.staged(b.key[:0], at.Epoch, at.Counter)
	check(b.b.Delete(b.key, nil))
}

// Write adds what turns or a transaction wrote since mark; of a key that was
// read, the last write only.
func (b *Batch) Write(s *State, mark int) {
	for i := mark; i < len(s.ops); i++ {
		op := &s.ops[i]
		if last, ok := s.index[string(op.key)]; ok && last != i {
			continue
		}
		b.key = append(append(b.key[:0], s.base...), op.key...)
		if op.deleted {
			check(b.b.Delete(b.key, nil))
		} else {
			b.set(b.key, op.value)
		}
	}
}

// Merge adds a batch of the program. Errors: what Pebble says of a batch that
// it cannot read.
func (b *Batch) Merge(user *pebble.Batch) error {
	if user == nil || user.Empty() {
		return nil
	}
	return b.b.Apply(user, nil)
}

// Commit applies the batch, and syncs if asked. After an error nothing is
// known of the batch and the store has failed. Errors:
// [messages.FailedError].
func (b *Batch) Commit(sync bool) error {
	if err := b.store.commit(b.b, sync); err != nil {
		b.b = b.store.db.NewBatch() // the other may still be in use behind the fence
		return err
	}
	b.b.Reset()
	return nil
}

func (b *Batch) set(key, value []byte) { check(b.b.Set(key, value, nil)) }

// check panics: a batch in memory fails for no reason but a broken invariant.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

package persistence

import (
	"encoding/binary"
	"reflect"
	"unsafe"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

// StagedID names one Stage call.
type StagedID struct {
	// Epoch rises with every Open of the store.
	Epoch uint32
	// Counter rises with every Stage call of the epoch.
	Counter uint64
}

// Staged is what one Stage call wrote into the program's batch.
//
//	U epoch counter -> count, then per event: module, kind, record
//
// The record is that of an entry, ordered at time 0.
type Staged struct {
	// ID of the call; Events in the order they were given, at least one.
	ID     StagedID
	Events []messages.Prepared
}

// NextStagedID returns an id that was never given before.
func (s *Store) NextStagedID() StagedID {
	return StagedID{Epoch: s.epoch, Counter: s.freeCounter.Add(1)}
}

// Foreign reports whether b was made by another database. Pebble does not
// tell, and would apply it all the same.
func (s *Store) Foreign(b *pebble.Batch) bool {
	db := reflect.ValueOf(b).Elem().FieldByName("db")
	return db.Kind() == reflect.Pointer && !db.IsNil() && db.UnsafePointer() != unsafe.Pointer(s.db)
}

// Stage writes the events into the program's own batch.
func (s *Store) Stage(b *pebble.Batch, id StagedID, events []messages.Prepared) error {
	value := binary.AppendUvarint(nil, uint64(len(events)))
	for i := range events {
		value = appendBytes(appendBytes(value, events[i].Type.Module), events[i].Type.Kind)
		value = appendBytes(value, appendRecord(nil, &events[i], 0))
	}
	return b.Set(s.keys.staged(nil, id.Epoch, id.Counter), value, nil)
}

func decodeStaged(id StagedID, b []byte) (Staged, error) {
	f := fields{what: "staged record", rest: b}
	count := f.uvarint()
	f.bad = f.bad || count == 0
	staged := Staged{ID: id}
	for range count {
		module, kind := f.string(), f.string()
		record := f.bytes()
		if f.bad {
			break
		}
		var e messages.Entry
		if err := decodeRecord(&e, 0, record); err != nil {
			return Staged{}, err
		}
		e = e.Clone()
		e.Type.Module, e.Type.Kind = module, kind
		staged.Events = append(staged.Events, messages.Prepared{
			Type: e.Type, Codec: e.Codec, Instance: e.Instance, Time: e.Time,
			Correlation: e.Correlation, Cause: e.Cause, Headers: e.Headers, Payload: e.Payload,
		})
	}
	return staged, f.end()
}

// StagedRecords returns committed Stage calls from a place on, in the order
// of their ids, until about limit bytes are read. Errors:
// [messages.CorruptError], [messages.ErrClosed].
func (s *Store) StagedRecords(from StagedID, limit int) ([]Staged, error) {
	var all []Staged
	_, upper := s.keys.bounds(spaceStaged)
	err := s.walk(s.keys.staged(nil, from.Epoch, from.Counter), upper, func(key, value []byte) (bool, error) {
		epoch, counter, err := s.keys.parseNumber(key, 8)
		if err != nil {
			return false, err
		}
		id := StagedID{epoch, binary.BigEndian.Uint64(counter)}
		record, err := decodeStaged(id, value)
		all = append(all, record)
		limit -= len(value)
		return limit > 0, err
	})
	return all, err
}

// CountStaged counts the committed Stage calls that are not ordered yet.
func (s *Store) CountStaged() (n int, err error) {
	lower, upper := s.keys.bounds(spaceStaged)
	err = s.walk(lower, upper, func(_, _ []byte) (bool, error) {
		n++
		return true, nil
	})
	return n, err
}

// StagedKey is the idempotency key under which a Stage call is remembered, so
// that a batch which is applied twice orders its events once. It starts with
// a zero byte, which no user's key does.
func StagedKey(id StagedID) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0}, id.Epoch)
	return binary.BigEndian.AppendUint64(b, id.Counter)
}

// Appended is what an idempotency key stands for.
//
//	I bucket key -> digest, ordered, first and last event, first and last trimmable, next event, next trimmable
type Appended struct {
	// Digest of the content, zero for a Stage call; Ordered in nanoseconds
	// since 1970.
	Digest  [16]byte
	Ordered uint64
	// Receipt of the first append.
	Receipt messages.Receipt
}

func (a Appended) append(b []byte) []byte {
	b = appendBytes(b, a.Digest[:])
	r := a.Receipt
	for _, n := range [...]uint64{
		a.Ordered, uint64(r.FirstEvent), uint64(r.LastEvent),
		uint64(r.FirstTrimmable), uint64(r.LastTrimmable), uint64(r.NextEvent), uint64(r.NextTrimmable),
	} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func decodeAppended(b []byte) (Appended, error) {
	f := fields{what: "idempotency key", rest: b}
	a := Appended{}
	if digest := f.bytes(); len(digest) != copy(a.Digest[:], digest) || len(digest) < len(a.Digest) {
		f.bad = true
	}
	a.Ordered = f.uvarint()
	a.Receipt = messages.Receipt{
		FirstEvent: messages.EventID(f.uvarint()), LastEvent: messages.EventID(f.uvarint()),
		FirstTrimmable: messages.TrimmableID(f.uvarint()), LastTrimmable: messages.TrimmableID(f.uvarint()),
		NextEvent: messages.EventID(f.uvarint()), NextTrimmable: messages.TrimmableID(f.uvarint()),
	}
	return a, f.end()
}

// Key returns what key stands for in the first of the buckets that has it
// ordered at or after oldest, nil where it is new.
func (s *Store) Key(buckets []uint32, key []byte, oldest uint64) (*Appended, error) {
	if err := s.use(); err != nil {
		return nil, err
	}
	defer s.users.Done()
	for _, bucket := range buckets {
		value, err := get(s.db, s.keys.numbered(nil, spaceKey, bucket, key...))
		if err != nil {
			return nil, err
		}
		if value == nil {
			continue
		}
		if a, err := decodeAppended(value); err != nil || a.Ordered >= oldest {
			return &a, err
		}
	}
	return nil, nil
}

// AnyKey reports whether one of the buckets has a key in [first, last].
func (s *Store) AnyKey(buckets []uint32, first, last []byte) (found bool, err error) {
	for _, bucket := range buckets {
		upper := append(s.keys.numbered(nil, spaceKey, bucket, last...), 0)
		err := s.walk(s.keys.numbered(nil, spaceKey, bucket, first...), upper, func(_, _ []byte) (bool, error) {
			found = true
			return false, nil
		})
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

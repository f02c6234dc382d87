package persistence

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

func (s *Store) loadFormat() error {
	format, err := s.metaNumber(metaFormat, 4)
	if err != nil {
		return err
	}
	if format > Format {
		return fmt.Errorf("store has format %d, this release knows %d: %w", format, Format, messages.ErrNewerFormat)
	}
	id, err := get(s.db, s.keys.meta(metaStore))
	if err != nil {
		return err
	}
	switch {
	case len(id) == 0 && s.readOnly:
		return fmt.Errorf("no store is below the prefix %q: %w", s.keys.prefix, messages.ErrNotStore)
	case len(id) == 0:
		s.id = newStoreID()
	case len(id) == len(s.id):
		copy(s.id[:], id)
	default:
		return messages.Corrupt("store id", "%d bytes, want %d", len(id), len(s.id))
	}
	epoch, err := s.metaNumber(metaEpoch, 4)
	if err != nil {
		return err
	}
	s.epoch = uint32(epoch)
	clean, err := s.metaNumber(metaClean, 4)
	s.opened.Clean = clean == epoch
	return err
}

// loadImport refuses a store of which a part is still to come. Errors:
// [messages.ErrUnfinishedImport].
func (s *Store) loadImport() error {
	b, err := get(s.db, s.keys.meta(metaImport))
	if err != nil || b == nil || s.importing {
		return err
	}
	state, err := decodeImportState(b)
	if err != nil {
		return err
	}
	return fmt.Errorf("%d entries are here: import the same file again: %w", state.entries, messages.ErrUnfinishedImport)
}

// metaNumber reads a big endian number of size bytes, 0 where it is absent.
func (s *Store) metaNumber(name string, size int) (uint64, error) {
	b, err := get(s.db, s.keys.meta(name))
	if err != nil || b == nil {
		return 0, err
	}
	if len(b) != size {
		return 0, messages.Corrupt(name, "%d bytes, want %d", len(b), size)
	}
	if size == 4 {
		return uint64(binary.BigEndian.Uint32(b)), nil
	}
	return binary.BigEndian.Uint64(b), nil
}

func (s *Store) loadHeads() error {
	s.opened.Heads = Heads{Event: 1, Trimmable: 1}
	b, err := get(s.db, s.keys.meta(metaHeads))
	if err != nil {
		return err
	}
	if b != nil {
		if s.opened.Heads, err = decodeHeads(b); err != nil {
			return err
		}
	}
	horizon, err := s.metaNumber(metaHorizon, 8)
	s.opened.Horizon = messages.TrimmableID(max(horizon, 1))
	if s.opened.Horizon > s.opened.Heads.Trimmable {
		return messages.Corrupt("horizon", "%v is above the head %v", s.opened.Horizon, s.opened.Heads.Trimmable)
	}
	return err
}

func (s *Store) loadTypes() error {
	lower, upper := s.keys.bounds(spaceType)
	return s.walk(lower, upper, func(key, value []byte) (bool, error) {
		number, _, err := s.keys.parseNumber(key, 0)
		if err != nil {
			return false, err
		}
		name, err := decodeTypeName(value)
		if err == nil && int(number) != s.types.len()+1 {
			err = messages.Corrupt("dictionary", "type %d follows %d", number, s.types.len())
		}
		if err == nil {
			s.types.add(number, name.Module, name.Kind)
		}
		return true, err
	})
}

func (s *Store) loadFollowers() error {
	next, err := s.metaNumber(metaFollowers, 4)
	if err != nil {
		return err
	}
	s.opened.NextFollower = uint32(max(next, 1))
	lower, upper := s.keys.bounds(spaceCursor)
	err = s.walk(lower, upper, func(key, value []byte) (bool, error) {
		number, _, err := s.keys.parseNumber(key, 0)
		if err != nil {
			return false, err
		}
		c, err := decodeCursor(number, value)
		s.opened.Cursors = append(s.opened.Cursors, c)
		if err == nil && c.Number >= s.opened.NextFollower {
			err = messages.Corrupt("cursor", "follower number %d, next is %d", c.Number, s.opened.NextFollower)
		}
		if head := s.opened.Heads.of(c.Log); err == nil && c.Next > head {
			err = messages.Corrupt("cursor", "follower %q at %d of the %v log, head is %d", c.Name, c.Next, c.Log, head)
		}
		return true, err
	})
	if err != nil {
		return err
	}
	s.opened.Controls = map[uint32]Control{}
	lower, upper = s.keys.bounds(spaceControl)
	return s.walk(lower, upper, func(key, value []byte) (bool, error) {
		number, _, err := s.keys.parseNumber(key, 0)
		if err != nil {
			return false, err
		}
		s.opened.Controls[number], err = decodeControl(value)
		return true, err
	})
}

// of returns the head of one log.
func (h Heads) of(log messages.Log) uint64 {
	if log == messages.Permanent {
		return uint64(h.Event)
	}
	return uint64(h.Trimmable)
}

// loadBuckets finds the buckets that hold idempotency keys, one seek each.
func (s *Store) loadBuckets() error {
	lower, upper := s.keys.bounds(spaceKey)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	for valid := it.First(); valid; {
		bucket, _, err := s.keys.parseNumber(it.Key(), 0)
		if err != nil {
			return closing(it, err)
		}
		s.opened.Buckets = append(s.opened.Buckets, bucket)
		_, end := s.keys.numberedBounds(spaceKey, bucket)
		valid = it.SeekGE(end)
	}
	return closing(it, nil)
}

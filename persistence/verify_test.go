package persistence

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

func TestVerifyFindsWhatContradictsItself(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(s *Store, b *pebble.Batch)
		want  int
		// live: the bytes on disk are as good as those in memory.
		live bool
	}{
		{name: "a sound store", spoil: func(*Store, *pebble.Batch) {}},
		{name: "a hole in the permanent log", spoil: func(s *Store, b *pebble.Batch) {
			check(b.DeleteRange(s.keys.permanentID(nil, 3), s.keys.permanentID(nil, 4), nil))
		}, want: 2},
		{name: "a record that is no record", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Set(s.keys.permanent(nil, 3, 3, 3, 1), nil, nil))
		}, want: 2},
		{name: "a type without a name", spoil: func(s *Store, b *pebble.Batch) {
			check(b.DeleteRange(s.keys.permanentID(nil, 3), s.keys.permanentID(nil, 4), nil))
			check(b.Set(s.keys.permanent(nil, 3, 3, 3, 9), []byte{0}, nil))
		}, want: 2},
		{name: "a name that the dictionary lost", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Delete(s.keys.numbered(nil, spaceType, 1), nil))
		}, want: 1},
		{name: "a gap in the dictionary", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Set(s.keys.numbered(nil, spaceType, 3), encodeTypeName(typeName{Module: "m", Kind: "third"}), nil))
		}, want: 1},
		{name: "another name in the dictionary", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Set(s.keys.numbered(nil, spaceType, 1), encodeTypeName(typeName{Module: "m", Kind: "other"}), nil))
		}, want: 1, live: true},
		{name: "a cursor past the head", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Set(s.keys.numbered(nil, spaceCursor, 1), (&Cursor{Name: "f", Next: 99}).append(nil), nil))
		}, want: 1},
		{name: "keys of no follower", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Set(s.keys.numbered(nil, spaceState, 5, 'k'), nil, nil))
		}, want: 1},
		{name: "a parked entry past the head", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Set(s.keys.numbered(nil, spaceCursor, 1), (&Cursor{Name: "f", Next: 1}).append(nil), nil))
			check(b.Set(s.keys.parked(nil, 1, 50), (&Parked{}).encode(), nil))
		}, want: 1},
		{name: "a staged record of an epoch to come", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Set(s.keys.staged(nil, 77, 1), binary.AppendUvarint(nil, 0), nil))
		}, want: 1},
		{name: "a receipt of entries that are not there", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Set(s.keys.numbered(nil, spaceKey, 1, 'k'), Appended{Receipt: messages.Receipt{LastEvent: 99}}.append(nil), nil))
		}, want: 1},
		{name: "a horizon above the head", spoil: func(s *Store, b *pebble.Batch) {
			check(b.Set(s.keys.meta(metaHorizon), binary.BigEndian.AppendUint64(nil, 500), nil))
		}, want: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := vfs.NewMem()
			s := mustOpenOn(t, disk)
			placeEntries(t, s, 1, 10)
			b := s.db.NewBatch()
			c.spoil(s, b)
			check(b.Commit(pebble.Sync))
			report, err := s.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Problems) < c.want || c.want == 0 && len(report.Problems) > 0 {
				t.Errorf("problems: %v, want at least %d", report.Problems, c.want)
			}
			for _, p := range report.Problems {
				if !errors.Is(p, messages.ErrCorrupt) && !errors.Is(p, messages.ErrTrimmed) {
					t.Errorf("problem %v is no ErrCorrupt", p)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			closed, err := Verify(t.Context(), Config{Dir: "store", FS: disk})
			want := c.want
			if c.live {
				want = 0
			}
			if err != nil || len(closed.Problems) < want || want == 0 && len(closed.Problems) > 0 {
				t.Errorf("closed: %v, problems %v, want at least %d", err, closed.Problems, want)
			}
		})
	}
}

func TestVerifyReportsEverythingThatOpenRefuses(t *testing.T) {
	disk := vfs.NewMem()
	s := mustOpenOn(t, disk)
	s.Durable(placeEntries(t, s, 1, 10))
	b := s.db.NewBatch()
	check(b.Set(s.keys.meta(metaFollowers), []byte("short"), nil))
	check(b.Set(s.keys.numbered(nil, spaceType, 1), []byte{0xff}, nil))
	check(b.Set(s.keys.numbered(nil, spaceCursor, 1), (&Cursor{Name: "f", Next: 99}).append(nil), nil))
	check(b.DeleteRange(s.keys.permanentID(nil, 10), s.keys.permanentID(nil, 11), nil))
	check(b.Commit(pebble.Sync))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var damaged *messages.DamagedError
	if _, err := Open(Config{Dir: "store", FS: disk}); !errors.As(err, &damaged) || damaged.File != "permanent log" {
		t.Fatalf("open said %v, want damage of the permanent log", err)
	}
	for range 2 { // it changes nothing
		report, err := Verify(t.Context(), Config{Dir: "store", FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		if !errors.As(report.Err(), &damaged) {
			t.Errorf("the first problem is %v, want damage", report.Err())
		}
		var found strings.Builder
		for _, p := range report.Problems {
			found.WriteString(p.Error() + "\n")
		}
		for _, want := range []string{"permanent log", metaFollowers, "type", `follower "f"`} {
			if !strings.Contains(found.String(), want) {
				t.Errorf("nothing is said of %q in\n%s", want, found.String())
			}
		}
	}
}

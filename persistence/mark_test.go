package persistence

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// entries appends n persistent events through a batch of its own.
func placeEntries(t *testing.T, s *Store, from, n int) Heads {
	t.Helper()
	b := s.NewBatch()
	var placed []Placed
	if s.TypeNumber("m", "k") == 0 {
		b.NameType(1, "m", "k")
	}
	for i := from; i < from+n; i++ {
		p := &messages.Prepared{Type: messages.Type{Module: "m", Kind: "k"}, Codec: "raw", Time: time.Unix(1, 0), Payload: []byte("x")}
		placed = append(placed, Placed{Prepared: p, Event: messages.EventID(i), Trimmable: messages.TrimmableID(i), Ordered: uint64(i), Type: 1})
	}
	heads := Heads{Event: messages.EventID(from + n), Trimmable: messages.TrimmableID(from + n), Ordered: uint64(from + n)}
	b.Place(placed)
	b.SetHeads(heads)
	if err := b.Commit(true); err != nil {
		t.Fatal(err)
	}
	if s.TypeNumber("m", "k") == 0 {
		s.Learn(1, "m", "k")
	}
	return heads
}

func mustOpenOn(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "store", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLogThatLostItsEndIsDamaged(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := mustOpenOn(t, disk)
	s.Durable(placeEntries(t, s, 1, 10))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	older := disk.CrashClone(vfs.CrashCloneCfg{})
	s = mustOpenOn(t, disk)
	s.Durable(placeEntries(t, s, 11, 10))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The database of the day before, beside the mark of today.
	mark, err := readFile(disk, "store/"+markName)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(older, "store", markName, mark); err != nil {
		t.Fatal(err)
	}
	_, err = Open(Config{Dir: "store", FS: older})
	var damaged *messages.DamagedError
	if !errors.As(err, &damaged) || damaged.File != "write-ahead log" {
		t.Fatalf("open said %v, want a DamagedError of the write-ahead log", err)
	}
}

// Without its mark a store could lose the end of its log, too, and nobody would
// know.
func TestAMarkThatLostItsEndIsDamage(t *testing.T) {
	for _, size := range []int{0, markSize, 2*markSize - 1} {
		disk := vfs.NewMem()
		s := mustOpenOn(t, disk)
		s.Durable(placeEntries(t, s, 1, 10))
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		mark, err := readFile(disk, "store/"+markName)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeFile(disk, "store", markName, mark[:size]); err != nil {
			t.Fatal(err)
		}
		for _, readOnly := range []bool{true, false} {
			s, err := Open(Config{Dir: "store", FS: disk, ReadOnly: readOnly})
			var damaged *messages.DamagedError
			if !errors.As(err, &damaged) || damaged.File != markName {
				t.Errorf("open of a mark of %d bytes said %v, want a DamagedError of %s", size, err, markName)
			}
			if err == nil {
				_ = s.Close(t.Context())
			}
		}
	}
}

func TestMarkIsWrittenWithinASecondAndSurvivesATornWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		s := mustOpenOn(t, disk)
		s.Durable(placeEntries(t, s, 1, 3))
		time.Sleep(markEvery)
		synctest.Wait()
		s.Durable(placeEntries(t, s, 4, 3))
		time.Sleep(markEvery)
		synctest.Wait()
		text, err := readFile(disk, "store/"+markName)
		if err != nil {
			t.Fatal(err)
		}
		m := &marker{id: s.ID()}
		if got := m.read([]byte(text)); got.Event != 7 {
			t.Errorf("mark holds head %v, want 7", got.Event)
		}
		torn := []byte(text)
		newest := int(m.turn%2) * markSize
		torn[newest+40] ^= 1
		if got := (&marker{id: s.ID()}).read(torn); got.Event != 4 {
			t.Errorf("with its newest slot torn the mark holds %v, want the older 4", got.Event)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDatabaseOfAnotherStoreIsDamage(t *testing.T) {
	one, two := vfs.NewMem(), vfs.NewMem()
	for _, fs := range []vfs.FS{one, two} {
		if err := mustOpenOn(t, fs).Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := readFile(two, "store/"+sentinelName)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(one, "store", sentinelName, text); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: "store", FS: one}); !errors.Is(err, messages.ErrDamaged) {
		t.Fatalf("open said %v, want ErrDamaged", err)
	}
}

func TestReadingAStoreChangesNothing(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := mustOpenOn(t, disk)
	placeEntries(t, s, 1, 1)
	crashed := disk.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := Open(Config{Dir: "store", FS: crashed, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if s.Opened().Clean || s.epoch != 1 || s.Opened().Heads.Event != 2 {
			t.Errorf("opened clean %v, epoch %d, head %v, want an unclean first epoch with head 2", s.Opened().Clean, s.epoch, s.Opened().Heads.Event)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(Config{Dir: "nothing", FS: crashed, ReadOnly: true}); !errors.Is(err, messages.ErrNotStore) {
		t.Errorf("reading nothing said %v, want ErrNotStore", err)
	}
	if names, err := crashed.List("nothing"); err == nil {
		t.Errorf("reading nothing made %v", names)
	}
}

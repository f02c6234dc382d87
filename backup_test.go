package retinue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// counter counts the notes that it has reacted to, in its own keys, and echoes
// each as a hint.
func counter() followers.Follower {
	return followers.Follower{Name: "counter", Reactions: []followers.Reaction{
		followers.On(func(t *followers.Turn, n note) error {
			v, err := t.Get([]byte("count"))
			if err != nil {
				return err
			}
			count := uint64(1)
			if len(v) == 8 {
				count += binary.BigEndian.Uint64(v)
			}
			if err := t.Set([]byte("count"), binary.BigEndian.AppendUint64(nil, count)); err != nil {
				return err
			}
			return t.Append(hint(n))
		}),
	}}
}

func counted(t testing.TB, bus *retinue.Bus) (count uint64) {
	t.Helper()
	err := bus.View(func(v *retinue.View) error {
		keys, err := v.Follower("counter")
		if errors.Is(err, messages.ErrUnknownFollower) {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := keys.Get([]byte("count"))
		if len(b) == 8 {
			count = binary.BigEndian.Uint64(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// wantSound verifies a bus and compares what was reacted to with the cursor.
func wantSound(t testing.TB, bus *retinue.Bus) {
	t.Helper()
	if r, err := bus.Verify(t.Context()); err != nil || r.Err() != nil {
		t.Errorf("verify: %v, %v", err, r.Err())
	}
	s := bus.Status()
	if len(s.Followers) == 0 {
		return
	}
	if got, cursor := counted(t, bus), s.Followers[0].Cursor; got != cursor-1 {
		t.Errorf("counted %d, the cursor is %d", got, cursor)
	}
	if echoes := s.Trimmable.Head - s.Permanent.Head; echoes != s.Followers[0].Cursor-1 {
		t.Errorf("%d echoes, the cursor is %d", echoes, s.Followers[0].Cursor)
	}
}

func TestABackupUnderLoadIsRestoredAndFollowersGoOnExactlyOnce(t *testing.T) {
	opts := &retinue.Options{FS: vfs.NewMem()}
	bus := openBus(t, opts)
	mustFollow(t, bus, counter())
	stop, acked := make(chan struct{}), atomic.Uint64{}
	var producers sync.WaitGroup
	for p := range 4 {
		producers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := bus.Append(context.Background(), note{fmt.Sprint(p, i)}); err != nil {
					t.Errorf("append: %v", err)
					return
				}
				acked.Add(1)
			}
		})
	}
	var least []uint64
	for i := range 3 {
		for before := acked.Load(); acked.Load() < before+50; { // the producers are at it
			put(t, bus, note{"between"})
			acked.Add(1)
		}
		least = append(least, acked.Load())
		if err := bus.Backup(t.Context(), fmt.Sprint("backup", i)); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	producers.Wait()
	for i := range 3 {
		restored := fmt.Sprint("restored", i)
		if err := retinue.Restore(t.Context(), fmt.Sprint("backup", i), restored, opts); err != nil {
			t.Fatal(err)
		}
		goesOn(t, opts.FS, restored, least[i])
	}
}

// goesOn opens a restored store, which has at least so many notes, and has its
// follower catch up.
func goesOn(t *testing.T, fs vfs.FS, dir string, least uint64) {
	t.Helper()
	bus, err := retinue.Open(dir, &retinue.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBus(t, bus)
	wantSound(t, bus)
	if head := bus.Status().Permanent.Head; head <= least {
		t.Errorf("%s has the head %d, %d notes were acknowledged before the backup", dir, head, least)
	}
	mustFollow(t, bus, counter())
	if err := bus.Await(t.Context(), "counter", put(t, bus, note{"after"})); err != nil {
		t.Fatal(err)
	}
	wantSound(t, bus)
}

func TestABackupKeepsTheStoresIDAndARestoreHasAnother(t *testing.T) {
	opts := inMemory()
	bus := openBus(t, opts)
	put(t, bus, note{"a"})
	if err := bus.Backup(t.Context(), "deep/er/backup"); err != nil {
		t.Fatal(err)
	}
	if err := retinue.Restore(t.Context(), "deep/er/backup", "restored", opts); err != nil {
		t.Fatal(err)
	}
	backup, restored := readOnly(t, opts.FS, "deep/er/backup"), readOnly(t, opts.FS, "restored")
	if backup.StoreID() != bus.StoreID() || restored.StoreID() == bus.StoreID() {
		t.Errorf("ids: store %v, backup %v, restored %v", bus.StoreID(), backup.StoreID(), restored.StoreID())
	}
	wantTexts(t, backup, messages.Permanent, "a")
	wantTexts(t, restored, messages.Permanent, "a")
	if names, err := opts.FS.List("deep/er"); err != nil || !slices.Equal(names, []string{"backup"}) {
		t.Errorf("beside the backup lies %q, %v", names, err)
	}
}

func TestATargetThatIsThereIsLeftAlone(t *testing.T) {
	opts := inMemory()
	bus := openBus(t, opts)
	put(t, bus, note{"a"})
	if err := bus.Backup(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	if err := opts.FS.MkdirAll("empty", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := opts.FS.MkdirAll("stranger.partial/things", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"backup", "store", "empty", "stranger"} {
		wantError(t, bus.Backup(t.Context(), dir), messages.ErrExists)
	}
	wantError(t, bus.Backup(t.Context(), ""), messages.ErrInvalid)
	before := filesBelow(t, opts.FS, "backup")
	for _, dir := range []string{"store", "backup"} {
		if err := retinue.Restore(t.Context(), "backup", dir, opts); err == nil {
			t.Errorf("%s was restored over", dir)
		}
	}
	if err := retinue.Restore(t.Context(), "backup", "empty", opts); err != nil {
		t.Errorf("restore into an empty directory: %v", err)
	}
	wantError(t, retinue.Restore(t.Context(), "backup", "empty", opts), messages.ErrExists)
	wantError(t, retinue.Restore(t.Context(), "no backup", "other", opts), messages.ErrNotStore)
	wantError(t, retinue.Restore(t.Context(), "store", "other", opts), messages.ErrInUse)
	if after := filesBelow(t, opts.FS, "backup"); len(after) != len(before) {
		t.Errorf("the backup had %d files and has %d", len(before), len(after))
	}
}

func TestACopyThatLacksItsNameAloneIsLeftToPeople(t *testing.T) {
	opts := inMemory()
	bus := openBus(t, opts)
	if err := errors.Join(bus.Backup(t.Context(), "backup"), opts.FS.Rename("backup", "other.partial")); err != nil {
		t.Fatal(err)
	}
	err := bus.Backup(t.Context(), "other")
	wantError(t, err, messages.ErrExists)
	if err == nil || !strings.Contains(err.Error(), "rename it, or remove it") {
		t.Errorf("error = %v, want a word of what to do", err)
	}
	if err := opts.FS.Rename("other.partial", "other"); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, readOnly(t, opts.FS, "other"), messages.Permanent)
}

func TestACopyIsNotMadeInTheStoresOwnDirectory(t *testing.T) {
	opts := inMemory()
	bus := openBus(t, opts)
	if err := bus.Backup(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	before := filesBelow(t, opts.FS, "")
	for _, below := range []string{"in", "deep/er", "pebble/in"} {
		wantError(t, bus.Backup(t.Context(), "store/"+below), messages.ErrInvalid)
		wantError(t, retinue.Restore(t.Context(), "backup", "backup/"+below, opts), messages.ErrInvalid)
	}
	if after := filesBelow(t, opts.FS, ""); len(after) != len(before) {
		t.Errorf("there were %d files and are %d", len(before), len(after))
	}
}

func TestABusThatReadsBacksUpToo(t *testing.T) {
	fs := worked(t)
	bus := readOnly(t, fs, "store")
	if err := bus.Backup(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	backup := readOnly(t, fs, "backup")
	wantTexts(t, backup, messages.TrimmableLog, "a", "b", "poison", "c")
	if backup.StoreID() != bus.StoreID() {
		t.Errorf("ids: %v and %v", backup.StoreID(), bus.StoreID())
	}
}

func TestASharedDatabaseIsNotBackedUpHere(t *testing.T) {
	bus := sharedBus(t, openDatabase(t, vfs.NewMem()), "p")
	err := bus.Backup(t.Context(), "backup")
	wantError(t, err, messages.ErrInvalid)
	if err == nil || !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("error = %v, want a word of what to do", err)
	}
}

// onWrite calls f before each operation that changes what match accepts.
// isFinished reports whether a copy lacked nothing but its name, and is left
// to people.

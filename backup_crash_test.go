package retinue_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func onWrite(disk vfs.FS, match func(path string) bool, f func(n int, op errorfs.Op) error) vfs.FS {
	var n atomic.Int64
	return errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpRemoveAll || !match(op.Path) {
			return nil
		}
		return f(int(n.Add(1)), op)
	}))
}

// cuts are what a power cut leaves before each operation; Pebble's goroutines
// write at the same time.
type cuts struct {
	disk *vfs.MemFS
	mu   sync.Mutex
	left []*vfs.MemFS
}

func (c *cuts) take(int, errorfs.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = append(c.left, powerCut(c.disk))
	return nil
}

// all returns them, the last one of this moment.
func (c *cuts) all() []*vfs.MemFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(c.left, powerCut(c.disk))
}

func ofBackup(path string) bool { return strings.Contains(path, "backup") }

func TestAFullDiskDuringABackupLeavesNothingAndTheBusWorksOn(t *testing.T) {
	for last, failed := 1, true; failed; last++ {
		failed = false
		disk := vfs.NewMem()
		full := onWrite(disk, ofBackup, func(n int, op errorfs.Op) error {
			if n != last {
				return nil
			}
			failed = true
			return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		})
		bus := openBus(t, &retinue.Options{FS: full})
		put(t, bus, note{"a"}, hint{"b"})
		err := bus.Backup(t.Context(), "backup")
		_, there := disk.Stat("backup")
		switch {
		case err == nil && there != nil:
			t.Fatalf("operation %d: no error and no backup", last)
		case err != nil && there == nil:
			t.Fatalf("operation %d: a backup although %v", last, err)
		case err != nil:
			wantError(t, err, messages.ErrNoSpace, syscall.ENOSPC)
		}
		if _, err := disk.Stat("backup.partial"); !os.IsNotExist(err) && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("operation %d: backup.partial is there: %v", last, err)
		}
		put(t, bus, note{"after"})
		if s := bus.Status(); s.Failed != nil {
			t.Fatalf("operation %d: the bus failed: %v", last, s.Failed)
		}
		closeBus(t, bus)
		if last > 200 {
			t.Fatal("a backup takes over 200 operations")
		}
	}
}

func TestAPowerCutDuringABackupLeavesAWholeOneOrNone(t *testing.T) {
	disk := vfs.NewCrashableMem()
	crashes := &cuts{disk: disk}
	bus := openBus(t, &retinue.Options{FS: onWrite(disk, ofBackup, crashes.take)})
	mustFollow(t, bus, counter())
	if err := bus.Await(t.Context(), "counter", put(t, bus, note{"a"}, note{"b"})); err != nil {
		t.Fatal(err)
	}
	if err := bus.Backup(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	clones := crashes.all()
	wholes := 0
	for i, fs := range clones {
		if _, err := fs.Stat("backup"); err == nil {
			wholes++
			copied := readOnly(t, fs, "backup")
			wantSound(t, copied)
			wantHeads(t, copied, 3, 5)
			continue
		}
		if names, err := fs.List("backup.partial"); err == nil && slices.Contains(names, "RETINUE.partial") {
			_, err := retinue.Open("backup.partial", &retinue.Options{FS: fs})
			wantError(t, err, messages.ErrNotStore)
		}
		again := readOnly(t, fs, "store")
		if err := again.Backup(t.Context(), "backup"); err != nil && !isFinished(fs, err) {
			t.Errorf("crash %d: the backup after it: %v", i, err)
		}
		closeBus(t, again)
	}
	if wholes == 0 || wholes == len(clones) {
		t.Errorf("%d of %d crashes left a whole backup", wholes, len(clones))
	}
}

func isFinished(fs vfs.FS, err error) bool {
	_, sentinel := fs.Stat("backup.partial/RETINUE")
	return errors.Is(err, messages.ErrExists) && sentinel == nil
}

func TestAPowerCutDuringARestoreLeavesAWholeStoreOrNone(t *testing.T) {
	disk := vfs.NewCrashableMem()
	opts := &retinue.Options{FS: disk}
	bus := openBus(t, opts)
	put(t, bus, note{"a"}, hint{"b"})
	if err := bus.Backup(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	crashes := &cuts{disk: disk}
	ofRestored := func(path string) bool { return strings.Contains(path, "restored") }
	recording := &retinue.Options{FS: onWrite(disk, ofRestored, crashes.take)}
	if err := retinue.Restore(t.Context(), "backup", "restored", recording); err != nil {
		t.Fatal(err)
	}
	clones := crashes.all()
	wholes := 0
	for i, fs := range clones {
		if _, err := fs.Stat("restored"); err != nil {
			if err := retinue.Restore(t.Context(), "backup", "restored", &retinue.Options{FS: fs}); err != nil {
				if _, finished := fs.Stat("restored.partial/RETINUE"); finished != nil {
					t.Errorf("crash %d: the restore after it: %v", i, err)
				}
				continue
			}
		} else {
			wholes++
		}
		restored := readOnly(t, fs, "restored")
		wantTexts(t, restored, messages.TrimmableLog, "a", "b")
		if restored.StoreID() == bus.StoreID() {
			t.Errorf("crash %d: restored with the id of the store", i)
		}
	}
	if wholes == 0 || wholes == len(clones) {
		t.Errorf("%d of %d crashes left a whole store", wholes, len(clones))
	}
}

func TestABackupEndsWithItsContextAndLeavesNothing(t *testing.T) {
	for last := 1; ; last++ {
		disk := vfs.NewMem()
		ctx, cancel := context.WithCancel(t.Context())
		fs := onWrite(disk, ofBackup, func(n int, _ errorfs.Op) error {
			if n == last {
				cancel()
			}
			return nil
		})
		bus := openBus(t, &retinue.Options{FS: fs})
		put(t, bus, note{"a"})
		err := bus.Backup(ctx, "backup")
		closeBus(t, bus)
		if err == nil {
			break
		}
		wantError(t, err, context.Canceled)
		if names, _ := disk.List(""); !slices.Equal(names, []string{"store"}) {
			t.Errorf("operation %d: %q is left", last, names)
		}
		cancel()
	}
}

func TestCloseEndsABackup(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var bus *retinue.Bus
		closed := make(chan error, 1)
		fs := onWrite(vfs.NewMem(), ofBackup, func(n int, _ errorfs.Op) error {
			if n == 5 {
				go func() { closed <- bus.Close() }()
				time.Sleep(time.Second) // Close comes as far as it can
			}
			return nil
		})
		bus = openBus(t, &retinue.Options{FS: fs})
		put(t, bus, note{"a"})
		wantError(t, bus.Backup(t.Context(), "backup"), messages.ErrClosed)
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

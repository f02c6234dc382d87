package faults

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// noTables has no space for tables, once it is switched on: what is appended
// stays in logs.
type noTables struct{ on atomic.Bool }

func (*noTables) String() string { return "no space for tables" }

func (f *noTables) MaybeError(op errorfs.Op) error {
	if f.on.Load() && op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
		return syscall.ENOSPC
	}
	return nil
}

// severalLogs returns a disk, as a power cut leaves it each time, whose store
// of n entries has some of them in several logs only, and the names of those.
func severalLogs(t *testing.T) (left func() *vfs.MemFS, logs []string, n int) {
	t.Helper()
	disk, full := vfs.NewCrashableMem(), &noTables{}
	opts := &retinue.Options{FS: errorfs.Wrap(disk, full)}
	for _, on := range []bool{false, true} {
		bus, err := retinue.Open("store", opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			full.on.Store(false)
			if err := bus.Close(); err != nil {
				t.Error(err)
			}
		})
		full.on.Store(on)
		for range 500 {
			if _, err := bus.Append(context.Background(), filler(make([]byte, 8<<10))); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if !on {
			if err := bus.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	power := disk.CrashClone(vfs.CrashCloneCfg{})
	names, err := power.List("store/pebble")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if isWAL(name) {
			logs = append(logs, name)
		}
	}
	slices.Sort(logs)
	return func() *vfs.MemFS { return disk.CrashClone(vfs.CrashCloneCfg{}) }, logs, n
}

// A log that is lost before others takes batches away that these stand on.
func TestALogLostFromAStoreThatWasNotClosedIsDamage(t *testing.T) {
	left, logs, n := severalLogs(t)
	if len(logs) < 4 {
		t.Fatalf("logs %q, the test needs more", logs)
	}
	wantIntact(t, left(), n)
	for i, log := range logs[:len(logs)-1] {
		for _, lost := range [][]string{{log}, logs[:i+1]} {
			disk := left()
			for _, name := range lost {
				if err := disk.Remove(path.Join("store/pebble", name)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // a refusal changes nothing
				_, err := retinue.Open("store", &retinue.Options{FS: disk})
				var damaged *messages.DamagedError
				if !errors.As(err, &damaged) || damaged.File == "" || damaged.Want == "" || damaged.Got == "" {
					t.Errorf("without %q of %q open said %v, want a DamagedError", lost, logs, err)
				}
				_, err = retinue.Verify(context.Background(), "store", &retinue.Options{FS: disk})
				if !errors.Is(err, messages.ErrDamaged) {
					t.Errorf("without %q of %q verify said %v, want ErrDamaged", lost, logs, err)
				}
			}
		}
	}
}

// wantIntact opens a store of n entries again and again, also where it ends in
// the middle of things.
func wantIntact(t *testing.T, disk *vfs.MemFS, n int) {
	t.Helper()
	for range 3 {
		bus, err := retinue.Open("store", &retinue.Options{FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		if head := bus.Status().Permanent.Head; head != uint64(n)+1 {
			t.Errorf("head is %d, want %d", head, n+1)
		}
		if _, err := bus.Append(context.Background(), filler("more")); err != nil {
			t.Error(err)
		}
		n++
		next := disk.CrashClone(vfs.CrashCloneCfg{})
		if err := bus.Close(); err != nil {
			t.Error(err)
		}
		disk = next
	}
}

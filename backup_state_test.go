package retinue_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
)

// Where the power fails while a store is opened, behind its new manifest and
// before its new log, the next Open has nothing to replay and Pebble writes no
// manifest: a checkpoint of it was empty, and no store.
func TestABackupOfAStoreWhoseOpenAPowerCutInterruptedIsWhole(t *testing.T) {
	disk := vfs.NewCrashableMem()
	bus := openBus(t, &retinue.Options{FS: disk})
	put(t, bus, note{"a"}, hint{"b"})
	crashed := powerCut(disk)
	closeBus(t, bus)
	crashes := &cuts{disk: crashed}
	anywhere := func(path string) bool { return strings.Contains(path, "store") }
	closeBus(t, openBus(t, &retinue.Options{FS: onWrite(crashed, anywhere, crashes.take)}))
	for i, fs := range crashes.all() {
		again := openBus(t, &retinue.Options{FS: fs})
		if err := again.Backup(t.Context(), "backup"); err != nil {
			t.Errorf("the power failed before operation %d: %v", i, err)
		} else {
			copied := readOnly(t, fs, "backup")
			wantSound(t, copied)
			wantHeads(t, copied, 2, 3)
		}
		closeBus(t, again)
	}
}

// Without durability heads are shown before they are in the log's file. A copy
// was measured by them, and refused as damaged.
func TestABackupOfABusWithoutDurabilityTakesAppendsBesideIt(t *testing.T) {
	fs := vfs.NewMem()
	bus := openBus(t, &retinue.Options{FS: fs, Durability: retinue.None()})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := bus.Append(t.Context(), note{"beside"}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for range 4 {
		head := put(t, bus, note{"before"}).NextEvent
		if err := bus.Backup(t.Context(), "backup"); err != nil {
			t.Error(err)
			break
		}
		copied := readOnly(t, fs, "backup")
		wantSound(t, copied)
		if got := copied.Status().Permanent.Head; got < uint64(head) {
			t.Errorf("the backup ends at %d, %d was appended before it", got, head)
		}
		closeBus(t, copied)
		if err := fs.RemoveAll("backup"); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-stopped
}

// A directory that is not synced keeps its changes in no order: the mark of an
// unfinished copy was lost and what it marked stayed, in everybody's way.
func TestABackupIsTakenUpAgainOnADiskThatKeepsDirectoriesInNoOrder(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var clones []*vfs.MemFS
	bus := openBus(t, &retinue.Options{FS: onWrite(disk, ofBackup, func(n int, _ errorfs.Op) error {
		for seed := range uint64(8) {
			if n > 5 { // the mark is older than what it marks
				break
			}
			clones = append(clones, disk.CrashClone(vfs.CrashCloneCfg{
				UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(n), seed)),
			}))
		}
		return nil
	})})
	put(t, bus, note{"a"})
	if err := bus.Backup(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	for i, fs := range clones {
		again := openBus(t, &retinue.Options{FS: fs})
		if err := again.Backup(t.Context(), "backup"); err != nil && !isFinished(fs, err) {
			t.Errorf("crash %d: %v", i, err)
		}
		closeBus(t, again)
	}
}

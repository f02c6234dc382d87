package faults

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// A database that begins a manifest with each change of its tables comes to
// every operation on manifests and markers while it works.
func TestADiskThatFailsWhileTheManifestIsReplacedFailsTheBusOnly(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  errorfs.OpKind
		file  func(string) bool
		bears bool
	}{
		{"create of the manifest", errorfs.OpCreate, isManifest, false},
		{"write to the manifest", errorfs.OpFileWrite, isManifest, false},
		{"sync of the manifest", errorfs.OpFileSync, isManifest, false},
		{"create of the marker", errorfs.OpCreate, isMarker, false},
		{"remove of the marker", errorfs.OpRemove, isMarker, true},
		{"remove of the manifest", errorfs.OpRemove, isManifest, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := vfs.NewCrashableMem()
			fault := &failing{kind: c.kind, file: c.file}
			open := func(fs vfs.FS) (*pebble.DB, *retinue.Bus) {
				o := &pebble.Options{FS: fs, MemTableSize: 64 << 10, MaxManifestFileSize: 1}
				fence := persistence.Configure(o)
				db, err := pebble.Open("db", o)
				if err != nil {
					t.Fatal(err)
				}
				bus, err := retinue.Open("", &retinue.Options{DB: db, Prefix: []byte("p"), Fence: fence})
				if err != nil {
					t.Fatal(err)
				}
				return db, bus
			}
			db, bus := open(errorfs.Wrap(disk, fault))
			fault.on.Store(true)
			var last messages.Receipt
			// Files are removed by a goroutine of Pebble's own.
			for n := 0; n < 200 || c.bears && fault.hit.Load() == 0; n++ {
				at, err := bus.Append(context.Background(), filler(make([]byte, 4096)))
				if err != nil {
					wantFailed(t, "Append", err, errDisk)
					break
				}
				last = at
			}
			if met := fault.hit.Load() > 0; met && c.bears != (bus.Status().Failed == nil) {
				t.Errorf("Status says %v, it has to work on: %v", bus.Status().Failed, c.bears)
			} else if !met {
				t.Error("the fault was not met")
			}
			wantEntries(t, bus, int(last.LastEvent))
			if err := bus.Close(); c.bears {
				if err := errors.Join(err, db.Close()); err != nil {
					t.Errorf("Close said %v", err)
				}
			} else {
				wantFailed(t, "Close", err, errDisk)
			}
			db, bus = open(disk.CrashClone(vfs.CrashCloneCfg{}))
			wantEntries(t, bus, int(last.LastEvent))
			if err := errors.Join(bus.Close(), db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// wantEntries wants at least n in the permanent log: one may have come whose
// answer did not.
func wantEntries(t *testing.T, bus *retinue.Bus, n int) {
	t.Helper()
	found := 0
	for _, err := range bus.Entries(context.Background(), retinue.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		found++
	}
	if found < n {
		t.Errorf("%d entries, %d were acknowledged", found, n)
	}
}

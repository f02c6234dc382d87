package faults

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// closeFS makes closing some files fail once it is switched on.
type closeFS struct {
	vfs.FS
	on   atomic.Bool
	file func(base string) bool
	hit  atomic.Int64
}

func (f *closeFS) wrap(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil || !f.file(f.PathBase(name)) {
		return file, err
	}
	return &closeFile{file, f}, nil
}

func (f *closeFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.wrap(name, file, err)
}

func (f *closeFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, c)
	return f.wrap(name, file, err)
}

func (f *closeFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, c, opts...)
	return f.wrap(name, file, err)
}

func (f *closeFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.wrap(name, file, err)
}

func (f *closeFS) Unwrap() vfs.FS { return f.FS }

func isHeads(base string) bool { return base == "HEADS" }

type closeFile struct {
	vfs.File
	fs *closeFS
}

func (f *closeFile) Close() error {
	err := f.File.Close()
	if f.fs.on.Load() {
		f.fs.hit.Add(1)
		return errors.Join(errDisk, err)
	}
	return err
}

// Pebble closes its files when everything of the bus has ended: what fails
// there has nobody left to tell but who called Close.
func TestDiskThatFailsDuringCloseIsToldByIt(t *testing.T) {
	for name, file := range map[string]func(string) bool{
		"the log":      isWAL,
		"the manifest": isManifest,
		"the mark":     isHeads,
		"a directory":  func(base string) bool { return base == "store" || base == "pebble" },
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewCrashableMem()
			fault := &closeFS{FS: disk, file: file}
			bus, err := retinue.Open("store", &retinue.Options{FS: fault})
			if err != nil {
				t.Fatal(err)
			}
			wantToldByClose(t, bus, disk, func() int64 {
				fault.on.Store(true)
				return fault.hit.Load()
			})
		})
	}
}

// Close writes a last record and the mark of the heads, before Pebble closes.
func TestDiskThatFailsWhileTheStoreIsSignedOffIsToldByClose(t *testing.T) {
	for name, fault := range map[string]*failing{
		"write to the log":  {kind: errorfs.OpFileWrite, file: isWAL},
		"sync of the log":   {kind: errorfs.OpFileSyncData, file: isWAL},
		"write to the mark": {kind: errorfs.OpFileWriteAt, file: isHeads},
		"sync of the mark":  {kind: errorfs.OpFileSync, file: isHeads},
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewCrashableMem()
			bus, err := retinue.Open("store", &retinue.Options{FS: errorfs.Wrap(disk, fault)})
			if err != nil {
				t.Fatal(err)
			}
			wantToldByClose(t, bus, disk, func() int64 {
				fault.on.Store(true)
				return fault.hit.Load()
			})
		})
	}
}

// wantToldByClose appends, has the disk fail, closes, and opens what a power
// cut leaves.
func wantToldByClose(t *testing.T, bus *retinue.Bus, disk *vfs.MemFS, fail func() (hits int64)) {
	t.Helper()
	at, err := bus.Append(context.Background(), filler("a"))
	if err != nil {
		t.Fatal(err)
	}
	fail()
	err = bus.Close()
	if fail() == 0 {
		t.Fatal("the disk was not asked for what fails")
	}
	if !errors.Is(err, errDisk) {
		t.Errorf("Close said %v, want %v", err, errDisk)
	}
	if err := bus.Close(); err != nil {
		t.Errorf("Close of a closed bus said %v", err)
	}
	_, err = bus.Append(context.Background(), filler("b"))
	if !errors.Is(err, messages.ErrClosed) {
		t.Errorf("Append said %v, want ErrClosed", err)
	}
	again, err := retinue.Open("store", &retinue.Options{FS: disk.CrashClone(vfs.CrashCloneCfg{})})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if head := again.Status().Permanent.Head; head != uint64(at.NextEvent) {
		t.Errorf("head is %d after the crash, want %d", head, at.NextEvent)
	}
}

func TestAPanicOfOnFailureIsLogged(t *testing.T) {
	fault, heard := &failing{kind: errorfs.OpFileSyncData, file: isWAL}, make(alarms, 100)
	bus, err := retinue.Open("store", &retinue.Options{
		FS: errorfs.Wrap(vfs.NewMem(), fault), Logger: slog.New(heard), OnFailure: func(error) { panic("the program's own") },
	})
	if err != nil {
		t.Fatal(err)
	}
	fault.on.Store(true)
	_, err = bus.Append(context.Background(), filler("x"))
	wantFailed(t, "Append", err, errDisk)
	for message := range heard {
		if message == "callback panicked" {
			break
		}
	}
	wantFailed(t, "Close", bus.Close(), errDisk)
}

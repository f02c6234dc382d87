package retinuetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// ErrDisk is what a [Disk] fails with that was given no other error.
var ErrDisk = errors.New("input/output error")

// Disk is a crashable memory, for Options.FS, of which operations can be made
// to fail. It is safe for concurrent use.
//
// A bus whose write-ahead log, manifest or directory fails, fails as a whole,
// by design, and its cleanup does not complain of that. But the goroutines
// that met the error are parked for ever: run such a test outside of a bubble
// and without a leak check.
type Disk struct {
	vfs.FS

	mu     sync.Mutex
	faults []*DiskFault
	hits   int
	told   []func()
}

// DiskOp is a kind of operation on a file.
type DiskOp uint8

const (
	// Sync is any sync of a file or directory.
	Sync DiskOp = iota
	// Write to a file.
	Write
	// Create a file, by a new name or by reusing an old one.
	Create
	// Rename a file.
	Rename
	// Remove a file.
	Remove
)

// DiskFault makes one operation fail.
type DiskFault struct {
	// Op that fails.
	Op DiskOp
	// File is a part of the name of the file, as it was before where it is
	// renamed: ".log" for the write-ahead log, ".sst", "MANIFEST"; empty is
	// any.
	File string
	// Nth of these operations from now on fails; 0 means the first.
	Nth int
	// Permanent makes all later ones fail too.
	Permanent bool
	// Err to fail with; nil means [ErrDisk].
	Err error
}

// NewDisk returns an empty disk without faults.
func NewDisk() *Disk {
	d := &Disk{}
	d.FS = errorfs.Wrap(vfs.NewCrashableMem(), errorfs.InjectorFunc(d.inject))
	return d
}

// FailSync makes the nth sync of the write-ahead log from now on fail; 1 is
// the next.
func (d *Disk) FailSync(nth int) { d.Fail(DiskFault{Op: Sync, File: ".log", Nth: nth}) }

// Fail adds a fault.
func (d *Disk) Fail(f DiskFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.Nth = max(f.Nth, 1)
	d.faults = append(d.faults, &f)
}

// Hits counts the operations that have failed.
func (d *Disk) Hits() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hits
}

// Unwrap implements [vfs.FS].
func (d *Disk) Unwrap() vfs.FS { return d.FS }

// onHit has f called at each failure from now on.
func (d *Disk) onHit(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, f)
}

var kindOf = map[errorfs.OpKind]DiskOp{
	errorfs.OpFileSync: Sync, errorfs.OpFileSyncData: Sync, errorfs.OpFileSyncTo: Sync,
	errorfs.OpFileWrite: Write, errorfs.OpFileWriteAt: Write,
	errorfs.OpCreate: Create, errorfs.OpReuseForWrite: Create,
	errorfs.OpRename: Rename, errorfs.OpRemove: Remove,
}

func (d *Disk) inject(op errorfs.Op) error {
	kind, known := kindOf[op.Kind]
	if !known {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var failure error
	for _, f := range d.faults {
		if f.Op != kind || !strings.Contains(d.FS.PathBase(op.Path), f.File) {
			continue
		}
		f.Nth--
		if failure != nil || f.Nth > 0 || f.Nth < 0 && !f.Permanent {
			continue
		}
		if failure = f.Err; failure == nil {
			failure = ErrDisk
		}
	}
	if failure == nil {
		return nil
	}
	d.hits++
	for _, tell := range d.told {
		tell()
	}
	return fmt.Errorf("%s: %w", op.Path, failure)
}

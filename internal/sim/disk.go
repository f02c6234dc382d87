package main

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// cut says when the power fails: before or after the nth operation of a kind.
// The zero cut is none.
type cut struct {
	kind  string // "write log", one of kinds
	nth   int    // from 1
	after bool   // the operation is done, its caller not told yet
	// percent of what was not synced that survives, and the seed of which.
	percent int
	seed    uint64
}

// kinds are the operations that change the disk, each with what it is done
// to, as they occur in the lives of a bus; the power fails at each of them.
// Other is the bus's own files, and OPTIONS until it has its name.
var kinds = []string{
	"create log", "create manifest", "create marker", "create other", "create table",
	"mkdir directory",
	"remove log", "remove manifest", "remove marker", "remove options", "remove other", "remove table",
	"rename other", "rename options", "reuse log",
	"sync directory", "sync log", "sync manifest", "sync other", "sync table",
	"write log", "write manifest", "write other", "write table",
}

// copyKinds occur while a copy is made; what is done to files of a copy also
// counts as ofCopy, whatever it is.
var copyKinds = []string{
	"create options", "link log", "link table", "sync marker", "sync options", "write marker", "write options", ofCopy,
}

const ofCopy = "any of a copy"

// between two operations the power fails as well.
const between = "no operation"

// disk is a file system whose power fails at one operation: what is left then
// is in clone, and what happens to the disk afterwards happens to nobody.
type disk struct {
	vfs.FS
	mem *vfs.MemFS
	cut cut
	// deaf: syncs of the log do nothing.
	deaf bool
	// before reads what is acknowledged in the moment before the power fails.
	before func()

	// mu also guards what the driver notes as acknowledged, so that the two
	// have an order.
	mu    sync.Mutex
	seen  map[string]int // operations by kind
	clone *vfs.MemFS
}

func newDisk(mem *vfs.MemFS, c cut, before func()) *disk {
	return &disk{FS: mem, mem: mem, cut: c, before: before, seen: make(map[string]int)}
}

// do performs an operation, and lets the power fail if it is its turn.
func (d *disk) do(op, name string, perform func() error) error {
	return d.doKind(op+" "+d.class(op, name), name, perform)
}

func (d *disk) doKind(kind, name string, perform func() error) error {
	d.mu.Lock()
	now := d.count(kind)
	if strings.Contains(name, copyName) {
		now = d.count(ofCopy) || now
	}
	if now && !d.cut.after {
		d.fail()
	}
	d.mu.Unlock()
	err := perform()
	if now && d.cut.after {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.fail()
	}
	return err
}

// count reports whether the power fails at this operation; mu is held.
func (d *disk) count(kind string) (now bool) {
	d.seen[kind]++
	return d.clone == nil && kind == d.cut.kind && d.seen[kind] == d.cut.nth
}

// fail is the power failure; mu is held.
func (d *disk) fail() {
	d.before()
	d.clone = d.mem.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: d.cut.percent, RNG: rand.New(rand.NewPCG(d.cut.seed, d.cut.seed)),
	})
}

// failNow is a power failure between two operations.
func (d *disk) failNow() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.clone == nil {
		d.cut.kind = between
		d.fail()
	}
}

// dead reports whether the power has failed.
func (d *disk) dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.clone != nil
}

// checkKinds fails where the disk met an operation at which the power never
// fails.
func (d *disk) checkKinds(w *world) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for kind := range d.seen {
		if !slices.Contains(kinds, kind) && !(w.copying && slices.Contains(copyKinds, kind)) {
			w.fail("%q is not among the kinds of operations", kind)
		}
	}
}

// class is what the file is to Pebble and to the bus.
func (d *disk) class(op, name string) string {
	base := d.PathBase(name)
	switch {
	case op == "mkdir" || name == "":
		return "directory"
	case strings.HasSuffix(base, ".log"):
		return "log"
	case strings.HasSuffix(base, ".sst"):
		return "table"
	case strings.HasPrefix(base, "MANIFEST"):
		return "manifest"
	case strings.HasPrefix(base, "marker."):
		return "marker"
	case strings.HasPrefix(base, "OPTIONS"):
		return "options"
	}
	return "other"
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = d.do("create", name, func() (err error) { f, err = d.FS.Create(name, c); return err })
	return d.file(name, f, err)
}

func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (f vfs.File, err error) {
	err = d.do("create", name, func() (err error) { f, err = d.FS.OpenReadWrite(name, c, o...); return err })
	return d.file(name, f, err)
}

func (d *disk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = d.do("reuse", name, func() (err error) { f, err = d.FS.ReuseForWrite(old, name, c); return err })
	return d.file(name, f, err)
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d, name: name, directory: true}, nil
}

func (d *disk) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d, name: name}, nil
}

func (d *disk) Link(old, name string) error {
	return d.do("link", name, func() error { return d.FS.Link(old, name) })
}

func (d *disk) Remove(name string) error {
	return d.do("remove", name, func() error { return d.FS.Remove(name) })
}

func (d *disk) RemoveAll(name string) error {
	return d.do("remove", name, func() error { return d.FS.RemoveAll(name) })
}

func (d *disk) Rename(old, name string) error {
	return d.do("rename", name, func() error { return d.FS.Rename(old, name) })
}

func (d *disk) MkdirAll(name string, perm os.FileMode) error {
	return d.do("mkdir", name, func() error { return d.FS.MkdirAll(name, perm) })
}

// Unwrap implements [vfs.FS].
func (d *disk) Unwrap() vfs.FS { return d.FS }

// diskFile is an open file of a disk.
type diskFile struct {
	vfs.File
	disk      *disk
	name      string
	directory bool
}

func (f *diskFile) Write(p []byte) (n int, err error) {
	err = f.disk.do("write", f.name, func() (err error) { n, err = f.File.Write(p); return err })
	return n, err
}

func (f *diskFile) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.disk.do("write", f.name, func() (err error) { n, err = f.File.WriteAt(p, at); return err })
	return n, err
}

func (f *diskFile) Sync() error { return f.sync(f.File.Sync) }

func (f *diskFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *diskFile) SyncTo(length int64) (full bool, err error) {
	err = f.sync(func() (err error) { full, err = f.File.SyncTo(length); return err })
	return full, err
}

func (f *diskFile) sync(perform func() error) error {
	if f.directory {
		return f.disk.doKind("sync directory", f.name, perform)
	}
	if f.disk.deaf && f.disk.class("sync", f.name) == "log" {
		perform = func() error { return nil }
	}
	return f.disk.do("sync", f.name, perform)
}

package faults

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// crashed is the disk of a process that was killed with entries in its log
// only.
func crashed(t *testing.T) *vfs.MemFS {
	t.Helper()
	disk := vfs.NewCrashableMem()
	bus, err := retinue.Open("store", &retinue.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Append(context.Background(), filler("x")); err != nil {
		t.Fatal(err)
	}
	clone := disk.CrashClone(vfs.CrashCloneCfg{})
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	return clone
}

// Open waited for a commit that never came back from a failing log.
func TestOpenReturnsWhenTheLogFailsUnderItsFirstCommit(t *testing.T) {
	fault := &failing{kind: errorfs.OpFileSyncData, file: isWAL}
	fault.on.Store(true)
	_, err := retinue.Open("store", &retinue.Options{FS: errorfs.Wrap(crashed(t), fault)})
	wantFailed(t, "Open", err, errDisk)
}

// Pebble's Open retries the flush of what it has replayed without a pause and
// without an end.
func TestOpenGivesUpATableThatCannotBeWritten(t *testing.T) {
	fault := &failing{kind: errorfs.OpCreate, file: isTable}
	fault.on.Store(true)
	_, err := retinue.Open("store", &retinue.Options{FS: errorfs.Wrap(crashed(t), fault)})
	wantFailed(t, "Open", err, errDisk)
	if n := fault.hit.Load(); n > 20 {
		t.Errorf("a table was tried %d times", n)
	}
}

// NFS and others set no space aside for a file. Pebble asks for it before it
// writes to a log, and does not listen to the answer; the first append failed
// the store.
func TestADiskThatSetsNoSpaceAsideIsUsedWithout(t *testing.T) {
	fault := &failing{kind: errorfs.OpFilePreallocate, file: isWAL}
	fault.on.Store(true)
	bus, err := retinue.Open(filepath.Join(t.TempDir(), "store"), &retinue.Options{FS: errorfs.Wrap(vfs.Default, fault)})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 { // enough for several logs
		if _, err := bus.Append(context.Background(), filler(make([]byte, 128<<10))); err != nil {
			t.Fatal(err)
		}
	}
	if fault.hit.Load() == 0 {
		t.Error("nobody asked for space")
	}
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
}

// While tables find no room, memory for what is not in them fills, and then
// appends wait.
func TestAppendsWaitWhileTablesFindNoRoomAndGoOnOnceThereIsSome(t *testing.T) {
	const (
		size  = 64 << 10
		total = 48 << 20 / size
		most  = 32 << 20 / size // that four memtables and what is written meanwhile can hold
	)
	full, tries := atomic.Bool{}, make(chan struct{}, 1000)
	full.Store(true)
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpCreate || !isTable(vfs.Default.PathBase(op.Path)) || !full.Load() {
			return nil
		}
		tries <- struct{}{}
		return syscall.ENOSPC
	}))
	bus, err := retinue.Open("store", &retinue.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	var appended atomic.Int64
	done := make(chan error, 1)
	go func() {
		for range total {
			if _, err := bus.Append(context.Background(), filler(make([]byte, size))); err != nil {
				done <- err
				return
			}
			appended.Add(1)
		}
		done <- nil
	}()
	for range 10 { // with a pause between them
		<-tries
	}
	if n := appended.Load(); n > most {
		t.Errorf("%d appends of %d bytes did not wait, with no room for a table", n, size)
	}
	full.Store(false)
	if err := <-done; err != nil {
		t.Errorf("append said %v", err)
	}
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
}

// A checksum that does not fit was Pebble's error, and nobody's to match.
func TestAChangedByteOfATableReadsAsCorrupt(t *testing.T) {
	dir := damagedStore(t)
	changed := changeTables(t, dir, 0)
	if err := outcome(t, dir); changed == 0 || !errors.Is(err, messages.ErrCorrupt) {
		t.Errorf("%d tables were changed, reading said %v, want ErrCorrupt", changed, err)
	}
}

// changeTables changes a byte of each table that has more than least, and
// returns how many there are.
func changeTables(t *testing.T, dir string, least int) (changed int) {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "pebble", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tables {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(content) <= least {
			continue
		}
		content[len(content)/3] ^= 1
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		changed++
	}
	return changed
}

// Verify read what the bus itself looks at, and no more.
func TestVerifyMeetsAChangedByteOfTheApplicationsKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{})
	for range 10 {
		if _, err := bus.Update(context.Background(), func(tx *retinue.Tx) (err error) {
			for range 100 {
				key, value := make([]byte, 8), make([]byte, 4096)
				_, _ = random.Read(key)
				_, _ = random.Read(value)
				err = errors.Join(err, tx.Set(key, value))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	verified := func() error {
		report, err := retinue.Verify(context.Background(), dir, nil)
		return errors.Join(err, report.Err())
	}
	if err := verified(); err != nil {
		t.Fatal(err)
	}
	if changeTables(t, dir, 500<<10) == 0 { // there are small ones of the bus's own keys
		t.Fatal("no table is large")
	}
	if err := verified(); !errors.Is(err, messages.ErrCorrupt) {
		t.Errorf("Verify said %v, want ErrCorrupt", err)
	}
}

// Pebble refuses options that are not its own, without a class of error.
func TestChangedOptionsOfTheDatabaseAreDamage(t *testing.T) {
	dir := damagedStore(t)
	names, err := filepath.Glob(filepath.Join(dir, "pebble", "OPTIONS-*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.ReplaceAll(content, []byte("leveldb.BytewiseComparator"), []byte("leveldb.BytewiseCompazator"))
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := outcome(t, dir); !errors.Is(err, messages.ErrDamaged) {
		t.Errorf("open said %v, want ErrDamaged", err)
	}
}

package faults

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
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

// A checksum that does not fit was Pebble's error, and nobody's to match.
func TestAChangedByteOfATableReadsAsCorrupt(t *testing.T) {
	dir := damagedStore(t)
	changed := 0
	tables, err := filepath.Glob(filepath.Join(dir, "pebble", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tables {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/3] ^= 1
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		changed++
	}
	if err := outcome(t, dir); changed == 0 || !errors.Is(err, messages.ErrCorrupt) {
		t.Errorf("%d tables were changed, reading said %v, want ErrCorrupt", changed, err)
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

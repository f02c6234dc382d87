package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Copies that a process is killed in the middle of, by its round.
const (
	backingUp = iota
	restoring
	importing
	copies
)

const copiedEntries = 300

var _ = addPart("copying", playCopying)

// A child copies a store, and is killed before one of its operations on the
// disk. What it leaves is whole, or no store, and the same call works again.
func TestAKilledBackupRestoreOrImportIsTakenUpAgain(t *testing.T) {
	rounds := long(12, 120)
	seed := rand.Uint64()
	t.Logf("%d kills, seed %d", rounds, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	root := t.TempDir()
	if err := makeCopied(root); err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		c := startChild(t, "copying", root, roundVariable+"="+strconv.Itoa(round%copies))
		for left := random.IntN(60); ; left-- {
			line, ok := c.next()
			if !ok || line == "done" {
				break
			}
			if left <= 0 {
				c.kill()
			}
		}
		c.kill()
		_ = c.cmd.Wait() // killed, or done before it could be
		takenUp(t, root, round%copies)
		if t.Failed() {
			t.Fatalf("round %d, seed %d", round, seed)
		}
	}
}

// makeCopied makes the store, a backup of it and an export.
func makeCopied(root string) error {
	bus, err := retinue.Open(filepath.Join(root, "store"), nil)
	if err != nil {
		return err
	}
	defer bus.Close()
	for i := range copiedEntries {
		if _, err := bus.Append(context.Background(), word{fmt.Sprint(i, strings.Repeat(" x", 4<<10))}); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	if _, err := bus.Export(context.Background(), &out, retinue.ExportOptions{}); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "export"), out.Bytes(), 0o600); err != nil {
		return err
	}
	return bus.Backup(context.Background(), filepath.Join(root, "whole"))
}

// playCopying makes the copy of its round, and tells of each operation before
// it is done.
func playCopying() error {
	root := os.Getenv(dirVariable)
	round, err := strconv.Atoi(os.Getenv(roundVariable))
	if err != nil {
		return err
	}
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.Contains(op.Path, "copy") {
			fmt.Println("op")
		}
		return nil
	}))
	if err := makeCopy(root, round, &retinue.Options{FS: fs}); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

func makeCopy(root string, round int, opts *retinue.Options) error {
	ctx, target := context.Background(), filepath.Join(root, "copy")
	switch round {
	case restoring:
		return retinue.Restore(ctx, filepath.Join(root, "whole"), target, opts)
	case importing:
		f, err := os.Open(filepath.Join(root, "export"))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = retinue.Import(ctx, target, f, opts, retinue.ImportOptions{})
		return err
	}
	bus, err := retinue.Open(filepath.Join(root, "store"), opts)
	if err != nil {
		return err
	}
	return errors.Join(bus.Backup(ctx, target), bus.Close())
}

// takenUp makes the copy again where it is not there, verifies it, and takes
// it away.
func takenUp(t *testing.T, root string, round int) {
	t.Helper()
	target := filepath.Join(root, "copy")
	_, err := os.Stat(target)
	if round == importing || err != nil {
		if err := makeCopy(root, round, nil); err != nil && !errors.Is(err, messages.ErrExists) {
			t.Fatal(err)
		}
	}
	bus, err := retinue.Open(target, &retinue.Options{ReadOnly: true})
	if errors.Is(err, messages.ErrNotStore) && finished(target) {
		target += ".partial" // it lacks its name only
		bus, err = retinue.Open(target, &retinue.Options{ReadOnly: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	if r, err := bus.Verify(t.Context()); err != nil || r.Err() != nil || r.Permanent != copiedEntries {
		t.Errorf("verify: %+v, %v", r, err)
	}
	if err := errors.Join(bus.Close(), os.RemoveAll(target)); err != nil {
		t.Error(err)
	}
}

// finished reports whether a copy was signed and unmarked, and not renamed.
func finished(target string) bool {
	entries, err := os.ReadDir(target + ".partial")
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "RETINUE" })
}

// The log of the store that is imported into takes no more: at each of its
// writes in turn.
func TestAnImportThatFillsTheDiskGoesOnOnceThereIsRoom(t *testing.T) {
	root := t.TempDir()
	if err := makeCopied(root); err != nil {
		t.Fatal(err)
	}
	export, err := os.ReadFile(filepath.Join(root, "export"))
	if err != nil {
		t.Fatal(err)
	}
	load := func(fs vfs.FS) error {
		_, err := retinue.Import(t.Context(), "imported", bytes.NewReader(export), &retinue.Options{FS: fs}, retinue.ImportOptions{})
		return err
	}
	for last := int64(1); ; last += int64(long(9, 1)) {
		disk := vfs.NewCrashableMem()
		var n atomic.Int64
		err := load(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log") && n.Add(1) >= last {
				return syscall.ENOSPC
			}
			return nil
		})))
		if err == nil {
			return
		}
		if !errors.Is(err, messages.ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("write %d: error = %v", last, err)
		}
		healed := disk.CrashClone(vfs.CrashCloneCfg{})
		if err := load(healed); err != nil && !errors.Is(err, messages.ErrExists) { // it failed behind the last line
			t.Fatalf("write %d, and then there is room: %v", last, err)
		}
		r, err := retinue.Verify(t.Context(), "imported", &retinue.Options{FS: healed})
		if err != nil || r.Err() != nil || r.Permanent != copiedEntries {
			t.Fatalf("write %d: verify: %+v, %v", last, r, err)
		}
	}
}

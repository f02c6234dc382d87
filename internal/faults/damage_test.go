package faults

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

const damageEntries = 2_000

// damagedStore returns a closed store of several tables and logs.
func damagedStore(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range damageEntries / 100 {
		events := make([]messages.Event, 100)
		for i := range events {
			events[i] = filler(make([]byte, 4096))
		}
		if _, err := bus.Append(context.Background(), events...); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// outcome opens a store and counts what it reads. What it may not do is to
// open with less than was acknowledged.
func outcome(t *testing.T, dir string) error {
	t.Helper()
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		return err
	}
	defer bus.Close()
	n := 0
	for _, err := range bus.Entries(context.Background(), retinue.Query{}) {
		if err != nil {
			return err
		}
		n++
	}
	if n != damageEntries {
		t.Errorf("opened without a word, with %d of %d entries", n, damageEntries)
	}
	return nil
}

func TestLostFileIsDamageOrHarmless(t *testing.T) {
	dir := damagedStore(t)
	lost := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		t.Run(name, func(t *testing.T) {
			damaged := copyOf(t, dir)
			if err := os.Remove(filepath.Join(damaged, name)); err != nil {
				t.Fatal(err)
			}
			err := outcome(t, damaged)
			harmless := strings.Contains(name, "OPTIONS") || strings.HasSuffix(name, ".log")
			switch {
			case err == nil && !harmless:
				t.Errorf("a store without %s opened", name)
			case err != nil && name == "RETINUE":
				if !errors.Is(err, messages.ErrNotStore) {
					t.Errorf("open said %v, want ErrNotStore", err)
				}
			case err != nil && !errors.Is(err, messages.ErrDamaged):
				t.Errorf("open said %v, want ErrDamaged", err)
			}
		})
		lost++
		return nil
	})
	if err != nil || lost < 8 {
		t.Fatalf("lost %d files, %v", lost, err)
	}
}

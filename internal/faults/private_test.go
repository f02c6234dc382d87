//go:build unix

package faults

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Files are the owner's alone, whatever the umask lets through, also those
// that Pebble makes, and makes again of old ones, while the bus works, and
// those of copies.
func TestFilesAndDirectoriesAreTheOwnersAlone(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	for name, opts := range map[string]*retinue.Options{
		"by default":       nil,
		"of a file system": {FS: vfs.Default},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "above")
			dir := filepath.Join(root, "store")
			bus, err := retinue.Open(dir, opts)
			if err != nil {
				t.Fatal(err)
			}
			for n := 0; n < 100 || !hasTable(t, dir); n++ {
				events := []messages.Event{filler(make([]byte, 64<<10)), filler(make([]byte, 64<<10))}
				if _, err := bus.Append(context.Background(), events...); err != nil {
					t.Fatal(err)
				}
			}
			backup := filepath.Join(root, "backup")
			if err := bus.Backup(context.Background(), backup); err != nil {
				t.Fatal(err)
			}
			wantPrivate(t, root)
			if err := bus.Close(); err != nil {
				t.Fatal(err)
			}
			if err := retinue.Restore(context.Background(), backup, filepath.Join(root, "restored"), opts); err != nil {
				t.Fatal(err)
			}
			wantPrivate(t, root)
		})
	}
}

func hasTable(t *testing.T, dir string) bool {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "pebble", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	return len(tables) > 0
}

func wantPrivate(t *testing.T, root string) {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Pebble took it away
		}
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		seen[filepath.Ext(path)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{".log", ".sst", ""} {
		if !seen[ext] {
			t.Errorf("no file *%s", ext)
		}
	}
}

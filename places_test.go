package retinue_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func TestADirectoryIsOneStoreHoweverItsFileSystemIsNamed(t *testing.T) {
	systems := map[string]vfs.FS{"by default": nil, "by name": vfs.Default}
	for first, fs := range systems {
		for second, other := range systems {
			t.Run("opened "+first+", then "+second, func(t *testing.T) {
				above := t.TempDir()
				store, link := filepath.Join(above, "store"), filepath.Join(above, "link")
				bus, err := retinue.Open(store, &retinue.Options{FS: fs})
				if err != nil {
					t.Fatal(err)
				}
				defer closeBus(t, bus)
				if err := os.Symlink(store, link); err != nil {
					t.Fatal(err)
				}
				t.Chdir(above)
				for _, name := range []string{store, link, "store", "./link", store + "/../store"} {
					opts := &retinue.Options{FS: other}
					again, err := retinue.Open(name, opts)
					wantError(t, err, messages.ErrInUse)
					if err == nil {
						closeBus(t, again)
					}
					_, err = retinue.Verify(t.Context(), name, opts)
					wantError(t, err, messages.ErrInUse)
				}
			})
		}
	}
}

func TestARelativeDirectoryIsTheSameStoreFromElsewhere(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"by default": nil, "by name": vfs.Default} {
		t.Run("file system "+name, func(t *testing.T) {
			above := t.TempDir()
			t.Chdir(above)
			bus, err := retinue.Open("store", &retinue.Options{FS: fs})
			if err != nil {
				t.Fatal(err)
			}
			defer closeBus(t, bus)
			t.Chdir(t.TempDir())
			put(t, bus, note{"a"}) // also where the program goes elsewhere meanwhile
			_, err = retinue.Open(filepath.Join(above, "store"), &retinue.Options{FS: fs})
			wantError(t, err, messages.ErrInUse)
		})
	}
}

// A store whose sentinel is lost looks like one whose first Open was killed,
// and what such an Open left is erased.
func TestAStoreThatLostItsSentinelIsDamagedAndNotErased(t *testing.T) {
	for _, newborn := range []string{"RETINUE.new", "RETINUE.new.tmp"} {
		t.Run("with "+newborn, func(t *testing.T) {
			opts := inMemory()
			bus := openBus(t, opts)
			put(t, bus, note{"a"})
			closeBus(t, bus)
			rename(t, opts.FS, "store/RETINUE", "RETINUE")
			f, err := opts.FS.Create("store/"+newborn, vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if bus, err := retinue.Open("store", opts); err == nil {
					closeBus(t, bus)
					t.Fatal("it was opened as a new store")
				} else {
					wantError(t, err, messages.ErrDamaged)
				}
			}
			rename(t, opts.FS, "RETINUE", "store/RETINUE")
			wantTexts(t, openBus(t, opts), messages.Permanent, "a")
		})
	}
}

func rename(t testing.TB, fs vfs.FS, from, to string) {
	t.Helper()
	if err := fs.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

package retinue_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func TestTheAdminSocketIsTheOwnersAndGoesWithTheBus(t *testing.T) {
	dir := shortDir(t)
	bus := openAdmin(t, dir)
	path := filepath.Join(dir, retinue.AdminSocket)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Type() != fs.ModeSocket || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want a socket of the owner's", info.Mode())
	}
	closeBus(t, bus)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v, want no socket", err)
	}
}

func TestTheSocketOfADeadProcessIsReplaced(t *testing.T) {
	dir := shortDir(t)
	closeBus(t, openAdmin(t, dir))
	path := filepath.Join(dir, retinue.AdminSocket)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	openAdmin(t, dir)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("nobody listens: %v", err)
	}
	c.Close()
}

func TestAdminIsRefusedWhereItCannotBe(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	taken := shortDir(t)
	closeBus(t, openAdmin(t, taken))
	if err := os.WriteFile(filepath.Join(taken, retinue.AdminSocket), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		dir  string
		opts retinue.Options
		why  string
	}{
		"in memory": {"store", retinue.Options{FS: vfs.NewMem()}, "ServeAdmin"},
		"read only": {taken, retinue.Options{ReadOnly: true}, "ServeAdmin"},
		"long path": {long, retinue.Options{}, "at most 103"},
		"a file":    {taken, retinue.Options{}, "no socket"},
	} {
		t.Run(name, func(t *testing.T) {
			try.opts.Admin = true
			bus, err := retinue.Open(try.dir, &try.opts)
			if err == nil {
				closeBus(t, bus)
			}
			wantError(t, err, messages.ErrInvalid)
			if err != nil && !strings.Contains(err.Error(), try.why) {
				t.Errorf("error = %v, want %q in it", err, try.why)
			}
		})
	}
	if text, err := os.ReadFile(filepath.Join(taken, retinue.AdminSocket)); err != nil || string(text) != "mine" {
		t.Errorf("the file that was there: %q, %v", text, err)
	}
	openBusIn(t, long) // what was refused has let go of the store
}

// shortDir is t.TempDir without the name of the test in it: the path of a socket
// must be short, wherever temporary directories are.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func openAdmin(t *testing.T, dir string) *retinue.Bus {
	t.Helper()
	bus, err := retinue.Open(dir, &retinue.Options{Admin: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBus(t, bus) })
	return bus
}

func openBusIn(t *testing.T, dir string) {
	t.Helper()
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	closeBus(t, bus)
}

package main_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/retinue-go/retinue"
)

// binary is the command under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "retinue")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "retinue")
		if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Printf("go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// result is what a run of the command left.
type result struct {
	out, err string
	code     int
}

// command prepares a run in the directory of a test, whose time zone is UTC.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), binary, args...)
	c.Env = append(os.Environ(), "TZ=UTC")
	return c
}

// run runs the command without a terminal.
func run(t testing.TB, args ...string) result {
	t.Helper()
	return runIn(t, "", args...)
}

// runIn is run in a directory.
func runIn(t testing.TB, dir string, args ...string) result {
	t.Helper()
	c := command(t, args...)
	var out, errs bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &out, &errs
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), c.ProcessState.ExitCode()}
}

// must is run of what must succeed, and returns its output.
func must(t testing.TB, args ...string) string {
	t.Helper()
	r := run(t, args...)
	if r.code != 0 {
		t.Fatalf("retinue %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// wants checks an exit code and what stands in the output.
func (r result) wants(t testing.TB, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit %d, want %d\n%s%s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			t.Errorf("no %q in\n%s%s", text, r.out, r.err)
		}
	}
}

// tempDir is t.TempDir without the name of the test in it: the path of a socket
// must be short, wherever temporary directories are.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "shop")
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

// shop makes the store of the tests and closes it.
func shop(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(tempDir(t), "shop.db")
	bus := openShop(t, dir, nil, errBounced)
	if err := trade(t.Context(), bus); err != nil {
		t.Fatal(err)
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// liveShop makes the store of the tests and leaves it open, with a socket.
func liveShop(t testing.TB) (string, *retinue.Bus) {
	t.Helper()
	dir := filepath.Join(tempDir(t), "shop.db")
	bus := openShop(t, dir, &retinue.Options{Admin: true}, errBounced)
	if err := trade(t.Context(), bus); err != nil {
		t.Fatal(err)
	}
	return dir, bus
}

// openShop opens a store with its followers; mallory is what writing to her
// comes to.
func openShop(t testing.TB, dir string, o *retinue.Options, mallory error) *retinue.Bus {
	t.Helper()
	bus, err := retinue.Open(dir, o)
	if err == nil {
		t.Cleanup(func() { bus.Close() })
		err = follow(bus, mallory)
	}
	if err != nil {
		t.Fatal(err)
	}
	return bus
}

// reopened returns the status of a closed store.
func reopened(t testing.TB, dir string) retinue.Status {
	t.Helper()
	bus, err := retinue.Open(dir, &retinue.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	return bus.Status()
}

// fingerprint is of all files below dir.
func fingerprint(t testing.TB, dir string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(sum, "%s %d %x\n", path, len(data), sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

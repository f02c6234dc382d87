package retinue_test

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

type (
	// note is persistent, hint trimmable, signal transient.
	note   struct{ Text string }
	hint   struct{ Text string }
	signal struct{ Text string }
)

func (note) EventType() messages.Type { return messages.Type{Module: "test", Kind: "note"} }

func (hint) EventType() messages.Type {
	return messages.Type{Module: "test", Kind: "hint", Persistence: messages.Trimmable}
}

func (signal) EventType() messages.Type {
	return messages.Type{Module: "test", Kind: "signal", Persistence: messages.Transient}
}

// inMemory returns options of a bus on a file system of its own.
func inMemory() *retinue.Options { return &retinue.Options{FS: vfs.NewMem()} }

// openBus opens a bus in "store", where opts has a file system, or in a
// temporary directory, and closes it with the test.
func openBus(t testing.TB, opts *retinue.Options) *retinue.Bus {
	t.Helper()
	dir := "store"
	switch {
	case opts == nil || opts.FS == nil && opts.DB == nil:
		dir = t.TempDir()
	case opts.DB != nil:
		dir = ""
	}
	bus, err := retinue.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBus(t, bus) })
	return bus
}

// closeBus closes a bus; that it may be closed already does not matter.
func closeBus(t testing.TB, bus *retinue.Bus) {
	t.Helper()
	if err := bus.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// inBubble runs a test in virtual time. When it has closed its buses, the
// bubble waits for the actor system's own timers.
func inBubble(t *testing.T, f func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * time.Second) })
		f(t)
	})
}

// put appends events, which must succeed.
func put(t testing.TB, bus *retinue.Bus, events ...messages.Event) messages.Receipt {
	t.Helper()
	receipt, err := bus.Append(t.Context(), events...)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return receipt
}

// read returns all entries of a log.
func read(t testing.TB, bus *retinue.Bus, log messages.Log) []messages.Entry {
	t.Helper()
	var entries []messages.Entry
	for e, err := range bus.Entries(t.Context(), retinue.Query{Log: log}) {
		if err != nil {
			t.Fatalf("read the %v log: %v", log, err)
		}
		entries = append(entries, e.Clone())
	}
	return entries
}

// text is what a note or a hint says.
func text(t testing.TB, e messages.Entry) string {
	t.Helper()
	if e.Type.Kind == "hint" {
		h, err := messages.Decode[hint](e)
		if err != nil {
			t.Fatal(err)
		}
		return h.Text
	}
	n, err := messages.Decode[note](e)
	if err != nil {
		t.Fatal(err)
	}
	return n.Text
}

// texts is what the notes and hints of a log say, in order.
func texts(t testing.TB, bus *retinue.Bus, log messages.Log) []string {
	t.Helper()
	var all []string
	for _, e := range read(t, bus, log) {
		all = append(all, text(t, e))
	}
	return all
}

// wantTexts compares a log with what its notes and hints must say.
func wantTexts(t testing.TB, bus *retinue.Bus, log messages.Log, want ...string) {
	t.Helper()
	if got := texts(t, bus, log); !slices.Equal(got, want) {
		t.Errorf("%v log = %q, want %q", log, got, want)
	}
}

// wantHeads compares the durable heads of both logs.
func wantHeads(t testing.TB, bus *retinue.Bus, permanent, trimmable uint64) {
	t.Helper()
	s := bus.Status()
	if s.Permanent.Head != permanent || s.Trimmable.Head != trimmable {
		t.Errorf("heads = %d and %d, want %d and %d", s.Permanent.Head, s.Trimmable.Head, permanent, trimmable)
	}
}

// wantError asks for an error that is all of the targets.
func wantError(t testing.TB, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("error = %v, want %v", err, target)
		}
	}
}

// holdWriter keeps the writer busy inside an Update until release is called,
// which returns when that Update has ended. Outside of a bubble the bus needs
// an UpdateTimeout that no machine is too slow for.
func holdWriter(t testing.TB, bus *retinue.Bus) (release func()) {
	t.Helper()
	held, let, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := bus.Update(t.Context(), func(*retinue.Tx) error {
			close(held)
			<-let
			return nil
		})
		done <- err
	}()
	<-held
	return sync.OnceFunc(func() {
		close(let)
		if err := <-done; err != nil {
			t.Errorf("the update that held the writer: %v", err)
		}
	})
}

// wallClock is a clock that a test sets. It is safe for concurrent use.
type wallClock struct {
	mu  sync.Mutex
	now time.Time
}

func newWallClock(now time.Time) *wallClock { return &wallClock{now: now} }

func (c *wallClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock; back where d is below 0.
func (c *wallClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// powerCut returns what a file system holds after a power cut.
func powerCut(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
}

// partVariable names the part that a child process plays.
const partVariable = "RETINUE_TEST_PART"

// parts are what tests have a child process do. A test file adds its own in
// a var declaration: var _ = addPart("name", f).
var parts = make(map[string]func() error)

func addPart(name string, f func() error) struct{} {
	parts[name] = f
	return struct{}{}
}

// childProcess prepares the test binary to play a part; env are "K=V" pairs.
func childProcess(t testing.TB, part string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(append(os.Environ(), partVariable+"="+part), env...)
	return c
}

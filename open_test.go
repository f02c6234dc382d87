package retinue_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func TestABusOpensAndClosesAnyNumberOfTimes(t *testing.T) {
	opts := inMemory()
	var id string
	for i := range 30 {
		bus := openBus(t, opts)
		put(t, bus, note{fmt.Sprint(i)})
		followNotes(t, bus, "f")
		if err := bus.CaughtUp(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if id == "" {
			id = bus.StoreID().String()
		}
		if got := bus.StoreID().String(); got != id {
			t.Fatalf("store id = %s, was %s", got, id)
		}
		wantHeads(t, bus, uint64(i)+2, uint64(i)+2)
		closeBus(t, bus)
	}
}

func TestManyBusesLiveInOneProcess(t *testing.T) {
	parent := t.TempDir()
	ids := make(map[string]bool)
	for i := range 5 {
		bus, err := retinue.Open(filepath.Join(parent, "below", fmt.Sprint(i)), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer closeBus(t, bus)
		put(t, bus, note{fmt.Sprint(i)})
		wantTexts(t, bus, messages.Permanent, fmt.Sprint(i))
		ids[bus.StoreID().String()] = true
	}
	if len(ids) != 5 {
		t.Errorf("%d store ids, want 5", len(ids))
	}
}

// quietActors is the user's own actor system.
func quietActors(t testing.TB) *actor.ActorSystem {
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
	t.Cleanup(system.Shutdown)
	return system
}

// actorsOf returns the ids of all processes of a system, ascending, but for
// those of futures, which it reuses as it likes.
func actorsOf(system *actor.ActorSystem) []string {
	var ids []string
	for _, bucket := range system.ProcessRegistry.LocalPIDs.LocalPIDs {
		for _, id := range bucket.Keys() {
			if !strings.HasPrefix(id, "future") {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// wantEcho asks an actor of the user, which must be alive.
func wantEcho(t testing.TB, system *actor.ActorSystem, pid *actor.PID) {
	t.Helper()
	answer, err := system.Root.RequestFuture(pid, "ping", 10*time.Second).Result()
	if answer != "ping" || err != nil {
		t.Errorf("the user's actor answers %v, %v", answer, err)
	}
}

func spawnEcho(system *actor.ActorSystem) *actor.PID {
	return system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if m, ok := c.Message().(string); ok {
			c.Respond(m)
		}
	}))
}

func TestABusLeavesTheUsersActorSystemAsItWas(t *testing.T) {
	system := quietActors(t)
	pid := spawnEcho(system)
	before := actorsOf(system)
	opts := inMemory()
	opts.ActorSystem = system
	for range 3 {
		bus := openBus(t, opts)
		followNotes(t, bus, "f")
		if err := bus.Await(t.Context(), "f", put(t, bus, note{"a"})); err != nil {
			t.Fatal(err)
		}
		wantEcho(t, system, pid)
		closeBus(t, bus)
		wantEcho(t, system, pid)
		if system.IsStopped() {
			t.Fatal("the user's system is stopped")
		}
		after := actorsOf(system)
		if !slices.Equal(before, after) {
			t.Errorf("actors before %q, after %q", before, after)
		}
	}
}

func TestTwoBusesShareAnActorSystemByName(t *testing.T) {
	system := quietActors(t)
	fs, names := vfs.NewMem(), []string{"a", "a/writer", "a/followers", "%2F", "ä"}
	for _, name := range names {
		bus, err := retinue.Open(fs.PathJoin("stores", fmt.Sprintf("%x", name)), &retinue.Options{FS: fs, ActorSystem: system, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		defer closeBus(t, bus)
		put(t, bus, note{name})
		wantTexts(t, bus, messages.Permanent, name)
	}
	_, err := retinue.Open("stores/second", &retinue.Options{FS: fs, ActorSystem: system, Name: "a"})
	wantError(t, err, actor.ErrNameExists)
	bus, err := retinue.Open("stores/second", &retinue.Options{FS: fs, ActorSystem: system, Name: "b"})
	if err != nil {
		t.Fatalf("the store that was refused for its bus's name: %v", err)
	}
	put(t, bus, note{"b"})
	closeBus(t, bus)
}

func TestAStoreThatIsOpenIsInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closeBus(t, bus)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	above := filepath.Join(t.TempDir(), "above")
	if err := os.Symlink(filepath.Dir(dir), above); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, name := range []string{dir, dir + "/", link, filepath.Join(above, "store"), "."} {
		_, err := retinue.Open(name, &retinue.Options{Name: "second"})
		wantError(t, err, messages.ErrInUse)
	}
	for _, name := range []string{dir, link} {
		if out, err := childProcess(t, "open", "DIR="+name).CombinedOutput(); err != nil {
			t.Errorf("another process: %v, %s", err, out)
		}
	}
	put(t, bus, note{"a"})
	wantTexts(t, bus, messages.Permanent, "a")
}

// The part of a process that finds the store in use.
var _ = addPart("open", func() error {
	bus, err := retinue.Open(os.Getenv("DIR"), nil)
	if errors.Is(err, messages.ErrInUse) {
		return nil
	}
	if err == nil {
		_ = bus.Close()
	}
	return fmt.Errorf("open = %v, want ErrInUse", err)
})

func TestAStoreThatAnotherProcessHasOpenIsInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	child := childProcess(t, "hold", "DIR="+dir)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
		t.Fatalf("child says %q, %v", line, err)
	}
	_, err = retinue.Open(dir, nil)
	wantError(t, err, messages.ErrInUse)
	if err := errors.Join(stdin.Close(), child.Wait()); err != nil {
		t.Fatal(err)
	}
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantTexts(t, bus, messages.Permanent, "child")
	closeBus(t, bus)
}

// The part of a process that keeps a store open until its input ends.
var _ = addPart("hold", func() error {
	bus, err := retinue.Open(os.Getenv("DIR"), nil)
	if err != nil {
		return err
	}
	ticket, err := bus.Submit(context.Background(), retinue.Request{Events: []messages.Event{note{"child"}}})
	if err == nil {
		_, err = ticket.Wait(context.Background())
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, bus.Close())
})

// files returns the names and contents below a directory.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestADirectoryThatIsNoStoreIsRefusedAndLeftAsItIs(t *testing.T) {
	write := func(name, content string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    error
	}{
		{"a foreign file", write("holiday.jpg", "x"), messages.ErrNotStore},
		{"a foreign Pebble", func(t *testing.T, dir string) {
			db, err := pebble.Open(dir, &pebble.Options{Logger: quietPebble{}})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}, messages.ErrNotStore},
		{"a foreign directory called pebble", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "pebble"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, messages.ErrNotStore},
		{"a sentinel that says nothing", write("RETINUE", "hello"), messages.ErrNotStore},
		{"an empty sentinel", write("RETINUE", ""), messages.ErrNotStore},
		{"a newer format", write("RETINUE", "retinue 2 00112233445566778899aabbccddeeff\n"), messages.ErrNewerFormat},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.prepare(t, dir)
			before := files(t, dir)
			bus, err := retinue.Open(dir, nil)
			wantError(t, err, test.want)
			if bus != nil {
				closeBus(t, bus)
			}
			if after := files(t, dir); !maps.Equal(before, after) {
				t.Errorf("files before %q, after %q", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := retinue.Open(file, nil); err == nil {
		t.Error("a file was opened as a store")
	}
}

type quietPebble struct{}

func (quietPebble) Infof(string, ...any)           {}
func (quietPebble) Errorf(string, ...any)          {}
func (quietPebble) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func TestASharedStoreOfANewerFormatIsRefusedAndLeftAsItIs(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	bus := sharedBus(t, db, "p")
	put(t, bus, note{"a"})
	closeBus(t, bus)
	if err := db.Set([]byte("p\x00\x01Mformat"), binary.BigEndian.AppendUint32(nil, 2), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	before := keysOf(t, db)
	_, err := retinue.Open("", &retinue.Options{DB: db, Prefix: []byte("p")})
	wantError(t, err, messages.ErrNewerFormat)
	if !maps.Equal(before, keysOf(t, db)) {
		t.Error("the refused store was changed")
	}
}

// Wherever the first Open of a store is killed, or its machine loses power,
// the next one finishes it.
func TestAStoreThatDiedInItsFirstOpenIsFinished(t *testing.T) {
	for _, survives := range []int{0, 50, 100} {
		t.Run(fmt.Sprintf("%d percent of what was not synced survives", survives), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(survives)))
			disk := vfs.NewCrashableMem()
			var clones []*vfs.MemFS
			var recording atomic.Bool
			recording.Store(true)
			var mu sync.Mutex // Pebble writes from goroutines of its own
			clone := errorfs.InjectorFunc(func(op errorfs.Op) error {
				if recording.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
					mu.Lock()
					defer mu.Unlock()
					clones = append(clones, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: survives, RNG: rng}))
				}
				return nil
			})
			bus, err := retinue.Open("stores/first", &retinue.Options{FS: errorfs.Wrap(disk, clone)})
			recording.Store(false)
			if err != nil {
				t.Fatal(err)
			}
			put(t, bus, note{"a"})
			closeBus(t, bus)
			if len(clones) < 10 {
				t.Errorf("only %d moments to die in", len(clones))
			}
			for i, fs := range clones {
				bus, err := retinue.Open("stores/first", &retinue.Options{FS: fs})
				if err != nil {
					t.Errorf("moment %d of %d: %v", i, len(clones), err)
					continue
				}
				put(t, bus, note{"a"})
				wantTexts(t, bus, messages.Permanent, "a")
				closeBus(t, bus)
			}
		})
	}
}

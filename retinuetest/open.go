package retinuetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// directory is where a store lies in its file system.
const directory = "store"

// throttle is longer than protoactor remembers a dead letter, on a timer that
// must not outlive a bubble.
const throttle = 2 * time.Second

// kit is what the package knows of one store, over crashes.
type kit struct {
	opts   retinue.Options
	mem    *vfs.MemFS // nil in a shared database
	system *actor.ActorSystem

	mu       sync.Mutex
	bus      *retinue.Bus // the present one; those before are closed
	life     *life
	stations map[string]*station
	followed []string // through the kit, in that order
	failures []Failure
	excused  bool // the disk was told to fail
}

// life is the time from Open, Crash or Reopen to the next of them, or the end.
type life struct{ over chan struct{} }

func (l *life) ended() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

// kits finds the kit of a bus, also of one that was crashed.
var kits sync.Map

func find(bus *retinue.Bus) *kit {
	k, _ := kits.Load(bus)
	found, _ := k.(*kit)
	return found
}

func kitOf(t TB, bus *retinue.Bus, what string) *kit {
	t.Helper()
	k := find(bus)
	switch {
	case k == nil:
		t.Fatalf("%s: the bus was not opened by retinuetest.Open, or its test is over", what)
	case k.present() != bus:
		t.Fatalf("%s: this bus is the one before Crash or Reopen; use the one that they returned", what)
	}
	return k
}

func (k *kit) present() *retinue.Bus {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bus
}

// Open opens a bus in a crashable memory of its own and closes it when the
// test ends. opts may be nil, and is not changed. Of its fields, FS may hold a
// memory from another bus of the test, which is closed by now, or a [Disk];
// with DB, which the test closes, there is no Crash. The bus lives in an actor
// system of the kit's own unless ActorSystem says otherwise; see [System].
//
// It fails the test where the bus does not open, and where it does not close:
// for instance because a reaction does not return.
func Open(t TB, opts *retinue.Options) *retinue.Bus {
	t.Helper()
	k := &kit{stations: make(map[string]*station)}
	if opts != nil {
		k.opts = *opts
	}
	if k.opts.DB == nil {
		if k.opts.FS == nil {
			k.opts.FS = vfs.NewCrashableMem()
		}
		var inMemory bool
		if k.mem, inMemory = vfs.Root(k.opts.FS).(*vfs.MemFS); !inMemory {
			t.Fatalf("open: Options.FS is a %T; a test's store lies in memory: leave FS empty, or give a Disk or a crashable vfs.MemFS", k.opts.FS)
		}
	}
	if disk, ok := k.opts.FS.(*Disk); ok {
		disk.onHit(k.excuse)
	}
	k.opts.Logger = slog.New(&listener{kit: k, next: handlerOf(k.opts.Logger)})
	own := k.opts.ActorSystem == nil
	if own {
		k.opts.ActorSystem = quietSystem()
	}
	k.system = k.opts.ActorSystem
	bubble := settle()
	t.Cleanup(func() {
		k.close(t)
		if own {
			k.system.Shutdown()
		}
		if bubble {
			time.Sleep(throttle)
		}
	})
	if err := k.open(); err != nil {
		t.Fatalf("open: %v", err)
	}
	return k.bus
}

func handlerOf(log *slog.Logger) slog.Handler {
	if log == nil {
		return slog.DiscardHandler
	}
	return log.Handler()
}

func quietSystem() *actor.ActorSystem {
	quiet := func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }
	return actor.NewActorSystem(actor.WithLoggerFactory(quiet))
}

// System returns the actor system that the bus lives in, to spawn actors
// beside it. The kit shuts it down with the test if it is the kit's own.
func System(t TB, bus *retinue.Bus) *actor.ActorSystem {
	t.Helper()
	return kitOf(t, bus, "system").system
}

func (k *kit) open() error {
	dir := directory
	if k.opts.DB != nil {
		dir = ""
	}
	bus, err := retinue.Open(dir, &k.opts)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bus, k.life = bus, &life{over: make(chan struct{})}
	kits.Store(bus, k)
	return nil
}

func (k *kit) excuse() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.excused = true
}

// end ends a life: no turn begins any more, and those that the kit kept go on.
func (k *kit) end() *retinue.Bus {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life != nil {
		close(k.life.over)
		k.life = nil
	}
	return k.bus
}

func (k *kit) close(t TB) {
	t.Helper()
	bus := k.end()
	kits.Range(func(key, value any) bool {
		if value == k {
			kits.Delete(key)
		}
		return true
	})
	if bus == nil {
		return
	}
	if err := k.shutdown(bus); err != nil {
		t.Errorf("close: %v", err)
	}
}

func (k *kit) shutdown(bus *retinue.Bus) error {
	limit := realPatience
	if settle() {
		limit = patience
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := bus.Shutdown(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.excused && errors.Is(err, messages.ErrFailed) {
		return nil
	}
	return err
}

// Cut is a power cut. The zero Cut takes everything that was not synced.
type Cut struct {
	// Unsynced is how much of what was not synced is on disk all the same, by
	// chance: 0 to 100 percent of blocks and directory entries. Commits that
	// the database has not yet handed to the file system are lost at any rate.
	Unsynced int
	// Seed of the chance; the same seed on the same disk leaves the same.
	Seed uint64
}

// Crash cuts the power, opens a new bus on what that left on the disk, and
// follows again, in the same order, the followers that were followed through
// [Follow] at the time. It returns the new bus; the old one is closed, and
// from the cut on none of its turns began.
//
// Counts of turns, faults to come and Hold go on. A [Disk] is replaced by a
// sound one. It fails the test where the bus does not open, or a reaction of
// the old one does not return.
func Crash(t TB, bus *retinue.Bus, cut Cut) *retinue.Bus {
	t.Helper()
	k := kitOf(t, bus, "crash")
	if k.mem == nil {
		t.Fatalf("crash: the store is in a database of the test's own")
	}
	if cut.Unsynced < 0 || cut.Unsynced > 100 {
		t.Fatalf("crash: Unsynced is %d, want 0 to 100", cut.Unsynced)
	}
	again := k.running()
	k.end()
	left, err := powerCut(k.mem, cut)
	if err != nil {
		t.Fatalf("crash: %v", err)
	}
	if err := k.shutdown(bus); err != nil {
		t.Fatalf("crash: close what was before: %v", err)
	}
	k.mem, k.opts.FS = left, left
	return k.begin(t, again, fmt.Sprintf("crash: open what %+v left", cut))
}

// Reopen ends the bus as a program that stops does, opens a new one on the
// same store, and follows again as [Crash] does. It returns the new bus.
//
// It fails the test where the bus does not close, for instance because a
// reaction does not return, or does not open again. A store that has failed
// stays in use until its process ends: that is a Crash.
func Reopen(t TB, bus *retinue.Bus) *retinue.Bus {
	t.Helper()
	k := kitOf(t, bus, "reopen")
	again := k.running()
	k.end()
	if err := k.shutdown(bus); err != nil {
		t.Fatalf("reopen: close: %v", err)
	}
	return k.begin(t, again, "reopen")
}

// begin opens the next bus and has it followed again.
func (k *kit) begin(t TB, again []*station, what string) *retinue.Bus {
	t.Helper()
	if err := k.open(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for _, s := range again {
		if err := k.follow(s.declared); err != nil {
			t.Fatalf("%s: follow %q again: %v", what, s.declared.Name, err)
		}
	}
	return k.bus
}

func powerCut(mem *vfs.MemFS, cut Cut) (left *vfs.MemFS, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("Options.FS is not crashable: take vfs.NewCrashableMem")
		}
	}()
	return mem.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: cut.Unsynced,
		RNG:                 rand.New(rand.NewPCG(cut.Seed, 0)),
	}), nil
}

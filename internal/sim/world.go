package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

const (
	// patience is after what time something hangs.
	patience = 2 * time.Minute
	day      = 24 * time.Hour

	minEntries, maxPerPass = 3, 8
)

// world is one simulation: a disk, a bus on it, and what must be true of them.
// One goroutine, the driver, owns it all but what disk.mu guards: writes,
// outstanding and the tickets in them.
type world struct {
	seed   uint64
	shared bool
	tally  *tally
	system *actor.ActorSystem
	clock  wall

	where, past string // in words, for failures
	mem         *vfs.MemFS
	disk        *disk
	db          *pebble.DB
	bus         *retinue.Bus

	model
	sabotage
	// healed makes the reactions of the follower that parks succeed.
	healed atomic.Bool
}

// tally is what all simulations together went through.
type tally struct {
	mu      sync.Mutex
	cuts    map[string]int // power failures by kind
	opening int            // of them while a store was opened
	closing int            // while it was closed
	ends    int            // lives that ended well
	entries int
}

func (t *tally) count(what *int, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*what += n
}

func (t *tally) cut(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cuts[kind]++
}

func (t *tally) crashes() (n int) {
	for _, c := range t.cuts {
		n += c
	}
	return n
}

// failure unwinds a simulation that found something.
type failure string

// powerCut unwinds a life whose power has failed.
type powerCut struct{}

// wall is a wall clock that stands still but for its jumps.
type wall struct{ ns atomic.Int64 }

func (c *wall) now() time.Time { return time.Unix(0, c.ns.Load()).UTC() }

// setClock makes now the wall clock of a bus. Options keeps that for the tests
// of its own package; a simulation without jumps of the clock would miss too
// much.
func setClock(o *retinue.Options, now func() time.Time) {
	field := reflect.ValueOf(o).Elem().FieldByName("now")
	*(*func() time.Time)(unsafe.Pointer(field.UnsafeAddr())) = now
}

// sabotage makes a simulation find something, to show that it can.
type sabotage struct {
	// deaf makes syncs of the log do nothing.
	deaf bool
	// tamper is called before the last life.
	tamper func(*world)
}

// simulate runs one seed, and returns what it found.
func simulate(seed uint64, t *tally, s sabotage) (err error) {
	d := dice(seed)
	w := &world{seed: seed, shared: d.IntN(2) == 0, sabotage: s, tally: t, mem: vfs.NewCrashableMem(), model: newModel()}
	w.clock.ns.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	w.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
	defer w.system.Shutdown()
	defer func() {
		if found := recover(); found != nil {
			f, ok := found.(failure)
			if !ok {
				panic(found)
			}
			w.abandon()
			err = fmt.Errorf("%s", string(f))
		}
	}()
	lives := 2 + d.IntN(5)
	for n := range lives {
		w.live(n, drawCut(dice(seed, uint64(n))))
	}
	if w.tamper != nil {
		w.tamper(w)
	}
	w.rest(lives)
	return nil
}

// dice are the draws of a part of a simulation. They come from the seed and
// the part alone, so that a replay draws the same whatever the bus does.
func dice(seed uint64, part ...uint64) *rand.Rand {
	mixed := uint64(len(part))
	for _, p := range part {
		mixed = mixed*0x9e3779b97f4a7c15 + p + 1
	}
	return rand.New(rand.NewPCG(seed, mixed))
}

// drawCut chooses where the power fails.
func drawCut(d *rand.Rand) cut {
	c := cut{
		kind: kinds[d.IntN(len(kinds))], nth: 1 + d.IntN(3), after: d.IntN(2) == 0,
		percent: []int{0, 30, 70, 100}[d.IntN(4)], seed: d.Uint64(),
	}
	switch d.IntN(12) {
	case 0: // the life ends well
		c.kind = ""
	case 1, 2, 3: // what happens most often, anywhere
		c.kind, c.nth = []string{"write log", "sync log"}[d.IntN(2)], 1+d.IntN(60)
	case 4, 5: // what happens often while a store is made
		c.kind = []string{"sync directory", "create marker", "remove marker"}[d.IntN(3)]
		c.nth = 1 + d.IntN(25)
	}
	return c
}

// live is one life of the bus, from Open to a power failure or Close.
func (w *world) live(n int, c cut) {
	w.disk = newDisk(w.mem, c, w.peek)
	w.disk.deaf = w.deaf
	now := &w.tally.opening
	w.untilCut(func() {
		w.where = fmt.Sprintf("life %d, opened after %s", n, w.past)
		w.open()
		w.check()
		now = nil
		w.follow()
		d := dice(w.seed, uint64(n), 1)
		steps := 2 + d.IntN(24)
		for i := range steps {
			w.where = fmt.Sprintf("life %d, step %d of %d", n, i+1, steps)
			w.alive()
			w.step(dice(w.seed, uint64(n), 2, uint64(i)))
		}
		if w.where = fmt.Sprintf("the end of life %d", n); d.IntN(3) == 0 {
			w.quiesce()
			w.check()
		}
		if c.kind != "" && d.IntN(2) == 0 {
			w.disk.failNow()
			w.alive()
		}
		now = &w.tally.closing
		w.close()
	})
	if !w.disk.dead() {
		w.past = "a good end"
		w.tally.count(&w.tally.ends, 1)
		return
	}
	w.abandon()
	w.forgetTickets() // what was answered since was answered to nobody
	w.tally.cut(w.disk.cut.kind)
	if now != nil {
		w.tally.count(now, 1)
	}
	w.mem, w.past = w.disk.clone, fmt.Sprintf("a power failure at %+v", w.disk.cut)
}

// rest lets everything come to an end, and looks at it once more.
func (w *world) rest(n int) {
	w.disk = newDisk(w.mem, cut{}, w.peek)
	w.where = "the last life, after " + w.past
	w.open()
	w.check()
	w.follow()
	w.cure()
	for _, f := range w.walkers {
		w.resume(f)
	}
	w.quiesce()
	w.check()
	w.close()
	w.open()
	w.check()
	w.close()
	w.tally.count(&w.tally.entries, len(w.logs[messages.TrimmableLog].seen))
}

// untilCut returns when do does, or when the power has failed.
func (w *world) untilCut(do func()) {
	defer func() {
		if found := recover(); found != nil {
			if _, ok := found.(powerCut); !ok {
				panic(found)
			}
		}
	}()
	do()
}

// alive ends the life after a power failure.
func (w *world) alive() {
	if w.disk.dead() {
		panic(powerCut{})
	}
}

// note changes what the model believes, if the power is still on; otherwise it
// ends the life.
func (w *world) note(change func()) {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	if w.disk.clone != nil {
		panic(powerCut{})
	}
	change()
}

func (w *world) fail(format string, args ...any) {
	panic(failure(fmt.Sprintf("shared %v, %s: ", w.shared, w.where) + fmt.Sprintf(format, args...)))
}

func (w *world) must(err error, what string, args ...any) {
	if err != nil {
		w.fail("%s: %v", fmt.Sprintf(what, args...), err)
	}
}

// within bounds a call that hangs.
func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func (w *world) open() {
	o := &retinue.Options{
		ActorSystem: w.system, KeyWindow: retinue.Forever, Name: "sim",
		Trim: retinue.Trim{Off: true, MinEntries: minEntries, MaxPerPass: maxPerPass, MinAge: 15 * day, Hold: 90 * day},
	}
	setClock(o, w.clock.now)
	dir := "store"
	if w.shared {
		dir = ""
		w.openShared(o)
	} else {
		o.FS = w.disk
	}
	bus, err := retinue.Open(dir, o)
	w.must(err, "open")
	w.bus = bus
	w.alive()
}

// openShared opens the program's own database, a small one, so that it flushes
// and compacts.
func (w *world) openShared(o *retinue.Options) {
	options := &pebble.Options{FS: w.disk, MemTableSize: 64 << 10, L0CompactionThreshold: 2}
	options.TargetFileSizes[0] = 32 << 10
	o.Fence = persistence.Configure(options)
	db, err := pebble.Open("database", options)
	w.must(err, "open the database")
	w.db, o.DB, o.Prefix = db, db, []byte("bus")
	w.alive()
}

// close ends a life well: everything accepted is answered.
func (w *world) close() {
	bus := w.bus
	w.must(bus.Close(), "close")
	w.peekAnswers()
	w.bus = nil
	if db := w.db; db != nil {
		w.db = nil
		w.must(db.Close(), "close the database")
	}
	w.alive()
}

// abandon ends what still runs on a disk that lost its power, or of a
// simulation that failed.
func (w *world) abandon() {
	if w.bus != nil {
		ctx, cancel := within()
		defer cancel()
		if err := w.bus.Shutdown(ctx); err != nil {
			w.bus, w.db = nil, nil
			return
		}
	}
	if w.db != nil {
		_ = w.db.Close()
	}
	w.bus, w.db = nil, nil
}

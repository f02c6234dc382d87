package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
)

const (
	// patience is after what time something hangs.
	patience = 2 * time.Minute
	day      = 24 * time.Hour

	minEntries, maxPerPass = 3, 8
	minAge, hold           = 15 * day, 90 * day
)

// world is one simulation: a disk, a bus on it, and what must be true of them.
// One goroutine, the driver, owns it all but what disk.mu guards: what is
// acknowledged of writes, and what others were told.
type world struct {
	seed   uint64
	shared bool
	// wide: there are runs of events that nobody follows; copying: it is backed
	// up; chaining: Updates build on each other. Such seeds alone draw from the
	// steps for that, so that the seeds that are kept draw what they drew when
	// they failed.
	wide, copying, chaining bool
	runs                    int
	dir                     string // of an embedded store
	durability              retinue.Durability
	window                  time.Duration // of idempotency keys
	tally                   *tally
	system                  *actor.ActorSystem
	clock                   wall

	where, past string // in words, for failures
	mem         *vfs.MemFS
	disk        *disk
	db          *pebble.DB
	bus         *retinue.Bus

	model
	sabotage
	// replaying is the follower that works off what it has put aside; healed:
	// its reactions succeed.
	replaying atomic.Pointer[walker]
	healed    atomic.Bool
	listening sync.WaitGroup
	// complaint is what another goroutine than the driver has found.
	complaint atomic.Pointer[failure]
}

// tally is what all simulations together went through.
type tally struct {
	mu      sync.Mutex
	cuts    map[string]int // power failures by kind
	opening int            // of them while a store was opened
	closing int            // while it was closed
	ends    int            // lives that ended well
	entries int
	steps   map[string]int // by what was done
}

func newTally() *tally { return &tally{cuts: make(map[string]int), steps: make(map[string]int)} }

// step counts a step by its name.
func (t *tally) step(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps[name]++
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
	w.configure(dice(seed, 0, 0))
	w.widen()
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
		w.live(n, w.drawCut(n))
	}
	if w.tamper != nil {
		w.tamper(w)
	}
	w.rest(lives)
	return nil
}

// configure draws the options of the bus.
func (w *world) configure(d *rand.Rand) {
	switch d.IntN(8) {
	case 0:
		w.durability = retinue.None()
	case 1, 2:
		w.durability = retinue.Interval(time.Duration(1+d.IntN(5)) * time.Millisecond)
	}
	if w.window = retinue.Forever; d.IntN(2) == 0 {
		w.window = 30 * day
	}
}

// widen decides what the seed has that others have not.
func (w *world) widen() {
	w.dir, w.wide, w.copying, w.chaining = "store", w.seed%7 == 3, w.seed%7 == 1, w.seed%7 == 4
	w.shared = w.shared && !w.copying
	if w.wide {
		for _, f := range w.walkers {
			if f.kinds == nil {
				f.kinds = []string{"deposit", "remark", "trace", "tally"}
			}
		}
	}
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

// drawCut chooses where the power fails in the nth life.
func (w *world) drawCut(n int) cut {
	c := drawCut(dice(w.seed, uint64(n)))
	if d := dice(w.seed, uint64(n), 3); w.copying && d.IntN(2) == 0 {
		c.kind, c.nth = ofCopy, 1+d.IntN(90)
	}
	return c
}

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
	if f := w.complaint.Load(); f != nil {
		panic(*f)
	}
	if w.disk.dead() {
		panic(powerCut{})
	}
}

// complain is fail for another goroutine than the driver.
func (w *world) complain(format string, args ...any) {
	f := failure(fmt.Sprintf(format, args...))
	w.complaint.CompareAndSwap(nil, &f)
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
	panic(failure(fmt.Sprintf("shared %v, %+v, %s: ", w.shared, w.durability, w.where) + fmt.Sprintf(format, args...)))
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

package main

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/internal/wallclock"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// live is one life of the bus, from Open to a power failure or Close.
func (w *world) live(n int, c cut) {
	w.disk = newDisk(w.mem, c, w.peek)
	w.disk.deaf = w.deaf
	now := &w.tally.opening
	w.untilCut(func() {
		w.where = fmt.Sprintf("life %d, opened after %s", n, w.past)
		w.open()
		w.check()
		w.checkCopies()
		now = nil
		w.follow()
		d := dice(w.seed, uint64(n), 1)
		steps := 2 + d.IntN(24)
		for i := range steps {
			w.where = fmt.Sprintf("life %d, step %d of %d", n, i+1, steps)
			w.glance()
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
	w.disk.checkKinds(w)
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
	w.cut = true
	w.mem, w.past = w.disk.clone, fmt.Sprintf("a power failure at %+v", w.disk.cut)
}

// rest lets everything come to an end, and looks at it once more.
func (w *world) rest(n int) {
	w.disk = newDisk(w.mem, cut{}, w.peek)
	w.where = "the last life, after " + w.past
	w.open()
	w.check()
	w.checkCopies()
	w.follow()
	for i, f := range w.walkers {
		if f.poison != followers.Halt {
			w.replay(dice(w.seed, uint64(n), uint64(i)), f, true)
		}
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

func (w *world) open() {
	o := &retinue.Options{
		ActorSystem: w.system, KeyWindow: w.window, Durability: w.durability, Name: "sim", UpdateTimeout: patience,
		Trim: retinue.Trim{Off: true, MinEntries: minEntries, MaxPerPass: maxPerPass, MinAge: minAge, Hold: hold},
	}
	wallclock.Set(o, w.clock.now)
	dir := w.dir
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
	w.listening.Wait()
	w.peekAnswers()
	w.synced(func() bool { return true }) // by Close
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
		w.listening.Wait()
	}
	if w.db != nil {
		_ = w.db.Close()
	}
	w.bus, w.db = nil, nil
}

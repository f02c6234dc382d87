package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// copyName is in the name of every copy of the store.
const copyName = "copy"

// copied is a backup, or what was restored of one.
type copied struct {
	dir string
	// least are the heads of the permanent and the trimmable log that it has,
	// if it is there at all.
	least [2]uint64
	// made: it was answered, and is there for ever.
	made bool
}

// newCopy makes the model responsible for a copy, before it is made.
func (w *world) newCopy(what string) *copied {
	w.nextTag++
	c := &copied{dir: fmt.Sprintf("%s of %s %d", copyName, what, w.nextTag), least: [2]uint64{1, 1}}
	w.note(func() {
		for _, a := range w.writes {
			if r := a.receipt; r != nil {
				c.least[messages.Permanent] = max(c.least[messages.Permanent], uint64(r.NextEvent))
				c.least[messages.TrimmableLog] = max(c.least[messages.TrimmableLog], uint64(r.NextTrimmable))
			}
		}
		w.copied = append(w.copied, c)
	})
	return c
}

// backUp makes a backup while writes are in flight and followers at work, or
// at rest, and looks at it.
func (w *world) backUp(d *rand.Rand) {
	if d.IntN(3) == 0 {
		w.quiesce()
	} else {
		w.inFlight(d)
	}
	c := w.backUpNow()
	w.quiesce()
	w.observe()
	w.compareCopy(c)
	w.remove(c)
}

func (w *world) backUpNow() *copied {
	c := w.newCopy("store")
	ctx, cancel := within()
	defer cancel()
	w.must(w.bus.Backup(ctx, c.dir), "back up")
	w.note(func() { c.made = true })
	return c
}

// moveHouse goes on with a restored backup instead of the store: nothing of
// what came before may be missing in it.
func (w *world) moveHouse(*rand.Rand) {
	w.quiesce()
	id := w.bus.StoreID()
	c := w.backUpNow()
	w.close()
	restored := w.newCopy("backup")
	ctx, cancel := within()
	defer cancel()
	w.must(retinue.Restore(ctx, c.dir, restored.dir, &retinue.Options{FS: w.disk}), "restore")
	old := w.dir
	w.note(func() {
		restored.made, w.dir = true, restored.dir
		w.copied = nil
	})
	w.remove(c)
	w.must(w.disk.RemoveAll(old), "remove the old store")
	w.open()
	if w.bus.StoreID() == id {
		w.fail("the restored store has the id of the one that was backed up")
	}
	w.check()
	w.follow()
}

// checkCopies looks at what a power cut has left of copies.
func (w *world) checkCopies() {
	for _, c := range slices.Clone(w.copied) { // remove takes each out
		_, err := w.disk.Stat(c.dir)
		switch {
		case err == nil:
			w.inspect(c, func() {})
		case c.made || !errors.Is(err, os.ErrNotExist):
			w.fail("%s was made: %v", c.dir, err)
		default:
			w.again(c)
		}
		w.remove(c)
	}
	w.note(func() { w.copied = nil })
}

// again makes a copy that a power cut has prevented: what is left of it is no
// obstacle, but where it lacks its name only.
func (w *world) again(c *copied) {
	ctx, cancel := within()
	defer cancel()
	err := w.bus.Backup(ctx, c.dir)
	_, signed := w.disk.Stat(c.dir + ".partial/RETINUE")
	switch {
	case errors.Is(err, messages.ErrExists) && signed == nil:
		w.must(w.disk.Rename(c.dir+".partial", c.dir), "name a copy")
	default:
		w.must(err, "back up again")
	}
	w.inspect(c, func() {})
}

// compareCopy compares a copy with the model, at rest.
func (w *world) compareCopy(c *copied) {
	w.inspect(c, func() {
		for _, f := range w.walkers {
			if _, known := w.look(f); !known {
				w.fail("follower %q is not in the copy", f.name)
			}
			s := w.stateOf(f)
			if s.Cursor > s.Head {
				w.fail("follower %q is at %d in the copy, the head is %d", f.name, s.Cursor, s.Head)
			}
			if why := w.compareFollower(f, s); why != "" {
				w.fail("in the copy, follower %q at %d, started at %d, after %v and %+v: %s", f.name, s.Cursor, f.start, f.seeks, f.removals, why)
			}
		}
	})
}

// inspect opens a copy to read it: it is sound, and up to its least heads it is
// what was read of the store. With it for a bus then is called.
func (w *world) inspect(c *copied, then func()) {
	original := w.bus
	bus, err := retinue.Open(c.dir, &retinue.Options{FS: w.disk, ReadOnly: true, ActorSystem: w.system, Name: copyName})
	w.must(err, "open %s", c.dir)
	w.bus = bus
	defer func() {
		w.bus = original
		w.must(bus.Close(), "close %s", c.dir)
	}()
	w.verify()
	s := bus.Status()
	for log, head := range []uint64{s.Permanent.Head, s.Trimmable.Head} {
		if head < c.least[log] {
			w.fail("the %v log ends at %d in %s, %d was acknowledged before", messages.Log(log), head, c.dir, c.least[log])
		}
		ctx, cancel := within()
		defer cancel()
		for e, err := range bus.Entries(ctx, retinue.Query{Log: messages.Log(log)}) {
			w.must(err, "read %s", c.dir)
			id, _, _ := messages.Span(e, messages.Log(log))
			now, before := w.see(e), w.logs[log].seen[id]
			if id < c.least[log] && before.print != now.print {
				w.fail("%v log: entry %d is %q, in %s it is %q", messages.Log(log), id, before.print, c.dir, now.print)
			}
		}
	}
	then()
}

// remove takes a copy away, and what was left in the making of it.
func (w *world) remove(c *copied) {
	for _, dir := range []string{c.dir, c.dir + ".partial"} {
		w.must(w.disk.RemoveAll(dir), "remove %s", dir)
	}
	w.note(func() {
		w.copied = slices.DeleteFunc(w.copied, func(other *copied) bool { return other == c })
	})
}

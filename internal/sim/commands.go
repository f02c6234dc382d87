package main

import (
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/actors"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// reached notes that a cursor is durable. Where durability is none, that may
// be known to nobody but the process.
func (w *world) reached(f *walker, cursor uint64) {
	if !w.durability.None {
		w.note(func() { f.floor = max(f.floor, cursor) })
	}
}

func (w *world) seek(d *rand.Rand) { w.move(d, w.walkers[d.IntN(len(w.walkers))]) }

// move moves a cursor, where nothing has moved it first.
func (w *world) move(d *rand.Rand, f *walker) {
	part := d.Uint64N(1001)
	low := uint64(1)
	if f.log == messages.TrimmableLog {
		low = w.bus.Status().Trimmable.Horizon
	}
	s := w.status(f)
	if low > s.Head || f.keyed {
		return
	}
	to := low + (s.Head-low)*part/1000
	move := jump{s.Cursor, to}
	w.note(func() { f.floor, f.seeking = min(f.floor, to), &move })
	w.synced(func() bool {
		ctx, cancel := within()
		defer cancel()
		err := w.bus.Seek(ctx, f.name, s.Position(), position(f.log, to))
		if err != nil && !errors.Is(err, messages.ErrCursorMoved) {
			w.fail("seek follower %q from %d to %d: %v", f.name, s.Cursor, to, err)
		}
		w.note(func() {
			f.seeking = nil
			if err == nil {
				f.seeks, f.floor = append(f.seeks, move), min(f.floor, to)
			}
		})
		return err == nil
	})
}

func (w *world) pause(d *rand.Rand) {
	f := w.walkers[d.IntN(len(w.walkers))]
	if f.paused {
		w.resume(f)
		return
	}
	w.pauseNow(f)
}

func (w *world) pauseNow(f *walker) {
	ctx, cancel := within()
	defer cancel()
	w.note(func() { f.pausing = true })
	w.synced(func() bool { w.must(w.bus.Pause(ctx, f.name), "pause"); return true })
	w.note(func() { f.paused, f.pausing = true, false })
}

func (w *world) resume(f *walker) {
	ctx, cancel := within()
	defer cancel()
	w.note(func() { f.pausing = true })
	w.synced(func() bool { w.must(w.bus.Resume(ctx, f.name), "resume"); return true })
	w.note(func() { f.paused, f.pausing = false, false })
}

// part chooses of the entries that a follower has put aside: the first ones,
// because a sequence is replayed in order.
func (w *world) part(d *rand.Rand, f *walker) removal {
	r := removal{at: w.status(f).Cursor}
	for id := range w.aside(f) {
		r.ids = append(r.ids, id)
	}
	slices.Sort(r.ids)
	if d.IntN(2) == 0 {
		r.ids = r.ids[:d.IntN(len(r.ids)+1)]
	}
	for _, id := range r.ids {
		r.passes = append(r.passes, f.passes(id, r.at))
	}
	return r
}

func (r *removal) positions(log messages.Log) (at []messages.Position) {
	for _, id := range r.ids {
		at = append(at, position(log, id))
	}
	return at
}

// removeStep replays or drops what a follower has put aside.
func (w *world) removeStep(d *rand.Rand) {
	f := w.walkers[1+d.IntN(len(w.walkers)-1)]
	switch d.IntN(4) {
	case 0:
		w.drop(d, f)
	case 1:
		w.replay(d, f, false)
	default:
		w.replay(d, f, true)
	}
}

// replay has a paused follower try again, healed or not, and perhaps moved.
func (w *world) replay(d *rand.Rand, f *walker, healed bool) {
	w.pauseNow(f)
	if d.IntN(3) == 0 {
		w.move(d, f)
	}
	r := w.part(d, f)
	w.note(func() { f.removing = &r })
	w.replaying.Store(f)
	w.healed.Store(healed)
	defer w.replaying.Store(nil) // also where the power fails
	ctx, cancel := within()
	defer cancel()
	var err error
	if at := r.positions(f.log); len(at) > 0 {
		_, err = w.bus.Replay(ctx, f.name, retinue.Replay{At: at})
	}
	if failed := (*messages.FollowerError)(nil); healed || !errors.As(err, &failed) {
		w.must(err, "replay %v of %q", r.ids, f.name)
	}
	w.alive()
	if w.settleRemoval(f, w.stateOf(f)); healed && len(f.removals[len(f.removals)-1].ids) != len(r.ids) {
		w.fail("replayed %v of %q, and %v is done", r.ids, f.name, f.removals)
	}
	w.replaying.Store(nil)
	w.resume(f)
}

// drop deletes some of what a follower has put aside.
func (w *world) drop(d *rand.Rand, f *walker) {
	w.pauseNow(f)
	r := w.part(d, f)
	r.dropped = true
	w.note(func() { f.removing = &r })
	w.synced(func() bool {
		ctx, cancel := within()
		defer cancel()
		w.must(w.bus.Drop(ctx, f.name, r.positions(f.log)...), "drop %v of %q", r.ids, f.name)
		w.note(func() { f.removing, f.removals = nil, append(f.removals, r) })
		return true
	})
	w.resume(f)
}

// forget ends a follower and starts it again: where it was, or, forgotten,
// where a new one is told to start. The first follower stays, because what it
// has appended does.
func (w *world) forget(d *rand.Rand) {
	f := w.walkers[d.IntN(len(w.walkers))]
	forget, at := d.IntN(2) == 0 && f.name != "typed", d.Uint64N(1001)
	way := d.IntN(4)
	ctx, cancel := within()
	defer cancel()
	w.must(w.bus.Unfollow(ctx, f.name), "unfollow")
	if s := w.status(f); !f.paused && s.State != actors.NotFollowed {
		w.fail("follower %q was unfollowed and is %v", f.name, s.State)
	}
	def := w.follower(f)
	if forget {
		w.note(func() { f.known = false })
		w.synced(func() bool { w.must(w.bus.Forget(ctx, f.name), "forget"); return true })
		if _, known := w.look(f); known {
			w.fail("follower %q was forgotten and is in Status", f.name)
		}
		w.fresh(f, 0)
		w.settle()
		w.durable()
		w.observe()
		var start uint64
		def.Start, start = w.begin(f, way, at)
		w.note(func() { f.start = start })
	}
	w.synced(func() bool {
		w.must(w.bus.Follow(def), "follow %q again", f.name)
		w.note(func() { f.known = true })
		return forget
	})
}

// begin chooses where a new follower begins: known to the model, whatever is
// appended meanwhile.
func (w *world) begin(f *walker, way int, at uint64) (start followers.Start, id uint64) {
	l := &w.logs[f.log]
	low, head := l.horizon, l.head()
	id = low + (head-low)*at/1000
	switch {
	case way == 0:
		return followers.Earliest(), low
	case way == 1 && id < head:
		since := l.seen[id].ordered
		for id > low && !l.seen[id-1].ordered.Before(since) {
			id--
		}
		return followers.Since(since), id
	case way == 2 && f.log == messages.Permanent: // nobody but the driver appends to it
		return followers.Latest(), head
	}
	return followers.At(position(f.log, id)), id
}

func (w *world) stateOf(f *walker) state {
	return state{FollowerStatus: w.status(f), counts: w.counts(f), aside: w.aside(f), end: w.bus.Status().Trimmable.Head}
}

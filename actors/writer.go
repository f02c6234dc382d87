package actors

import (
	"runtime/debug"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// dirtyFor bounds how long an unsynced commit waits for its sync.
const dirtyFor = time.Second

// writer is the one door to the store: everything that is written, is written
// by it, one round after the other. So the order of the write-ahead log is
// its order is the order of ids.
//
// Invariants, between rounds:
//   - heads, horizon and every tracker's cursor are those of the last commit;
//   - placed is empty and the batch is empty;
//   - durable <= heads, and durable = heads unless dirty.
type writer struct {
	engine *Engine
	store  *persistence.Store
	batch  *persistence.Batch
	// present is the round under way.
	present *round
	clock   clock
	// ticked is true while clock.last is the present, for the sake of a round.
	ticked bool

	heads        persistence.Heads
	horizon      messages.TrimmableID
	nextFollower uint32
	keys         keyWindow

	// placed are the events of this round, transient ones with no id, in
	// order; those below written are in the batch already.
	placed  []persistence.Placed
	written int
	// app are the application's keys with what Updates have put into the batch;
	// nil where none has since the batch was applied. opaque is true while the
	// batch holds what a closure may read and app does not show.
	app    *persistence.State
	opaque bool
	named  []namedType // numbers given in this round, not known to readers
	recent namedType   // the type of the last event, which the next often has
	moved  []*tracker  // whose cursor this round moves
	// needSync is set by a job whose answer rests on a sync, where the bus's
	// durability is not a weaker one; mustSync by a job that asks for a sync.
	needSync, mustSync bool
	// dirty is true while commits wait for a sync; unsynced are the trackers
	// whose cursors they moved.
	dirty    bool
	unsynced map[*tracker]struct{}
	tally    tally
}

type namedType struct {
	number       uint32
	module, kind string
}

func newWriter(e *Engine) *writer {
	opened := e.Store.Opened()
	return &writer{
		engine:       e,
		store:        e.Store,
		batch:        e.Store.NewBatch(),
		clock:        newClock(e.Now, opened.Heads.Ordered, opened.Heads.Offset),
		heads:        opened.Heads,
		horizon:      opened.Horizon,
		nextFollower: opened.NextFollower,
		keys:         newKeyWindow(e.KeyWindow, opened.Buckets),
		unsynced:     make(map[*tracker]struct{}),
	}
}

// Receive implements [actor.Actor].
func (w *writer) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *round:
		w.round(m)
	case *actor.Stopped:
		w.engine.stoppedFromOutside("writer")
		err := messages.ErrClosed
		if cause := w.store.Fence().Cause(); cause != nil {
			err = &messages.FailedError{Cause: cause}
		}
		w.engine.mail.abandon(err)
	}
}

// round walks the jobs in order, commits what they collected, answers them
// all, and tells readers. A panic here is a broken invariant: the store fails,
// because nobody knows what the batch holds.
func (w *writer) round(r *round) {
	defer func() {
		if p := recover(); p != nil {
			cause := &messages.PanicError{Value: p, Stack: debug.Stack()}
			w.store.Fence().Trip(cause)
			w.engine.mail.answer(r, &messages.FailedError{Cause: cause})
		}
	}()
	if cause := w.store.Fence().Cause(); cause != nil {
		w.engine.mail.answer(r, &messages.FailedError{Cause: cause}) // nobody knows what the batch holds
		return
	}
	w.present, w.needSync, w.mustSync, w.ticked = r, false, false, false
	w.beginTally()
	for _, j := range r.jobs {
		j.run(w)
		w.opaque = w.opaque || !transparent(j)
	}
	err := w.commit(w.syncNow())
	if err == nil {
		w.publish()
	}
	w.publishTally(r)
	w.engine.mail.answer(r, err)
	clear(w.placed)
	w.placed, w.written = w.placed[:0], 0
}

// syncNow decides about the sync of this round by the bus's durability.
func (w *writer) syncNow() bool {
	d := w.engine.Durability
	return w.mustSync || (w.needSync && d.Interval == 0 && !d.None)
}

// collect writes what was placed so far into the batch. It is called before
// anything else goes into the batch, so that order is kept.
func (w *writer) collect() {
	if w.written == len(w.placed) {
		return
	}
	fresh := w.placed[w.written:]
	w.batch.Place(fresh)
	w.written = len(w.placed)
	if slices.ContainsFunc(fresh, func(p persistence.Placed) bool { return p.Trimmable != 0 }) {
		w.heads.Offset = w.clock.offset
		w.batch.SetHeads(w.heads)
	}
}

// transparent reports whether the closure of an Update that comes after j reads
// the same before and after the batch is applied: entries it cannot read, and
// the application's keys it reads through app.
func transparent(j job) bool {
	switch j := j.(type) {
	case *updateJob:
		return true
	case *appendJob:
		return j.beside == nil
	}
	return false
}

// reveal has the next closure read what this round holds so far, of which only
// so much is kept in memory.
func (w *writer) reveal() error {
	w.collect()
	if w.opaque || w.batch.Size() >= roundBytes || w.store.Fence().Cause() != nil {
		if err := w.commit(false); err != nil {
			return err
		}
	}
	if w.app == nil {
		w.app = w.store.ApplicationState()
	}
	return nil
}

// commit applies the batch. After an error the store has failed, and what the
// batch held is lost: nothing of this round succeeds any more.
func (w *writer) commit(sync bool) error {
	if cause := w.store.Fence().Cause(); cause != nil {
		return &messages.FailedError{Cause: cause}
	}
	w.collect()
	w.ticked = false
	var err error
	switch {
	case !w.batch.Empty():
		err = w.apply(sync)
		w.dirty = true
	case sync && w.dirty:
		err = w.sync()
	}
	if err != nil {
		return err
	}
	for _, n := range w.named {
		w.store.Learn(n.number, n.module, n.kind)
	}
	w.named = w.named[:0]
	w.store.Trimmed(w.horizon)
	clear(w.keys.pending)
	w.app, w.opaque = nil, false
	for _, t := range w.moved {
		t.applied.Store(t.cursor.Next)
		w.unsynced[t] = struct{}{}
	}
	clear(w.moved)
	w.moved = w.moved[:0]
	if sync {
		w.dirty = false
	}
	return nil
}

// publish shows readers what is durable now, or sees to a sync later.
func (w *writer) publish() {
	e := w.engine
	if len(*e.followed.Load()) > 1 { // one alone gains nothing
		w.store.Remember(w.placed, w.heads)
	}
	if w.dirty && !e.Durability.None {
		wait := dirtyFor
		if e.Durability.Interval > 0 {
			wait = e.Durability.Interval
		}
		e.timers.arm("sync", wait, func() { _ = e.post(&controlJob{sync: true, do: nothing}) })
		e.broadcast.publish(w.placed, false)
		w.hurry()
		return
	}
	// Heads first: who waited for a reaction reads what it appended.
	e.publish(Marks{Heads: w.heads, Horizon: w.horizon})
	if !w.dirty {
		w.store.Durable(w.heads)
	}
	for t := range w.unsynced {
		t.settle(t.applied.Load())
	}
	clear(w.unsynced)
	e.broadcast.publish(w.placed, true)
}

// hurry asks for a sync at once where somebody has come to wait for a cursor
// while the round that moved it was under way.
func (w *writer) hurry() {
	for t := range w.unsynced {
		if t.awaited(t.applied.Load()) {
			_ = w.engine.post(&controlJob{sync: true, do: nothing})
			return
		}
	}
}

func nothing(*writer) error { return nil }

// forget lets go of what is committed and nobody listens for, in a round that
// may be long.
func (w *writer) forget() {
	if w.engine.broadcast.count.Load() == 0 {
		clear(w.placed)
		w.placed, w.written = w.placed[:0], 0
	}
}

// now is ordering time: entries of one round share it.
func (w *writer) now() uint64 {
	if !w.ticked {
		w.clock.tick()
		w.ticked = true
	}
	return w.clock.last
}

// place gives the events their ids. They are adjacent in both logs.
func (w *writer) place(events []messages.Prepared) messages.Receipt {
	r := messages.Receipt{}
	now := w.now()
	for i := range events {
		p := &events[i]
		placed := persistence.Placed{Prepared: p, Ordered: now}
		if p.Time.IsZero() {
			p.Time = orderedTime(placed.Ordered)
		}
		if p.Type.Persistence != messages.Transient {
			w.number(&placed, &r)
		} else {
			w.tally.transient++
		}
		w.placed = append(w.placed, placed)
	}
	r.NextEvent, r.NextTrimmable = w.heads.Event, w.heads.Trimmable
	return r
}

func (w *writer) number(p *persistence.Placed, r *messages.Receipt) {
	p.Type = w.typeNumber(p.Prepared.Type)
	w.heads.Ordered = p.Ordered
	p.Trimmable = w.heads.Trimmable
	w.heads.Trimmable++
	if r.FirstTrimmable == 0 {
		r.FirstTrimmable = p.Trimmable
	}
	r.LastTrimmable = p.Trimmable
	if p.Prepared.Type.Persistence != messages.Persistent {
		return
	}
	p.Event = w.heads.Event
	w.heads.Event++
	if r.FirstEvent == 0 {
		r.FirstEvent = p.Event
	}
	r.LastEvent = p.Event
}

// typeNumber finds or gives the number of a type. A new one enters the
// readers' memory only when its record has been committed.
func (w *writer) typeNumber(t messages.Type) uint32 {
	if t.Kind == w.recent.kind && t.Module == w.recent.module && w.recent.number != 0 {
		return w.recent.number
	}
	if n := w.store.TypeNumber(t.Module, t.Kind); n != 0 {
		w.recent = namedType{n, t.Module, t.Kind}
		return n
	}
	i := slices.IndexFunc(w.named, func(n namedType) bool { return n.module == t.Module && n.kind == t.Kind })
	if i >= 0 {
		return w.named[i].number
	}
	n := namedType{uint32(w.store.Types() + len(w.named) + 1), t.Module, t.Kind}
	w.named = append(w.named, n)
	w.batch.NameType(n.number, n.module, n.kind)
	return n.number
}

// refuse has the round synced where the refusal rests on what is not: a delayed
// sync makes ids provisional, not refusals.
func (w *writer) refuse(err error) error {
	unsynced := w.dirty || len(w.placed) > 0 || !w.batch.Empty()
	w.mustSync = w.mustSync || (unsynced && !w.engine.Durability.None)
	return err
}

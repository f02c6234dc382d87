package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// walker is what the model knows of a follower: what it must have done is told
// by its cursor, by what was done to it, and by the plan of its failures.
type walker struct {
	name   string
	log    messages.Log
	poison followers.Action
	// keyed: it has a sequence key. It is never moved, but its parked entries
	// are replayed.
	keyed bool

	// paused; pausing: a change of it was asked for and not answered.
	paused, pausing bool
	// floor is what its durable cursor was known to have reached.
	floor uint64
	seeks []jump
	// seeking was asked for and not answered.
	seeking *jump
	cures   []replay
	curing  *replay
}

// jump is a Seek.
type jump struct{ from, to uint64 }

// replay of parked entries, while the cursor stood at a place.
type replay struct {
	at  uint64
	ids []uint64
}

// attempts is what an entry gets before it is put aside. A crash during a turn
// is an attempt too: only what always fails may reach it, so it is more than
// the lives of a simulation and the failures that pass by.
const attempts = 11

func newWalkers() []*walker {
	return []*walker{
		{name: "typed", log: messages.Permanent},
		{name: "every", log: messages.TrimmableLog, poison: followers.Skip},
		{name: "batch", log: messages.TrimmableLog, poison: followers.Park},
		{name: "keyed", log: messages.Permanent, poison: followers.Park, keyed: true},
	}
}

// trouble is what a turn does wrong by plan.
type trouble int

const (
	none trouble = iota
	returns
	panics
	exits
)

// plan says how the turns of a follower over an entry fail: none, the first
// one or two, or all of them.
func (w *world) plan(f *walker, kind string, tag uint64) (what trouble, times int) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s %d", w.seed, f.name, kind, tag)
	d := rand.New(rand.NewPCG(h.Sum64(), 1))
	what = returns + trouble(d.IntN(3))
	switch n := d.IntN(100); {
	case n < 4 && f.poison != followers.Halt:
		return what, attempts
	case n < 12:
		return what, 1 + d.IntN(2)
	}
	return none, 0
}

// poisoned entries fail always.
func (w *world) poisoned(f *walker, s sight) bool {
	_, times := w.plan(f, s.kind, s.tag)
	return times == attempts
}

var errPlanned = errors.New("fails by plan")

// stumble fails by plan.
func (w *world) stumble(f *walker, t *followers.Turn, e messages.Entry) error {
	if f.keyed && w.healed.Load() {
		return nil
	}
	tag, err := tagOf(e)
	if err != nil {
		return err
	}
	what, times := w.plan(f, e.Type.Kind, tag)
	if t.Attempt() > times && times < attempts {
		return nil
	}
	switch what {
	case returns:
		return errPlanned
	case panics:
		panic(errPlanned)
	case exits:
		runtime.Goexit()
	}
	return nil
}

// follow starts the followers.
func (w *world) follow() {
	for _, f := range w.walkers {
		w.must(w.bus.Follow(w.follower(f)), "follow %q", f.name)
	}
	w.alive()
}

// follower declares a walker. A turn that fails has written before.
func (w *world) follower(f *walker) followers.Follower {
	def := followers.Follower{
		Name: f.name, Log: f.log, Trimmed: followers.Jump,
		Restart: followers.Restart{Initial: 100 * time.Microsecond, Max: 100 * time.Microsecond},
		Poison:  followers.Poison{Action: f.poison, After: attempts},
	}
	react := func(t *followers.Turn) error { return w.react(f, t, t.Entry()) }
	switch f.name {
	case "typed":
		def.Reactions = []followers.Reaction{
			followers.On(func(t *followers.Turn, e deposit) error {
				if tallied(e.Tag) {
					if err := t.Append(tallying{Tag: e.Tag}); err != nil {
						return err
					}
				}
				return react(t)
			}),
			followers.On(func(t *followers.Turn, _ remark) error { return react(t) }),
		}
	case "every":
		def.Every = react
	case "batch":
		def.Batch = func(t *followers.Turn, entries []messages.Entry) error {
			for _, e := range entries {
				if err := w.react(f, t, e); err != nil {
					return err
				}
			}
			return nil
		}
	case "keyed":
		def.Every, def.Key = react, func(e messages.Entry) string {
			tag, _ := tagOf(e)
			return sequence(tag)
		}
	}
	return def
}

func tallied(tag uint64) bool { return tag%3 == 0 }

// sequence is the sequence key of an entry; some have none.
func sequence(tag uint64) string { return []string{"", "a", "b", "c", "d"}[tag%5] }

// react adds one to what the follower has of the entry, and to its total, and
// fails afterwards, if it does.
func (w *world) react(f *walker, t *followers.Turn, e messages.Entry) error {
	id, _, err := messages.Span(e, e.Log)
	if err != nil {
		return err
	}
	for _, key := range []string{"total", entryName(id)} {
		value, err := t.Get([]byte(key))
		if err != nil {
			return err
		}
		if err := t.Set([]byte(key), fmt.Append(nil, countOf(value)+1)); err != nil {
			return err
		}
	}
	return w.stumble(f, t, e)
}

func entryName(id uint64) string { return fmt.Sprintf("entry %d", id) }

func countOf(value []byte) (n int) {
	_, _ = fmt.Sscan(string(value), &n)
	return n
}

func (w *world) status(f *walker) retinue.FollowerStatus {
	for _, s := range w.bus.Status().Followers {
		if s.Name == f.name {
			return s
		}
	}
	return retinue.FollowerStatus{Name: f.name, Log: f.log, Cursor: 1}
}

// seek moves a cursor, where nothing has moved it first.
func (w *world) seek(d *rand.Rand) {
	f := w.walkers[d.IntN(3)]
	part := d.Uint64N(1001)
	low := uint64(1)
	if f.log == messages.TrimmableLog {
		low = w.bus.Status().Trimmable.Horizon
	}
	s := w.status(f)
	if low > s.Head {
		return
	}
	to := low + (s.Head-low)*part/1000
	move := jump{s.Cursor, to}
	w.note(func() { f.floor, f.seeking = min(f.floor, to), &move })
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
	w.must(w.bus.Pause(ctx, f.name), "pause")
	w.note(func() { f.paused, f.pausing = true, false })
}

func (w *world) resume(f *walker) {
	ctx, cancel := within()
	defer cancel()
	w.note(func() { f.pausing = true })
	w.must(w.bus.Resume(ctx, f.name), "resume")
	w.note(func() { f.paused, f.pausing = false, false })
}

func (w *world) cureStep(*rand.Rand) { w.cure() }

// cure replays all that the keyed follower has parked.
func (w *world) cure() {
	f := w.walkers[3]
	if w.pauseNow(f); !f.paused {
		return
	}
	c := replay{at: w.status(f).Cursor}
	for id := range w.aside(f) {
		c.ids = append(c.ids, id)
	}
	slices.Sort(c.ids)
	w.note(func() { f.curing = &c })
	w.healed.Store(true)
	defer w.healed.Store(false) // also where the power fails
	ctx, cancel := within()
	defer cancel()
	done, err := w.bus.Replay(ctx, f.name, retinue.Replay{All: true})
	w.must(err, "replay %v", c.ids)
	if n := len(c.ids); done.Found != n || done.Done != n {
		w.fail("replay of %v: %+v", c.ids, done)
	}
	w.healed.Store(false)
	w.note(func() { f.curing, f.cures = nil, append(f.cures, c) })
	w.resume(f)
}

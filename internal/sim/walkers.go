package main

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

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
	// kinds are what its filter passes, nil for all.
	kinds []string

	history
	// life counts how often it was new.
	life int
	// known: it was followed, and nobody asked to forget it.
	known bool
	// paused; pausing: a change of it was asked for and not answered.
	paused, pausing bool
}

// history is what was done to a walker since it was new.
type history struct {
	start uint64 // where it began
	// floor is what its durable cursor was known to have reached.
	floor uint64
	seeks []jump
	// seeking was asked for and not answered.
	seeking  *jump
	removals []removal
	removing *removal
}

// jump is a Seek.
type jump struct{ from, to uint64 }

// removal of parked entries by Replay or Drop, while the cursor stood at a
// place, and the follower had passed each of them some times.
type removal struct {
	at      uint64
	ids     []uint64
	passes  []int
	dropped bool
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
		{name: "raw", log: messages.Permanent, poison: followers.Park, kinds: []string{deposit{}.EventType().Kind}},
	}
}

func (f *walker) wants(kind string) bool { return f.kinds == nil || slices.Contains(f.kinds, kind) }

// trouble is what a turn does wrong by plan.
type trouble int

const (
	none trouble = iota
	returns
	panics
	exits
	stops // the raw behaviour; the others return
)

// plan says how the turns of a follower over an entry fail: none, the first
// one or two, or all of them.
func (w *world) plan(f *walker, kind string, tag uint64) (what trouble, times int) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s %d", w.seed, f.name, kind, tag)
	d := rand.New(rand.NewPCG(h.Sum64(), 1))
	what = returns + trouble(d.IntN(4))
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

var (
	errPlanned = errors.New("fails by plan")
	errStops   = fmt.Errorf("stops itself, where it can: %w", errPlanned)
)

// stumble fails by plan.
func (w *world) stumble(f *walker, t *followers.Turn, e messages.Entry) error {
	if w.healed.Load() && w.replaying.Load() == f {
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
	case stops:
		return errStops
	}
	return nil
}

// follow starts the followers.
func (w *world) follow() {
	w.listen()
	for _, f := range w.walkers {
		if _, known := w.look(f); !known {
			w.fresh(f, w.lowest(f.log))
		}
		w.must(w.bus.Follow(w.follower(f)), "follow %q", f.name)
		w.note(func() { f.known = true })
	}
	w.alive()
}

// lowest is the first id of a log that is still there.
func (w *world) lowest(log messages.Log) uint64 { return w.logs[log].horizon }

// fresh is a follower that begins, once more or for the first time.
func (w *world) fresh(f *walker, start uint64) {
	w.note(func() { f.history, f.life, f.paused, f.pausing = history{start: start}, f.life+1, false, false })
}

// follower declares a walker. A turn that fails has written before.
func (w *world) follower(f *walker) followers.Follower {
	def := followers.Follower{
		Name: f.name, Log: f.log, Trimmed: followers.Jump, Filter: messages.Filter{Kinds: f.kinds},
		Restart: followers.Restart{Initial: 100 * time.Microsecond, Max: 100 * time.Microsecond},
		Poison:  followers.Poison{Action: f.poison, After: attempts},
	}
	every := func(t *followers.Turn) error { return w.react(f, t, t.Entry()) }
	batch := func(t *followers.Turn, entries []messages.Entry) error {
		for _, e := range entries {
			if err := w.react(f, t, e); err != nil {
				return err
			}
		}
		return nil
	}
	switch f.name {
	case "typed":
		def.Filter = messages.Filter{} // its reactions say what it wants
		def.Reactions = []followers.Reaction{
			followers.On(func(t *followers.Turn, e deposit) error {
				if tallied(e.Tag) {
					if err := t.Append(tallying{Tag: e.Tag}); err != nil {
						return err
					}
				}
				return every(t)
			}),
			followers.On(func(t *followers.Turn, _ remark) error { return every(t) }),
		}
	case "every":
		def.Every, def.Sync = every, w.seed%4 == 0
	case "batch":
		def.Batch = batch
	case "keyed":
		if def.Every = every; w.seed%2 == 0 {
			def.Every, def.Batch = nil, batch
		}
		def.Key = func(e messages.Entry) string {
			tag, _ := tagOf(e)
			return sequence(tag)
		}
	case "raw":
		def.Props = actor.PropsFromProducer(func() actor.Actor { return newScribe(w, f) })
	}
	return def
}

func tallied(tag uint64) bool { return tag%3 == 0 }

// sequence is the sequence key of an entry; some have none.
func sequence(tag uint64) string { return []string{"", "a", "b", "c", "d"}[tag%5] }

// react adds one to what the follower has of the entry, and to its total, and
// fails afterwards, if it does.
func (w *world) react(f *walker, t *followers.Turn, e messages.Entry) error {
	w.tell(&e)
	id, _, err := messages.Span(e, e.Log)
	if err != nil {
		return err
	}
	if err := w.checkPlace(f, t, id); err != nil {
		return err
	}
	if _, err := add(t, "total"); err != nil {
		return err
	}
	n, err := add(t, entryName(id))
	if err != nil {
		return err
	}
	if w.shared && w.writesBeside(f) {
		batch, err := retinue.TurnBatch(t)
		if err != nil {
			return err
		}
		if err := batch.Set([]byte(f.beside()+entryName(id)), n, nil); err != nil {
			return err
		}
	}
	return w.stumble(f, t, e)
}

// checkPlace counts the turns that came out of order: Seek and Replay alone
// lead back.
func (w *world) checkPlace(f *walker, t *followers.Turn, id uint64) error {
	if w.replaying.Load() == f {
		return nil
	}
	last, err := t.Get([]byte("last"))
	if err != nil {
		return err
	}
	if id <= uint64(countOf(last)) {
		if _, err := add(t, "back"); err != nil {
			return err
		}
	}
	return t.Set([]byte("last"), fmt.Append(nil, id))
}

func add(t *followers.Turn, key string) (sum []byte, err error) {
	value, err := t.Get([]byte(key))
	if err != nil {
		return nil, err
	}
	sum = fmt.Append(nil, countOf(value)+1)
	return sum, t.Set([]byte(key), sum)
}

// writesBeside: its turns write into the program's own keys as well.
func (w *world) writesBeside(f *walker) bool { return f.name != "typed" }

// beside is what those keys begin with.
func (f *walker) beside() string { return fmt.Sprintf("turn of %s %d: ", f.name, f.life) }

const entryPrefix = "entry "

func entryName(id uint64) string { return fmt.Sprintf("%s%d", entryPrefix, id) }

func countOf(value []byte) (n int) {
	_, _ = fmt.Fscan(bytes.NewReader(value), &n)
	return n
}

// look returns what Status says of a follower, if the store knows it.
func (w *world) look(f *walker) (s retinue.FollowerStatus, known bool) {
	for _, s := range w.bus.Status().Followers {
		if s.Name == f.name {
			return s, true
		}
	}
	return retinue.FollowerStatus{}, false
}

func (w *world) status(f *walker) retinue.FollowerStatus {
	s, known := w.look(f)
	if !known {
		w.fail("follower %q is not in Status", f.name)
	}
	return s
}

package retinue_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

type (
	modelDeposit struct{ Tag int } // persistent
	modelRemark  struct{ Tag int } // persistent, the application's own
	modelTrace   struct{ Tag int } // trimmable
	modelTally   struct{ Tag int } // trimmable, appended by a follower
	modelBlip    struct{ Tag int } // transient
)

func (modelDeposit) EventType() messages.Type {
	return messages.Type{Module: "model", Kind: "deposit"}
}

func (modelRemark) EventType() messages.Type { return messages.Type{Kind: "remark"} }

func (modelTrace) EventType() messages.Type {
	return messages.Type{Module: "model", Kind: "trace", Persistence: messages.Trimmable}
}

func (modelTally) EventType() messages.Type {
	return messages.Type{Module: "books", Kind: "tally", Persistence: messages.Trimmable}
}

func (modelBlip) EventType() messages.Type {
	return messages.Type{Module: "model", Kind: "blip", Persistence: messages.Transient}
}

type (
	retinueRequest = retinue.Request
	modelTicket    = *retinue.Ticket
)

// modelTrim is what the model's bus keeps.
var modelTrim = struct {
	MinEntries, MaxPerPass uint64
	MinAge, Hold           time.Duration
}{3, 8, 15 * 24 * time.Hour, 90 * 24 * time.Hour}

// modelWorld is a bus with what it stands on.
type modelWorld struct {
	fail   func(format string, args ...any)
	system *actor.ActorSystem // of all worlds of one test
	clock  *wallClock
	shared bool
	fs     *vfs.MemFS
	db     *pebble.DB
	bus    *retinue.Bus
	cancel context.CancelFunc
	within context.Context
}

func (w *modelWorld) start() {
	w.clock = newWallClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	w.fs = vfs.NewCrashableMem()
	w.open()
}

// ctx ends a call that waits for what never comes.
func (w *modelWorld) ctx() context.Context {
	if w.cancel != nil {
		w.cancel()
	}
	w.within, w.cancel = context.WithTimeout(context.Background(), time.Hour)
	return w.within
}

func (w *modelWorld) open() {
	o := &retinue.Options{
		ActorSystem: w.system, KeyWindow: retinue.Forever,
		Trim: retinue.Trim{
			Off: true, MinEntries: int(modelTrim.MinEntries), MaxPerPass: int(modelTrim.MaxPerPass),
			MinAge: modelTrim.MinAge, Hold: modelTrim.Hold,
		},
	}
	o.SetClock(w.clock.Now)
	dir := "store"
	if w.shared {
		dir = ""
		options := &pebble.Options{FS: w.fs, MemTableSize: 256 << 10}
		o.Fence = persistence.Configure(options)
		db, err := pebble.Open("database", options)
		if err != nil {
			w.fail("open the database: %v", err)
		}
		w.db, o.DB, o.Prefix = db, db, []byte("bus")
	} else {
		o.FS = w.fs
	}
	bus, err := retinue.Open(dir, o)
	if err != nil {
		w.fail("open: %v", err)
	}
	w.bus = bus
}

func (w *modelWorld) shutdown() {
	if err := w.bus.Close(); err != nil {
		w.fail("close: %v", err)
	}
	if w.db != nil {
		if err := w.db.Close(); err != nil {
			w.fail("close the database: %v", err)
		}
		w.db = nil
	}
}

// reincarnate opens the bus on what a power cut leaves.
func (w *modelWorld) reincarnate(c vfs.CrashCloneCfg) {
	left := w.fs.CrashClone(c)
	w.shutdown()
	w.fs = left
	w.open()
}

// stop leaves nothing running, also after a failure.
func (w *modelWorld) stop() {
	w.fail = func(string, ...any) {}
	w.shutdown()
	if w.cancel != nil {
		w.cancel()
	}
}

// modelFollower is what the model knows of a follower: how often it must have
// reacted to an entry is told by its cursor and the seeks alone.
type modelFollower struct {
	name   string
	log    messages.Log
	paused bool
	seeks  []modelSeek
}

type modelSeek struct{ from, to uint64 }

func newModelFollower(log messages.Log) *modelFollower {
	return &modelFollower{name: "on the " + log.String() + " log", log: log}
}

// passes is how often the follower has passed an entry.
func (f *modelFollower) passes(id, cursor uint64) int {
	n := 0
	if id < cursor {
		n++
	}
	for _, s := range f.seeks {
		if id < s.from {
			n++
		}
		if id < s.to {
			n--
		}
	}
	return n
}

// follow starts the followers. The first attempt of some entries leaves
// writes and events behind and fails; nothing of it may stay.
func (m *model) follow() {
	permanent, trimmable := m.walkers[0], m.walkers[1]
	err := m.bus.Follow(followers.Follower{
		Name: permanent.name, Log: permanent.log,
		Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, e modelDeposit) error {
				if err := reacted(t); err != nil {
					return err
				}
				if tallied(e.Tag) {
					if err := t.Append(modelTally(e)); err != nil {
						return err
					}
				}
				if e.Tag%5 == 0 && t.Attempt() == 1 {
					return fmt.Errorf("deposit %d fails once", e.Tag)
				}
				return nil
			}),
			followers.On(func(t *followers.Turn, e modelRemark) error {
				if err := reacted(t); err != nil {
					return err
				}
				if e.Tag%7 == 0 && t.Attempt() == 1 {
					panic("a remark panics once")
				}
				return nil
			}),
		},
	})
	m.must(err, "follow")
	err = m.bus.Follow(followers.Follower{
		Name: trimmable.name, Log: trimmable.log, Trimmed: followers.Jump,
		Every: func(t *followers.Turn) error {
			if err := reacted(t); err != nil {
				return err
			}
			if t.Entry().TrimmableID%9 == 0 && t.Attempt() == 1 {
				return fmt.Errorf("entry %v fails once", t.Entry().TrimmableID)
			}
			return nil
		},
	})
	m.must(err, "follow")
}

func tallied(tag int) bool { return tag%3 == 0 }

// reacted adds one to what the follower has of the entry, and to its total.
func reacted(t *followers.Turn) error {
	e := t.Entry()
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
	return nil
}

func entryName(id uint64) string { return fmt.Sprintf("entry %d", id) }

func countOf(value []byte) (n int) {
	_, _ = fmt.Sscan(string(value), &n)
	return n
}

func (m *model) status(f *modelFollower) retinue.FollowerStatus {
	for _, s := range m.bus.Status().Followers {
		if s.Name == f.name {
			return s
		}
	}
	m.fail("follower %q is not in Status", f.name)
	return retinue.FollowerStatus{}
}

func modelPosition(log messages.Log, id uint64) messages.Position {
	if log == messages.Permanent {
		return messages.EventID(id)
	}
	return messages.TrimmableID(id)
}

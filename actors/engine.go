package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Config of an engine. The root package has checked and defaulted it.
type Config struct {
	// Name of the root actor is "retinue-" + Name.
	Name   string
	System *actor.ActorSystem
	Store  *persistence.Store
	Logger *slog.Logger
	// Now reads the wall clock.
	Now func() time.Time

	// What follows is as in the options of the root package, with no zero that
	// means a default: sizes in bytes, counts of events, windows in ordering
	// time.
	Durability       Durability
	MaxEventSize     int
	MaxAppendSize    int
	MaxPendingBytes  int
	MaxPendingEvents int
	KeyWindow        time.Duration
	UpdateTimeout    time.Duration
	Trim             Trim
	OnFailure        func(error)
	StallAfter       time.Duration // not above 0: no watchdog
	OnStall          func(FollowerStatus)
	Tracer           Tracer // nil: none
}

// Durability says when what was appended is on disk. The zero value is: when
// Append returns.
type Durability struct {
	// Interval delays the sync by up to this long.
	Interval time.Duration
	// None never syncs before Close.
	None bool
}

// Engine is one running bus: the tree of actors and what they share. All its
// methods are safe for concurrent use.
//
// The writer goroutine alone owns the present heads, cursors and the open
// batch; it publishes durable to everyone after the sync. Followers' hosts
// own their runs. The maps below are guarded by mu.
type Engine struct {
	Config
	root   *actor.RootContext
	tree   *actor.PID
	writer *actor.PID
	groups *actor.PID // parent of the followers' supervisors
	// down is closed when the tree is told to stop: what was not answered by
	// then is not any more. ended is closed when the root actor has stopped.
	down, ended chan struct{}

	mail *mailbox // the writer's
	// jobs are those of Append, which nobody keeps once they are answered.
	jobs    sync.Pool
	durable atomic.Pointer[Marks]
	// closeErr is what the last sync said; one Close runs at a time.
	closeErr error

	mu       sync.Mutex
	trackers map[string]*tracker
	// followed are the trackers with a supervisor; replaced, never changed.
	followed atomic.Pointer[[]*tracker]
	// advanced is closed and replaced when the durable heads move.
	advanced chan struct{}

	staged    stagedTickets
	left      int // Stage calls that a crash left and a reader leaves
	broadcast broadcaster
	callers   callers
	timers    timers
	measured  measures
	panicked  limiter // log records
}

// Marks are the bounds of both logs, durable together.
type Marks struct {
	persistence.Heads
	// Horizon is the lowest id that the trimmable log still has, from 1.
	Horizon messages.TrimmableID
}

// Head returns the next id of a log.
func (m *Marks) Head(log messages.Log) uint64 {
	if log == messages.Permanent {
		return uint64(m.Event)
	}
	return uint64(m.Trimmable)
}

// Low returns the lowest id that a log still has.
func (m *Marks) Low(log messages.Log) uint64 {
	if log == messages.Permanent {
		return 1
	}
	return uint64(m.Horizon)
}

// Start runs the actors of a bus, and orders what a crash left staged; over a
// store that was opened to read it does neither. Errors:
// [messages.FailedError]; [actor.ErrNameExists] where the actor system has a
// bus of that name.
func Start(c Config) (*Engine, error) {
	opened := c.Store.Opened()
	e := &Engine{
		Config:   c,
		root:     actor.NewRootContext(c.System, nil), // without the middleware of the user's
		down:     make(chan struct{}),
		ended:    make(chan struct{}),
		mail:     newMailbox(c.Store.Fence(), weight{c.MaxPendingEvents, c.MaxPendingBytes}),
		trackers: make(map[string]*tracker),
		advanced: make(chan struct{}),
		jobs:     sync.Pool{New: newAppendJob},
	}
	e.durable.Store(&Marks{Heads: opened.Heads, Horizon: opened.Horizon})
	e.followed.Store(&[]*tracker{})
	for _, cursor := range opened.Cursors {
		t := newTracker(e, cursor, opened.Controls[cursor.Number])
		if !opened.Clean {
			t.careful = commitTurns + pageEntries
		}
		e.trackers[cursor.Name] = t
	}
	if c.Store.ReadOnly() {
		return e, e.still()
	}
	name := "retinue-" + url.PathEscape(c.Name) // a slash would name another bus's child
	tree, err := e.root.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return &rootActor{engine: e} },
		actor.WithSupervisor(lastResort{e})), name)
	if err != nil {
		return nil, fmt.Errorf("retinue: actor %q: %w", name, err)
	}
	e.tree = tree
	children := make(chan children, 1)
	e.root.Send(tree, &spawnChildren{reply: children})
	spawned := <-children
	e.writer, e.groups = spawned.writer, spawned.followers
	if err := e.orderStaged(); err != nil {
		return nil, errors.Join(err, e.Close(context.Background()))
	}
	e.watch()
	e.Logger.Info("bus opened", slog.String("store", c.Store.ID().String()), slog.Bool("clean", opened.Clean),
		slog.Uint64("head", uint64(opened.Heads.Event)), slog.Uint64("trimmable_head", uint64(opened.Heads.Trimmable)))
	return e, nil
}

// Durable returns the bounds that a reader may see.
func (e *Engine) Durable() *Marks { return e.durable.Load() }

// Advanced returns a channel that is closed when the durable heads move
// beyond what a later call of Durable returns.
func (e *Engine) Advanced() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.advanced
}

// publish makes marks visible to every reader and wakes the followers.
func (e *Engine) publish(m Marks) {
	old := e.durable.Swap(&m)
	if old.Event == m.Event && old.Trimmable == m.Trimmable {
		return
	}
	e.mu.Lock()
	close(e.advanced)
	e.advanced = make(chan struct{})
	e.mu.Unlock()
	for _, t := range *e.followed.Load() {
		t.wake()
	}
}

// post gives a job of the bus's own actors to the writer, also while the bus
// closes. A job that was posted without an error is answered. Errors:
// [messages.FailedError].
func (e *Engine) post(j job) error {
	if cause := e.Store.Fence().Cause(); cause != nil {
		return &messages.FailedError{Cause: cause}
	}
	e.mail.post(j)
	return nil
}

// Failed is closed when the bus has failed as a whole.
func (e *Engine) Failed() <-chan struct{} { return e.Store.Fence().Tripped() }

// open returns [messages.ErrClosed] once Close was called.
func (e *Engine) open() error {
	if e.mail.closed.Load() {
		return messages.ErrClosed
	}
	return nil
}

// Close refuses new work, lets turns in flight finish or roll back, has the
// writer answer what it accepted, and stops the tree. The store is left open,
// synced. One call runs at a time. Errors: [messages.StuckError] and ctx's
// error where a reaction or an Update does not return: then nothing below it
// was stopped, and Close may be called again; [messages.FailedError].
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock() // no follower starts behind quietFollowers
	e.mail.close()
	e.mu.Unlock()
	select {
	case <-e.down:
	default:
		if err := e.quietFollowers(ctx); err != nil {
			return err
		}
		if err := e.lastSync(ctx); err != nil {
			return err
		}
		e.timers.stop()
		e.broadcast.close()
		e.staged.close()
		for _, t := range e.known() {
			t.failWaiters(messages.ErrClosed)
		}
		close(e.down)
		e.root.Stop(e.tree)
	}
	select {
	case <-e.ended:
		return e.closeErr
	case <-ctx.Done():
		return errors.Join(&messages.StuckError{Names: e.alive()}, ctx.Err())
	}
}

// alive names the followers whose actors have not stopped, or the tree where
// all have.
func (e *Engine) alive() (names []string) {
	for _, t := range *e.followed.Load() {
		names = append(names, t.name)
	}
	if names == nil {
		names = []string{"retinue-" + e.Name}
	}
	return names
}

// lastSync has the writer answer everything that it accepted. Only an Update
// whose closure does not return holds it up; that a failed store does not
// sync is kept for the end.
func (e *Engine) lastSync(ctx context.Context) error {
	synced := make(chan error, 1)
	go func() { synced <- e.Sync() }()
	select {
	case e.closeErr = <-synced:
		return nil
	case <-ctx.Done():
		return errors.Join(&messages.StuckError{Names: []string{"an Update"}}, ctx.Err())
	}
}

// quietFollowers ends all runs for good.
func (e *Engine) quietFollowers(ctx context.Context) error {
	var stuck []string
	followed := *e.followed.Load()
	for _, t := range followed {
		t.ended.Store(true)
		t.interrupt()
	}
	for _, t := range followed {
		err := t.hold(ctx)
		switch {
		case err == nil:
			t.letGo()
		case !errors.Is(err, messages.ErrFailed): // a failed bus ends its runs by itself
			stuck = append(stuck, t.name)
		}
	}
	if stuck == nil {
		return nil
	}
	return errors.Join(&messages.StuckError{Names: stuck}, ctx.Err())
}

// Sync makes everything that was committed durable, also while closing.
func (e *Engine) Sync() error {
	return e.control(true, func(*writer) error { return nil })
}

// tracker returns what is known of a follower. Errors:
// [messages.ErrUnknownFollower].
func (e *Engine) tracker(name string) (*tracker, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := e.trackers[name]; t != nil {
		return t, nil
	}
	return nil, &messages.FollowerError{Follower: name, Cause: messages.ErrUnknownFollower}
}

// known returns all trackers, by name.
func (e *Engine) known() []*tracker {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.SortedFunc(maps.Values(e.trackers), func(a, b *tracker) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
}

// timers are the pokes that the writer gives itself.
type timers struct {
	mu      sync.Mutex
	stopped bool
	armed   map[string]*time.Timer
}

// arm runs f once after d, unless a timer of that name is armed already.
func (t *timers) arm(name string, d time.Duration, f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || t.armed[name] != nil {
		return
	}
	if t.armed == nil {
		t.armed = make(map[string]*time.Timer)
	}
	t.armed[name] = time.AfterFunc(d, func() {
		t.mu.Lock()
		delete(t.armed, name)
		stopped := t.stopped
		t.mu.Unlock()
		if !stopped {
			f()
		}
	})
}

func (t *timers) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	for _, timer := range t.armed {
		timer.Stop()
	}
}

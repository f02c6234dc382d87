package actors

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// tracker is what the bus knows of one follower, followed in this process or
// not. It outlives incarnations.
//
// Ownership: cursor, control and incarnation are changed by the writer only,
// and the cursor only for who holds slot: a run of the host, or a command. So
// turns never run twice at once, and the holder may read the cursor. The rest
// is atomic or guarded by mu.
//
// Invariant: durable <= applied = cursor.Next after the writer's round.
type tracker struct {
	engine *Engine
	number uint32
	name   string
	log    messages.Log

	cursor      persistence.Cursor
	control     persistence.Control
	incarnation uint64
	forgotten   bool // its records are gone

	applied, durable atomic.Uint64
	// position runs ahead of applied over entries that a filter leaves out.
	position atomic.Uint64

	slot chan struct{}
	// wanted counts commands that wait for slot: a run ends at its next turn.
	wanted atomic.Int32
	// blocked is true while paused or parked: no run starts.
	blocked atomic.Bool
	// ended is true when the bus closes or the follower is unfollowed.
	ended atomic.Bool
	// flush asks the next run to store a cursor that a filter moved.
	flush atomic.Bool
	// careful is how many entries may have been in flight when the process
	// died; set before the first incarnation.
	careful int
	// woken is true while a wake-up is on its way to the host.
	woken atomic.Bool

	mu         sync.Mutex
	supervisor *actor.PID // nil where it is not followed
	host       *actor.PID
	present    *run          // incarnation that host runs
	turnover   chan struct{} // closed and replaced when present is, or will not be
	cancelRun  context.CancelFunc
	waiters    map[*waiter]struct{}
	report     report

	measured followerMeasures
	logged   limiter
}

// report is what Status shows of a follower. Guarded by tracker.mu.
type report struct {
	control persistence.Control
	cursor  persistence.Cursor
	running bool
	// interrupted is true from the end of a run's context to its own end.
	interrupted bool
	// overdue counts turns that have not returned since their time was up.
	overdue  int
	since    time.Time // of the turn or run under way
	caughtUp bool
	// watched is when the watchdog first saw the follower at seenAt; stalled
	// is true while it stays there for too long.
	watched  time.Time
	seenAt   uint64
	stalled  bool
	failures int // in a row since the cursor last moved
	restarts int
	retryAt  time.Time
	lastErr  error
	lastAt   uint64
	lastType messages.Type
	lastTime time.Time
}

// waiter waits for the reactions to the entries from first to last, or, where
// first is behind last, only for the cursor to pass last.
type waiter struct {
	first, last uint64
	done        chan error // buffered
}

func newTracker(e *Engine, c persistence.Cursor, control persistence.Control) *tracker {
	t := &tracker{
		engine: e, number: c.Number, name: c.Name, log: c.Log,
		cursor: c, control: control,
		slot:     make(chan struct{}, 1),
		waiters:  make(map[*waiter]struct{}),
		turnover: make(chan struct{}),
	}
	t.applied.Store(c.Next)
	t.durable.Store(c.Next)
	t.position.Store(c.Next)
	t.blocked.Store(control.Paused || control.Parked)
	t.report.control, t.report.cursor = control, c
	return t
}

// wake tells the host that there is something to read. At most one wake-up is
// outstanding; losing one loses nothing.
func (t *tracker) wake() {
	if t.woken.Swap(true) {
		return
	}
	t.mu.Lock()
	host := t.host
	t.mu.Unlock()
	if host == nil {
		t.woken.Store(false)
		return
	}
	t.engine.root.Send(host, wakeUp{})
}

// hold takes the follower's slot for a command: runs end at their next turn,
// and the context of the turn under way is cancelled. Errors:
// [messages.StuckError] and ctx's error where a reaction does not return.
func (t *tracker) hold(ctx context.Context) error {
	held := false
	t.wanted.Add(1)
	defer func() {
		t.wanted.Add(-1)
		if !held {
			t.wake() // the run that was interrupted goes on
		}
	}()
	t.interrupt()
	select { // also where ctx has ended: it does not run
	case t.slot <- struct{}{}:
		held = true
		return nil
	default:
	}
	select {
	case t.slot <- struct{}{}:
		held = true
		return nil
	case <-t.engine.Failed():
		return &messages.FailedError{Cause: t.engine.Store.Fence().Cause()}
	case <-ctx.Done():
		return errors.Join(&messages.StuckError{Names: []string{t.name}}, ctx.Err())
	}
}

// holdRun takes the slot for a command that runs turns. Between two
// incarnations it waits for the next one. Errors: those of hold, and
// [messages.FollowerError] where there will be none.
func (t *tracker) holdRun(ctx context.Context) (*run, error) {
	for {
		t.mu.Lock()
		turnover := t.turnover
		t.mu.Unlock()
		if err := t.idle(); err != nil && !errors.Is(err, messages.ErrPaused) {
			return nil, err
		}
		if err := t.hold(ctx); err != nil {
			return nil, err
		}
		t.mu.Lock()
		r := t.present
		t.mu.Unlock()
		if r != nil && !r.over && r.ctx.Err() == nil && r.lostActor() == nil {
			return r, nil
		}
		t.letGo()
		select {
		case <-turnover:
		case <-t.engine.ended:
			return nil, messages.ErrClosed
		case <-t.engine.Failed():
			return nil, &messages.FailedError{Cause: t.engine.Store.Fence().Cause()}
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), t.lastError())
		}
	}
}

// busy notes that turns run until cancel ends them; nil: they have ended.
func (t *tracker) busy(cancel context.CancelFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancelRun = cancel
	t.report.running, t.report.interrupted = cancel != nil, false
	t.report.since = time.Now()
}

// turnOver wakes who waits in holdRun.
func (t *tracker) turnOver() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.turnover)
	t.turnover = make(chan struct{})
}

// letGo gives the slot back and lets the host go on.
func (t *tracker) letGo() {
	<-t.slot
	t.wake()
}

func (t *tracker) interrupt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancelRun != nil {
		t.report.interrupted = true
		t.cancelRun()
	}
}

// settle publishes the durable cursor and answers who waited for it.
func (t *tracker) settle(cursor uint64) {
	t.durable.Store(cursor)
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.waiters {
		if w.last < cursor {
			delete(t.waiters, w)
			w.done <- nil
		}
	}
}

// failWaiters answers everyone who waits for this follower.
func (t *tracker) failWaiters(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.waiters {
		delete(t.waiters, w)
		w.done <- err
	}
}

// jumped takes out who waits for a reaction to an entry in [from, to), which
// the cursor is about to pass without one.
func (t *tracker) jumped(from, to uint64) []*waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	var waiters []*waiter
	for w := range t.waiters {
		if w.first <= w.last && w.first < to && w.last >= from {
			delete(t.waiters, w)
			waiters = append(waiters, w)
		}
	}
	return waiters
}

// awaited reports whether somebody waits for an entry below cursor, so that
// the commit that passes it is synced and not put off.
func (t *tracker) awaited(cursor uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.waiters {
		if w.last < cursor {
			return true
		}
	}
	return false
}

// note lets f change what Status shows.
func (t *tracker) note(f func(*report)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.report)
}

func (t *tracker) snapshot() report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.report
}

// fault wraps err as this follower's.
func (t *tracker) fault(err error) error {
	return &messages.FollowerError{Follower: t.name, Cause: err}
}

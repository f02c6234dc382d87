package actors

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

const (
	// pageEntries is how much a follower reads at once, tailEntries how much of
	// what is in memory, so that its page stays in the processor's cache, and
	// batchEntries how much a batch handler is given.
	pageEntries  = 1024
	tailEntries  = 64
	batchEntries = 256
	pageBytes    = 1 << 20
	// pageScan bounds the entries that a filter may leave out of one page, so
	// that its iterator is short-lived.
	pageScan = 64 << 10
	// commitTurns, commitBytes and commitEvery bound what turns leave
	// uncommitted while more is to be read.
	commitTurns = 1024
	commitBytes = 1 << 20
	commitEvery = 20 * time.Millisecond
	// lazyEntries and lazyFor bound how far a filtered follower's stored
	// cursor lags behind what it has passed over.
	lazyEntries = 10_000
	lazyFor     = time.Second
)

// outcome of a run: err is nil where it caught up, or was asked to end.
type outcome struct {
	err      error
	decision followers.Decision
}

// run is what one incarnation does on goroutines of its own, one at a time:
// read a page, run the turns, commit them with the cursor, and again until
// the durable head. It is owned by the holder of tracker.slot.
//
// Invariants while the slot is held:
//   - cursor.Next <= position <= durable head;
//   - entries in [cursor.Next, position) were left out by the filter;
//   - state and events hold what the turns since the last commit left.
type run struct {
	tracker     *tracker
	plan        *followers.Plan
	incarnation uint64
	self, child *actor.PID // host, and the user's actor of a raw behaviour

	// ctx ends with the incarnation; every run's context is its child.
	ctx    context.Context
	cancel context.CancelFunc

	cursor    persistence.Cursor
	committed uint64 // tracker.cursor.Next
	// position is 0 before the first run.
	position  uint64
	hint      messages.EventID
	state     *persistence.State
	turn      *followers.Turn
	store     *turnStore
	page      persistence.Page
	given     []messages.Entry // what a batch handler may sort, of the page
	selection *persistence.Selection
	events    []messages.Prepared
	beside    *persistence.UserBatch // what turns wrote into the program's own keys
	park      []*persistence.Parked
	proposed  *commitJob // nil but between propose and confirm
	untold    int        // turns since the last commit
	// due is set when the turns since the last commit have taken long enough.
	due   atomic.Bool
	timer *time.Timer
	// behind is true until the durable head is reached, and again once a page
	// does not reach it.
	behind bool
	// careful counts the entries still to be tried one by one, each marked on
	// disk first, because the process may have died in one of them.
	careful int
	// marked is true while the stored cursor says that an entry is tried.
	marked bool
	// over is true once a run has failed: another incarnation follows.
	over bool
	// relieved is true where a failed replay took the user's actor away.
	relieved bool
	// earlier counts the attempts of the parked entry that is replayed.
	earlier int
	// mark, eventsMark and stateMark are where the turn under way began.
	mark, eventsMark, stateMark int
	eventBytes, parkBytes       int // of events, and of park
	timing                      timing
	blockedBy                   map[string]bool // sequence keys with parked entries

	// token is that of the delivery under way, and answered says whether its
	// answer has come; guarded by mu.
	token    uint64
	answered bool
	answers  chan *followers.Done
	// ready is closed once the user's actor has handled Started: what fails
	// before is not to blame on an entry.
	ready     chan struct{}
	startOnce sync.Once
	mu        sync.Mutex
	lost      error         // why the user's actor is gone
	gone      chan struct{} // closed by lose
}

func newRun(t *tracker, plan *followers.Plan, incarnation uint64) *run {
	r := &run{
		tracker: t, plan: plan, incarnation: incarnation, behind: true, careful: t.careful,
		state:     t.engine.Store.FollowerState(t.number),
		selection: t.engine.Store.Select(plan.Wants()),
		token:     incarnation << 32, // an answer to an earlier incarnation is to no delivery of this one
		answers:   make(chan *followers.Done, 1),
		ready:     make(chan struct{}),
		gone:      make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.store = &turnStore{run: r}
	r.turn = followers.NewTurn(r.ctx, messages.Entry{}, r.store)
	_, _ = r.turn.End()
	r.turn.LimitEvents(t.engine.MaxEventSize)
	return r
}

// run holds the follower's slot, catches up, and tells the host how it ended.
// A runtime.Goexit in the user's code ends the goroutine, not the follower.
func (r *run) run(done func(outcome)) {
	t := r.tracker
	select {
	case t.slot <- struct{}{}:
	case <-r.ctx.Done():
		return // and so is the host
	}
	// The host hears of the end while the slot is still held: who waits for
	// the slot may stop the host next.
	if !r.mayRun() {
		if r.ctx.Err() == nil && !t.ended.Load() {
			done(outcome{})
		}
		<-t.slot
		return
	}
	ctx, leave := r.enter()
	o := outcome{err: errGoexit}
	defer func() {
		if p := recover(); p != nil { // not the user's: those are caught in their turn
			t.engine.Store.Fence().Trip(&messages.PanicError{Value: p, Stack: debug.Stack()})
			o = outcome{}
		}
		if o.err == errGoexit {
			o = r.exited()
		}
		r.over = o.err != nil
		t.careful = r.careful
		leave(r.over)
		done(o)
		<-t.slot
	}()
	o = r.catchUp(ctx)
}

// enter makes the run visible to commands, which cancel its context. One that
// has failed is no rest: its follower counts as running until another run ends.
func (r *run) enter() (ctx context.Context, leave func(failed bool)) {
	t := r.tracker
	ctx, cancel := context.WithCancel(r.ctx)
	unmark := t.engine.callers.enterReaction()
	t.mu.Lock()
	t.cancelRun = cancel
	t.report.running, t.report.since = true, time.Now()
	t.mu.Unlock()
	if t.wanted.Load() > 0 { // a command that came before it could see cancelRun
		cancel()
	}
	r.timer = time.AfterFunc(commitEvery, func() { r.due.Store(true) })
	return ctx, func(failed bool) {
		r.timer.Stop()
		unmark()
		cancel()
		t.mu.Lock()
		t.cancelRun = nil
		t.report.running, t.report.interrupted = failed, false
		t.mu.Unlock()
	}
}

// mayRun is asked with the slot held: a command that holds it first sets
// what it says.
func (r *run) mayRun() bool {
	t := r.tracker
	if t.ended.Load() || r.ctx.Err() != nil {
		return false
	}
	return r.lostActor() != nil || !t.blocked.Load() && t.wanted.Load() == 0 // without its actor it can only end
}

// drain waits until nothing of the incarnation runs; false: the bus failed.
func (r *run) drain() bool {
	select {
	case r.tracker.slot <- struct{}{}:
		<-r.tracker.slot
		return true
	case <-r.tracker.engine.Failed():
		return false
	}
}

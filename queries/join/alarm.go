package join

import (
	"context"
	"sync"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

const (
	// resolution is how often the clock is looked at, at most.
	resolution = time.Second
	// longestWait is how long a timer runs: one that outlasts a suspended
	// machine, or a wall clock that is set, would be wrong for as long as that.
	longestWait = time.Minute
)

// alarm appends a tick when one is due, while the follower has caught up:
// before, time passes by the entries that it has still to read.
//
// Invariant: a timer runs only while something is due and no tick is on its
// way.
type alarm struct {
	bus *retinue.Bus

	mu  sync.Mutex
	ctx context.Context // of the incarnation that has caught up
	log messages.Log
	// due is when a tick decides something, by ordering time; zero is never.
	due time.Time
	// asked is true from a tick's append to its turn.
	asked  bool
	timer  *time.Timer
	rings  time.Time // when timer does, if not nil
	looked time.Time
}

// begin goes by the clock, from a cursor on and until ctx ends.
func (a *alarm) begin(ctx context.Context, at messages.Position, m *Matcher) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx != a.ctx {
		a.ctx = ctx
		context.AfterFunc(ctx, func() { a.end(ctx) })
	}
	a.log = messages.TrimmableLog
	if _, permanent := at.(messages.EventID); permanent {
		a.log = messages.Permanent
	}
	a.asked = false // a seek may have passed it
	a.arm(m)
}

// set goes by the clock after a turn.
func (a *alarm) set(m *Matcher, ticked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = a.asked && !ticked
	a.arm(m)
}

// stop lets the clock be.
func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.due = time.Time{}
	a.disarm()
}

// end is stop, but where another incarnation has begun.
func (a *alarm) end(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx == a.ctx {
		a.due = time.Time{}
		a.disarm()
	}
}

func (a *alarm) arm(m *Matcher) {
	a.due, _ = m.Due()
	a.wait(!m.behind())
}

// wait has the timer ring when something is due; where it may wait, not sooner
// than a resolution after the last look.
func (a *alarm) wait(mayWait bool) {
	if a.asked || a.due.IsZero() || a.ctx == nil || a.ctx.Err() != nil {
		a.disarm()
		return
	}
	now := time.Now()
	rings := now.Add(longestWait)
	if a.due.Before(rings) {
		rings = a.due
	}
	if soonest := a.looked.Add(resolution); mayWait && rings.Before(soonest) {
		rings = soonest
	}
	if a.timer != nil && !rings.Before(a.rings) {
		return
	}
	a.disarm()
	a.rings = rings
	a.timer = time.AfterFunc(rings.Sub(now), a.look)
}

func (a *alarm) disarm() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// look appends a tick where one is due. What keeps it from doing so ends the
// bus, or the incarnation: the next one looks again.
func (a *alarm) look() {
	offset := a.bus.Status().ClockOffset
	a.mu.Lock()
	a.disarm()
	a.looked = time.Now()
	if a.due.IsZero() || a.asked || a.looked.Add(offset).Before(a.due) {
		a.wait(true)
		a.mu.Unlock()
		return
	}
	a.asked = true
	ctx, tick := a.ctx, tickFor(a.log)
	a.mu.Unlock()
	_, _ = a.bus.Submit(ctx, retinue.Request{Events: []messages.Event{tick}})
}

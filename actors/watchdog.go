package actors

import (
	"log/slog"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// watch tells the program, and the log, of what nobody may be waiting for: the
// failure of the bus, once, and each stall of a follower.
func (e *Engine) watch() {
	go func() {
		select {
		case <-e.Failed():
		case <-e.ended:
		}
		cause := e.Store.Fence().Cause()
		if cause == nil {
			return
		}
		e.Logger.Error("bus failed", slog.Any("error", cause))
		if e.OnFailure != nil {
			e.tell("OnFailure", func() { e.OnFailure(&messages.FailedError{Cause: cause}) })
		}
	}()
	if e.StallAfter > 0 {
		e.timers.arm("watchdog", e.StallAfter/4, e.patrol)
	}
}

// patrol looks at every follower and comes back.
func (e *Engine) patrol() {
	defer e.timers.arm("watchdog", e.StallAfter/4, e.patrol) // also after a Goexit in OnStall
	now := time.Now()
	marks := e.Durable()
	for _, t := range *e.followed.Load() {
		if !t.stalledSince(now, marks.Head(t.log)) {
			continue
		}
		f, _ := t.status(marks, e.Now())
		e.Logger.Warn("follower stalled", slog.String("follower", f.Name), slog.Uint64("cursor", f.Cursor),
			slog.Uint64("lag", f.Lag), slog.String("state", string(f.State)))
		if e.OnStall != nil {
			e.tell("OnStall", func() { e.OnStall(f) })
		}
	}
}

// tell calls the program, whose panic is its own.
func (e *Engine) tell(name string, call func()) {
	defer func() {
		if p := recover(); p != nil {
			e.error(&e.panicked, "callback panicked", slog.String("callback", name), slog.Any("panic", p))
		}
	}()
	call()
}

// stalledSince notes whether the follower has entries to read, is not held
// back by a decision, and has not moved for the engine's StallAfter. It
// reports true once per stall.
func (t *tracker) stalledSince(now time.Time, head uint64) (first bool) {
	position := max(t.position.Load(), t.applied.Load())
	idle := position >= head || t.blocked.Load() || t.ended.Load()
	t.note(func(r *report) {
		if idle || r.watched.IsZero() || position != r.seenAt {
			r.watched, r.seenAt, r.stalled = now, position, false
			return
		}
		if now.Sub(r.watched) >= t.engine.StallAfter && !r.stalled {
			r.stalled, first = true, true
		}
	})
	return first
}

package actors

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/messages"
)

// Trim says what of the trimmable log is kept. An entry goes when it is
// neither among the newest MinEntries nor younger than MinAge, and no
// follower still needs it.
type Trim struct {
	// Every is the pause between two passes; the first comes one pause after
	// Open. 0 means an hour.
	Every time.Duration
	// Off leaves trimming to Bus.Trim.
	Off bool
	// MinEntries are always kept; 0 means 10,000, below 0 none.
	MinEntries int
	// MinAge is always kept; 0 means 14 days, below 0 nothing.
	MinAge time.Duration
	// MaxPerPass bounds one pass; 0 means 100,000.
	MaxPerPass int
	// Hold is how old an entry may become because a follower of the trimmable
	// log has not read it, in this process or not; 0 means 90 days.
	Hold time.Duration
}

// Trimmed is what one pass did.
type Trimmed struct {
	// Entries that went.
	Entries uint64 `json:"entries"`
	// Horizon after the pass.
	Horizon messages.TrimmableID `json:"horizon"`
	// Held is the follower that kept more from going, if one did.
	Held string `json:"held,omitempty"`
}

// trimmer makes a pass every Trim.Every, re-armed after the work, so that
// passes never pile up.
type trimmer struct {
	engine *Engine
	timer  *time.Timer
}

type trimNow struct{}

// Receive implements [actor.Actor].
func (t *trimmer) Receive(c actor.Context) {
	switch c.Message().(type) {
	case *actor.Started:
		t.arm(c)
	case trimNow:
		e := t.engine
		trimmed, err := e.trim()
		switch {
		case err == nil && trimmed.Entries > 0:
			e.Logger.Info("entries trimmed", slog.Uint64("entries", trimmed.Entries),
				slog.Uint64("horizon", uint64(trimmed.Horizon)), slog.String("held_by", trimmed.Held))
		case err != nil && e.open() == nil:
			e.Logger.Warn("trim failed", slog.Any("error", err))
		}
		t.arm(c)
	case *actor.Stopping:
		if t.timer != nil {
			t.timer.Stop()
		}
	case *actor.Stopped:
		t.engine.stoppedFromOutside("trimmer")
	}
}

func (t *trimmer) arm(c actor.Context) {
	if t.engine.Trim.Off {
		return
	}
	self, root := c.Self(), t.engine.root
	t.timer = time.AfterFunc(t.engine.Trim.Every, func() { root.Send(self, trimNow{}) })
}

// TrimNow makes one pass. Errors: [messages.ErrReentrant],
// [messages.ErrClosed], [messages.ErrReadOnly], [messages.FailedError].
func (e *Engine) TrimNow(ctx context.Context) (Trimmed, error) {
	if e.callers.current() {
		return Trimmed{}, fmt.Errorf("Trim from inside a reaction or an Update: %w", messages.ErrReentrant)
	}
	if err := e.admissible(ctx); err != nil {
		return Trimmed{}, err
	}
	return e.trim()
}

// PreviewTrim tells what a pass would do. Errors: [messages.ErrReentrant],
// [messages.ErrClosed].
func (e *Engine) PreviewTrim() (Trimmed, error) {
	if err := e.Readable("PreviewTrim"); err != nil {
		return Trimmed{}, err
	}
	marks := e.Durable()
	result := Trimmed{Horizon: marks.Horizon}
	target, hold, err := e.trimTargets(marks, e.Now().Add(marks.Offset))
	if err != nil {
		return result, err
	}
	held, low := e.slowest((*tracker).stored)
	if held != "" && max(low, hold) < target {
		target, result.Held = max(low, hold), held
	}
	if target > uint64(marks.Horizon) {
		result.Entries, result.Horizon = target-uint64(marks.Horizon), messages.TrimmableID(target)
	}
	return result, nil
}

// trim finds the new horizon outside the writer and moves it there. What it
// found can only grow meanwhile: ages rise, cursors and heads move up; a Seek
// back is checked again by the writer.
func (e *Engine) trim() (Trimmed, error) {
	marks := e.Durable()
	var now time.Time
	err := e.control(false, func(w *writer) error {
		now = orderedTime(w.clock.tick())
		return nil
	})
	if err != nil {
		return Trimmed{}, err
	}
	target, hold, err := e.trimTargets(marks, now)
	if err != nil {
		return Trimmed{}, err
	}
	var result Trimmed
	err = e.control(false, func(w *writer) error {
		result = Trimmed{Horizon: w.horizon}
		to := target
		if held, low := e.slowest((*tracker).next); held != "" && max(low, hold) < to {
			to, result.Held = max(low, hold), held
		}
		if to <= uint64(w.horizon) {
			return nil
		}
		w.collect()
		w.batch.Trim(w.horizon, messages.TrimmableID(to))
		result.Entries = to - uint64(w.horizon)
		w.horizon = messages.TrimmableID(to)
		result.Horizon = w.horizon
		w.needSync = true
		return nil
	})
	if err != nil { // the writer may be at it still
		return Trimmed{}, err
	}
	e.measured.trimmed.Add(result.Entries)
	return result, nil
}

// trimTargets returns the horizon that count, age and the bound of a pass
// allow, and the one up to which no follower is waited for.
func (e *Engine) trimTargets(marks *Marks, now time.Time) (target, hold uint64, err error) {
	head, low := uint64(marks.Trimmable), uint64(marks.Horizon)
	before := func(age time.Duration) (uint64, error) {
		return e.Store.SeekTime(messages.TrimmableLog, now.Add(-age), low, head, nil)
	}
	target = low
	if keep := uint64(max(e.Trim.MinEntries, 0)); head > keep {
		target = head - keep
	}
	target = min(target, low+uint64(e.Trim.MaxPerPass))
	if e.Trim.MinAge > 0 && target > low {
		old, err := before(e.Trim.MinAge)
		if err != nil {
			return 0, 0, err
		}
		target = min(target, old)
	}
	hold, err = before(e.Trim.Hold)
	return target, hold, err
}

// next is the cursor as the writer knows it.
func (t *tracker) next() uint64 { return t.cursor.Next }

// stored is the cursor as everyone may see it.
func (t *tracker) stored() uint64 { return t.applied.Load() }

// slowest returns the follower of the trimmable log with the lowest cursor.
func (e *Engine) slowest(cursorOf func(*tracker) uint64) (name string, cursor uint64) {
	for _, t := range e.known() {
		if t.log != messages.TrimmableLog {
			continue
		}
		if at := cursorOf(t); name == "" || at < cursor {
			name, cursor = t.name, at
		}
	}
	return name, cursor
}

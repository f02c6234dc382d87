package main

import (
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// weak reports whether answers come before the sync.
func (w *world) weak() bool { return w.durability != strict }

// strict durability is the default.
var strict retinue.Durability

// synced does what ends in a sync, unless do returns false: what was answered
// before is firm then.
func (w *world) synced(do func() bool) { w.firmly(func(*write) bool { return true }, do) }

// firmly is synced for some of the writes.
func (w *world) firmly(some func(*write) bool, do func() bool) {
	var answered []*write
	w.note(func() {
		for _, a := range w.writes {
			if a.receipt != nil && !a.firm && some(a) {
				answered = append(answered, a)
			}
		}
	})
	if !do() {
		return
	}
	w.note(func() {
		for _, a := range answered {
			a.firm = true
			if a.fate == open {
				a.fate = kept
			}
		}
	})
}

// durable waits until all events that were answered are durable: an interval
// delays the sync and does not omit it. Without durability there is nothing to
// wait for. The heads do not tell of a batch without events.
func (w *world) durable() {
	if w.durability.Interval == 0 {
		return
	}
	w.firmly(func(a *write) bool { return len(a.tags) > 0 }, func() bool {
		var events, all uint64
		w.note(func() {
			for _, a := range w.writes {
				if a.receipt != nil {
					events, all = max(events, uint64(a.receipt.NextEvent)), max(all, uint64(a.receipt.NextTrimmable))
				}
			}
		})
		for deadline := time.Now().Add(patience); ; time.Sleep(w.durability.Interval) {
			s := w.bus.Status()
			if w.must(s.Failed, "status"); s.Permanent.Head >= events && s.Trimmable.Head >= all {
				return true
			}
			if w.alive(); time.Now().After(deadline) {
				w.fail("heads %d and %d were answered, and %+v is durable", events, all, s)
			}
		}
	})
}

// recover accepts what a power cut leaves where durability is none: a log that
// is what it was up to a place; there Open has put what was staged.
func (w *world) recover(log messages.Log, found []sight) {
	l := &w.logs[log]
	l.shown = 0
	id := l.horizon
	for len(found) > 0 && l.seen[id].print == found[0].print {
		id, found = id+1, found[1:]
	}
	head := l.head()
	if id == head {
		return
	}
	for gone := id; gone < head; gone++ {
		delete(l.seen, gone)
	}
	for _, s := range found {
		if a := w.byTag[s.tag]; a == nil || !a.staged {
			w.fail("%v log: the power cut has left entry %s behind entry %d, which it took", log, s.print, id)
		}
	}
}

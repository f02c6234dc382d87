package main

import (
	"fmt"
	"hash/crc32"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// check compares a bus at rest with the model: one that was just opened and
// has no followers yet, or one that has come to rest.
func (w *world) check() {
	w.verify()
	w.settleTrim()
	w.observe()
	w.resolve()
	for _, a := range w.writes {
		w.checkWrite(a)
	}
	w.checkOrder()
	for _, f := range w.walkers {
		w.checkFollower(f)
	}
	w.alive()
}

// verify has the bus look at itself.
func (w *world) verify() {
	ctx, cancel := within()
	defer cancel()
	report, err := w.bus.Verify(ctx)
	w.must(err, "verify")
	w.must(report.Err(), "verify found %d problems", len(report.Problems))
}

// settleTrim finds out whether a trim that was not answered has happened.
func (w *world) settleTrim() {
	log := &w.logs[messages.TrimmableLog]
	horizon := w.bus.Status().Trimmable.Horizon
	switch {
	case w.trimming:
		w.checkHorizon(log.horizon, horizon, log.head())
		w.note(func() { log.horizon, w.trimming = horizon, false })
	case horizon != log.horizon:
		w.fail("horizon %d, want %d", horizon, log.horizon)
	}
}

// checkHorizon checks a pass against what it must keep.
func (w *world) checkHorizon(low, horizon, head uint64) {
	if horizon < low || horizon > max(low, min(low+maxPerPass, head-min(head, minEntries))) {
		w.fail("a pass moved the horizon from %d to %d at head %d", low, horizon, head)
	}
}

// observe reads both logs whole.
func (w *world) observe() {
	trimmable := w.observeLog(messages.TrimmableLog)
	permanent := w.observeLog(messages.Permanent)
	w.note(func() {
		for log, found := range [][]sight{permanent, trimmable} {
			l := &w.logs[log]
			for i, s := range found {
				l.seen[l.horizon+uint64(i)] = s
			}
		}
	})
	w.compareLogs()
}

// observeLog checks that ids are contiguous, times do not run backwards, and
// that what was there is there.
func (w *world) observeLog(log messages.Log) (found []sight) {
	l := &w.logs[log]
	next, last := l.horizon, time.Time{}
	ctx, cancel := within()
	defer cancel()
	// What a follower appends meanwhile is read only where its cause is.
	for e, err := range w.bus.Entries(ctx, retinue.Query{Log: log}) {
		w.must(err, "read the %v log", log)
		id, _, err := messages.Span(e, log)
		w.must(err, "entry")
		if id != next {
			w.fail("%v log: entry %d comes after %d", log, id, next-1)
		}
		if e.Ordered.Before(last) {
			w.fail("%v log: entry %d was ordered %v, the one before %v", log, id, e.Ordered, last)
		}
		now := w.see(e)
		if before, ok := l.seen[id]; ok && before.print != now.print {
			w.fail("%v log: entry %d was %s, now it is %s", log, id, before.print, now.print)
		}
		next, last = id+1, e.Ordered
		found = append(found, now)
	}
	if next < l.head() {
		w.fail("%v log ends at %d, once it was %d", log, next, l.head())
	}
	return found
}

func (w *world) see(e messages.Entry) sight {
	tag, err := tagOf(e)
	w.must(err, "read")
	return sight{
		kind: e.Type.Kind, tag: tag, id: uint64(e.ID), cause: uint64(e.Cause.ID), ordered: e.Ordered,
		print: fmt.Sprintf("%v %v %v %v tag %d %x %v %v", e.ID, e.TrimmableID, e.Type, e.Instance, tag, crc32.ChecksumIEEE(e.Payload), e.Ordered, e.Cause),
	}
}

// compareLogs checks that persistent entries are in both logs, in the same
// order, and that nothing is there that was never appended, or twice. The
// permanent log was read last and may have grown.
func (w *world) compareLogs() {
	permanent, trimmable := &w.logs[messages.Permanent], &w.logs[messages.TrimmableLog]
	next := uint64(1)
	w.at = make(map[uint64]uint64, len(trimmable.seen))
	for tid := uint64(1); tid < trimmable.head(); tid++ {
		seen := trimmable.seen[tid]
		if seen.id != 0 {
			if seen.id != next || permanent.seen[next].print != seen.print {
				w.fail("trimmable entry %d is %s, permanent entry %d is %s", tid, seen.print, next, permanent.seen[next].print)
			}
			next++
		}
		if seen.kind == "tally" {
			continue
		}
		if a := w.byTag[seen.tag]; w.at[seen.tag] != 0 || a == nil || a.fate == lost {
			w.fail("entry %s: there twice, never appended, or taken back", seen.print)
		}
		w.at[seen.tag] = tid
	}
}

// places finds the entries of a write.
func (w *world) places(a *write) (ids, tids []uint64) {
	for _, tag := range a.tags {
		tid, ok := w.at[tag]
		if !ok {
			continue
		}
		tids = append(tids, tid)
		if id := w.logs[messages.TrimmableLog].seen[tid].id; id != 0 {
			ids = append(ids, id)
		}
	}
	return ids, tids
}

// checkWrite checks that a write is there at the promised ids, whole and
// adjacent, or not at all; the key that was written with it likewise.
func (w *world) checkWrite(a *write) {
	ids, tids := w.places(a)
	there := a.fate == kept
	if there && len(tids) != len(a.tags) || !there && len(tids) != 0 {
		w.fail("write %v (fate %d): found at %v", a, a.fate, tids)
	}
	for _, found := range [][]uint64{ids, tids} {
		for i := range found {
			if found[i] != found[0]+uint64(i) {
				w.fail("write %v is not adjacent, or not in its order: %v", a, found)
			}
		}
	}
	if r := a.receipt; r != nil {
		w.checkSpan(a, ids, uint64(r.FirstEvent), uint64(r.LastEvent))
		w.checkSpan(a, tids, uint64(r.FirstTrimmable), uint64(r.LastTrimmable))
	}
	if a.mark == "" || len(a.tags) == 0 && a.fate == open {
		return
	}
	if marked := w.marked(a); marked != there {
		w.fail("write %v (fate %d): the key %q of its batch: %v", a, a.fate, a.mark, marked)
	}
}

func (w *world) checkSpan(a *write, found []uint64, first, last uint64) {
	ok := len(found) == 0 && first == 0 && last == 0
	if len(found) > 0 {
		ok = found[0] == first && found[len(found)-1] == last
	}
	if !ok {
		w.fail("write %v: its receipt says [%d, %d], it is at %v", a, first, last, found)
	}
}

// checkOrder checks that one producer's writes are in the order of its calls.
func (w *world) checkOrder() {
	last := uint64(0)
	for _, a := range w.writes {
		if _, tids := w.places(a); a.ordered && len(tids) > 0 {
			if tids[0] <= last {
				w.fail("write %v is at %v, behind one that came later, at %d", a, tids, last)
			}
			last = tids[0]
		}
	}
}

// application tells whether a key of the application is there.
func (w *world) application(key string) (there bool) {
	w.must(w.bus.View(func(v *retinue.View) error {
		value, err := v.Get([]byte(key))
		there = value != nil
		return err
	}), "view")
	return there
}

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
	w.checkChain()
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

// settleTrim finds out whether a trim that was not answered has happened, or
// one that was not durable was taken back.
func (w *world) settleTrim() {
	log := &w.logs[messages.TrimmableLog]
	horizon := w.bus.Status().Trimmable.Horizon
	switch {
	case w.cut && w.durability.None && horizon <= log.horizon:
	case w.trimming:
		w.checkHorizon(log.horizon, horizon, log.head())
	case horizon != log.horizon:
		w.fail("horizon %d, want %d", horizon, log.horizon)
	}
	w.note(func() { log.horizon, w.trimming = horizon, false })
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
			w.checkHearsay(messages.Log(log))
		}
		w.compareLogs()
	})
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
		next, last = id+1, e.Ordered
		found = append(found, w.see(e))
	}
	if w.cut && w.durability.None {
		w.recover(log, found)
	}
	for i, now := range found {
		id := l.horizon + uint64(i)
		if before, ok := l.seen[id]; ok && before.print != now.print {
			w.fail("%v log: entry %d was %s, now it is %s", log, id, before.print, now.print)
		}
	}
	if least := max(l.head(), l.shown); next < least {
		w.fail("%v log ends at %d, once it was %d", log, next, least)
	}
	return found
}

func (w *world) see(e messages.Entry) sight {
	tag, err := tagOf(e)
	w.must(err, "read")
	return sight{
		kind: e.Type.Kind, tag: tag, typ: e.Type, instance: e.Instance,
		id: uint64(e.ID), cause: uint64(e.Cause.ID), ordered: e.Ordered,
		print: fmt.Sprintf("%v %v %v %v tag %d %x %v %v", e.ID, e.TrimmableID, e.Type, e.Instance, tag, crc32.ChecksumIEEE(e.Payload), e.Ordered, e.Cause),
	}
}

// checkHearsay checks that what followers and subscribers were given is in the
// log; disk.mu is held.
func (w *world) checkHearsay(log messages.Log) {
	l := &w.logs[log]
	for id, told := range l.told {
		s, ok := l.seen[id]
		switch {
		case ok && (s.kind != told.kind || s.tag != told.tag):
			w.fail("%v log: entry %d is %s, somebody was given %v", log, id, s.print, told)
		case !ok && w.cut:
			w.fail("%v log: the power cut took entry %d, which somebody was given: %v", log, id, told)
		case ok:
			delete(l.told, id)
		}
	}
}

// compareLogs checks that persistent entries are in both logs, in the same
// order, and that nothing is there that was never appended, or twice. The
// permanent log was read last and may have grown. disk.mu is held, because
// producers may hear answers meanwhile.
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

// resolve finds out what the last life has left of writes in flight.
func (w *world) resolve() {
	cut := w.cut
	w.cut = false
	for _, a := range w.writes {
		if a.fate == open && len(a.tags) > 0 && (cut || !w.durability.None || a.receipt == nil) {
			a.fate = lost
			if _, tids := w.places(a); len(tids) > 0 {
				a.fate = kept
			} else if a.receipt != nil && !cut {
				w.fail("write %v was answered with %+v and is not there", a, *a.receipt)
			}
		}
	}
	w.checkGaps()
	for _, a := range w.writes {
		if cut && !a.firm && (a.staged || a.fate != kept) {
			a.receipt = nil
		}
		a.firm = a.firm || cut && a.receipt != nil
		a.settled = a.settled || a.fate != open
	}
}

// checkGaps checks that a power cut takes the last writes of a producer, and
// what was answered last, and nothing before that.
func (w *world) checkGaps() {
	gone := make(map[int]*write)
	end := messages.TrimmableID(0)
	for _, a := range w.writes {
		if a.settled || a.producer == 0 || len(a.tags) == 0 {
			continue
		}
		switch before := gone[a.producer]; {
		case a.fate == lost && before == nil:
			gone[a.producer] = a
		case a.fate == kept && before != nil:
			w.fail("write %v is there, %v before it is not", a, before)
		}
		if a.fate == kept && a.receipt != nil {
			end = max(end, a.receipt.LastTrimmable)
		}
	}
	for _, a := range w.writes {
		if !a.settled && a.fate == lost && a.receipt != nil && a.receipt.FirstTrimmable < end {
			w.fail("write %v was answered with %+v and is not there, entry %d is", a, *a.receipt, end)
		}
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
	there := a.there()
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

// checkOrder checks that each producer's writes are in the order of its calls.
func (w *world) checkOrder() {
	last := make(map[int]uint64)
	for _, a := range w.writes {
		if _, tids := w.places(a); a.producer != 0 && len(tids) > 0 {
			if tids[0] <= last[a.producer] {
				w.fail("write %v is at %v, behind one that came later, at %d", a, tids, last[a.producer])
			}
			last[a.producer] = tids[0]
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

package main

import (
	"errors"
	"fmt"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/actors"
	"github.com/retinue-go/retinue/messages"
)

// state is what a follower has of itself.
type state struct {
	retinue.FollowerStatus
	counts map[string]int
	aside  map[uint64]bool // entries that it skipped or parked
}

// checkFollower checks that a reaction is there if and only if the cursor has
// passed its entry, as often as it has.
func (w *world) checkFollower(f *walker) {
	s := state{FollowerStatus: w.status(f), counts: w.counts(f), aside: w.aside(f)}
	if s.Cursor > w.logs[f.log].head() || s.Cursor < f.floor {
		w.fail("follower %q is at %d, the head is %d, it was known to have reached %d", f.name, s.Cursor, w.logs[f.log].head(), f.floor)
	}
	w.checkPause(f, s)
	w.settleCure(f, s)
	w.settleSeek(f, s)
	if why := w.compareFollower(f, s); why != "" {
		w.fail("follower %q at %d, after %v: %s", f.name, s.Cursor, f.seeks, why)
	}
}

func (w *world) checkPause(f *walker, s state) {
	paused := s.State == actors.Paused
	if !f.pausing && paused != f.paused {
		w.fail("follower %q is %s, paused %v is what was asked for", f.name, s.State, f.paused)
	}
	w.note(func() { f.paused, f.pausing = paused, false })
}

// settleSeek finds out whether a Seek that was not answered has happened.
func (w *world) settleSeek(f *walker, s state) {
	if f.seeking == nil {
		return
	}
	move := *f.seeking
	f.seeking = nil
	if w.compareFollower(f, s) != "" {
		f.seeks = append(f.seeks, move)
	}
}

// settleCure finds out how far a replay came that was not answered: the first
// entries, one by one.
func (w *world) settleCure(f *walker, s state) {
	if f.curing == nil {
		return
	}
	c := *f.curing
	f.curing = nil
	for n, id := range c.ids {
		if s.counts[entryName(id)] == 0 {
			c.ids = c.ids[:n]
			break
		}
	}
	f.cures = append(f.cures, c)
}

func (w *world) compareFollower(f *walker, s state) (why string) {
	if f.keyed {
		return w.compareKeyed(f, s)
	}
	l := &w.logs[f.log]
	total := 0
	for id := uint64(1); id < l.head(); id++ {
		passes := f.passes(id, s.Cursor)
		total += passes
		if id < l.horizon { // it may have been missed
			continue
		}
		poisoned := w.poisoned(f, l.seen[id])
		want := passes
		if poisoned {
			want = 0
		}
		if n := s.counts[entryName(id)]; n != want || s.aside[id] != (poisoned && passes > 0) {
			return fmt.Sprintf("%d reactions to entry %d, put aside: %v, want %d and %v", n, id, s.aside[id], want, poisoned && passes > 0)
		}
	}
	if n := s.counts["total"]; n+int(s.Missed+s.Skipped+s.Parked) != total {
		return fmt.Sprintf("%d reactions, %d entries missed, %d skipped and %d parked, want %d", n, s.Missed, s.Skipped, s.Parked, total)
	}
	if f.name == "typed" {
		return w.compareTallies(f, s)
	}
	return ""
}

// passes is how often the follower has passed an entry.
func (f *walker) passes(id, cursor uint64) (n int) {
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

// compareTallies checks what the follower has appended.
func (w *world) compareTallies(f *walker, s state) string {
	tallies := make(map[uint64]int)
	for _, seen := range w.logs[messages.TrimmableLog].seen {
		if seen.kind == "tally" {
			tallies[seen.cause]++
		}
	}
	for id, seen := range w.logs[f.log].seen {
		want := 0
		if seen.kind == "deposit" && tallied(seen.tag) {
			want = f.passes(id, s.Cursor)
		}
		if tallies[id] != want {
			return fmt.Sprintf("%d tallies for entry %d, want %d", tallies[id], id, want)
		}
	}
	return ""
}

// compareKeyed walks the log as the follower did.
func (w *world) compareKeyed(f *walker, s state) string {
	parked := make(map[uint64]bool)
	blocked := make(map[string]int)
	cures := f.cures
	cure := func(at uint64) {
		for ; len(cures) > 0 && cures[0].at <= at; cures = cures[1:] {
			for _, id := range cures[0].ids {
				if parked[id] {
					blocked[sequence(w.logs[f.log].seen[id].tag)]--
				}
				delete(parked, id)
			}
		}
	}
	for id := uint64(1); id < s.Cursor; id++ {
		cure(id)
		seen := w.logs[f.log].seen[id]
		key := sequence(seen.tag)
		if w.poisoned(f, seen) || key != "" && blocked[key] > 0 {
			parked[id] = true
			blocked[key]++
		}
	}
	cure(s.Cursor)
	for id := uint64(1); id < w.logs[f.log].head(); id++ {
		want := 0
		if id < s.Cursor && !parked[id] {
			want = 1
		}
		if n := s.counts[entryName(id)]; n != want || s.aside[id] != parked[id] {
			return fmt.Sprintf("%d reactions to entry %d, parked: %v, want %d and %v; replayed: %v", n, id, s.aside[id], want, parked[id], f.cures)
		}
	}
	return ""
}

// counts are the follower's keys.
func (w *world) counts(f *walker) map[string]int {
	counts := make(map[string]int)
	err := w.bus.View(func(v *retinue.View) error {
		keys, err := v.Follower(f.name)
		if errors.Is(err, messages.ErrUnknownFollower) {
			return nil
		}
		if err != nil {
			return err
		}
		for kv, err := range keys.Scan(nil) {
			if err != nil {
				return err
			}
			counts[string(kv.Key)] = countOf(kv.Value)
		}
		return nil
	})
	w.must(err, "view")
	return counts
}

// aside are the entries that the follower has put aside.
func (w *world) aside(f *walker) map[uint64]bool {
	aside := make(map[uint64]bool)
	for p, err := range w.bus.Parked(f.name) {
		if errors.Is(err, messages.ErrUnknownFollower) {
			break
		}
		w.must(err, "parked entries of %q", f.name)
		aside[p.ID] = true
	}
	return aside
}

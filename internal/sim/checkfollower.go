package main

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/actors"
	"github.com/retinue-go/retinue/messages"
)

// state is what a follower has of itself.
type state struct {
	retinue.FollowerStatus
	counts map[string]int
	aside  map[uint64]bool // entries that it skipped or parked
	end    uint64          // of the trimmable log beside it
}

// checkFollower checks that a reaction is there if and only if the cursor has
// passed its entry, as often as it has.
func (w *world) checkFollower(f *walker) {
	if _, known := w.look(f); !known {
		if f.known {
			w.fail("follower %q is not in Status", f.name)
		}
		return // it is new in this life
	}
	f.known = true
	s := w.stateOf(f)
	if s.Cursor > w.logs[f.log].head() || s.Cursor < f.floor {
		w.fail("follower %q is at %d, the head is %d, it was known to have reached %d", f.name, s.Cursor, w.logs[f.log].head(), f.floor)
	}
	w.checkPause(f, s)
	w.settleRemoval(f, s)
	w.settleSeek(f, s)
	if why := w.compareFollower(f, s); why != "" {
		w.fail("follower %q at %d, started at %d, after %v and %+v: %s", f.name, s.Cursor, f.start, f.seeks, f.removals, why)
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

// settleRemoval finds out how far a replay came that failed or was not
// answered: the first entries, one by one; or a drop: all or none.
func (w *world) settleRemoval(f *walker, s state) {
	if f.removing == nil {
		return
	}
	r := *f.removing
	f.removing = nil
	all := r
	r.ids, r.passes = nil, nil
	for n, id := range all.ids { // a failure holds up its own sequence only
		replayed, _ := f.removed(id)
		if all.dropped && s.aside[id] || !all.dropped && s.counts[entryName(id)] == replayed {
			continue
		}
		r.ids, r.passes = append(r.ids, id), append(r.passes, all.passes[n])
	}
	f.removals = append(f.removals, r)
}

// removed is how often a parked entry was replayed, and how often the follower
// had passed it when it was replayed or dropped for the last time.
func (f *walker) removed(id uint64) (replayed, passes int) {
	for _, r := range f.removals {
		for i := range r.ids {
			if r.ids[i] == id {
				passes = r.passes[i]
				if !r.dropped {
					replayed++
				}
			}
		}
	}
	return replayed, passes
}

func (w *world) compareFollower(f *walker, s state) (why string) {
	if why = w.compareBeside(f, s); why != "" {
		return why
	}
	back := 0
	for _, seek := range f.seeks {
		if seek.to < seek.from {
			back++
		}
	}
	if s.counts["back"] > back {
		return fmt.Sprintf("%d turns came out of order, %d were led back", s.counts["back"], back)
	}
	if f.keyed {
		return w.compareKeyed(f, s)
	}
	l := &w.logs[f.log]
	total := 0
	for id := uint64(1); id < l.head(); id++ {
		passes := f.passes(id, s.Cursor)
		if !f.wants(l.seen[id].kind) {
			passes = 0
		}
		replayed, cleared := f.removed(id)
		total += passes + replayed
		if id < l.horizon { // it may have been missed
			continue
		}
		want, aside := passes, false
		if w.poisoned(f, l.seen[id]) {
			want, aside = replayed, passes > cleared
		}
		if n := s.counts[entryName(id)]; n != want || s.aside[id] != aside {
			return fmt.Sprintf("%d reactions to entry %d, put aside: %v, want %d and %v", n, id, s.aside[id], want, aside)
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
	move := func(from, to uint64) {
		if id < from {
			n++
		}
		if id < to {
			n--
		}
	}
	move(cursor, f.start)
	for _, s := range f.seeks {
		move(s.from, s.to)
	}
	return n
}

// compareTallies checks what the follower has appended.
func (w *world) compareTallies(f *walker, s state) string {
	tallies := make(map[uint64]int)
	for id, seen := range w.logs[messages.TrimmableLog].seen {
		if seen.kind == "tally" && id < s.end {
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
	parked, dropped := make(map[uint64]bool), make(map[uint64]bool)
	blocked := make(map[string]int)
	removals := f.removals
	remove := func(at uint64) {
		for ; len(removals) > 0 && removals[0].at <= at; removals = removals[1:] {
			for _, id := range removals[0].ids {
				if parked[id] {
					blocked[sequence(w.logs[f.log].seen[id].tag)]--
				}
				delete(parked, id)
				dropped[id] = removals[0].dropped
			}
		}
	}
	for id := f.start; id < s.Cursor; id++ {
		remove(id)
		seen := w.logs[f.log].seen[id]
		if !f.wants(seen.kind) {
			continue
		}
		key := sequence(seen.tag)
		if w.poisoned(f, seen) || key != "" && blocked[key] > 0 {
			parked[id] = true
			blocked[key]++
		}
	}
	remove(s.Cursor)
	for id := uint64(1); id < w.logs[f.log].head(); id++ {
		want := 0
		if f.wants(w.logs[f.log].seen[id].kind) && f.start <= id && id < s.Cursor && !parked[id] && !dropped[id] {
			want = 1
		}
		if n := s.counts[entryName(id)]; n != want || s.aside[id] != parked[id] {
			return fmt.Sprintf("%d reactions to entry %d, parked: %v, want %d and %v", n, id, s.aside[id], want, parked[id])
		}
	}
	return ""
}

// compareBeside checks that what turns wrote into the program's own keys is
// what they wrote into the follower's.
func (w *world) compareBeside(f *walker, s state) (why string) {
	if !w.shared || !w.writesBeside(f) {
		return ""
	}
	prefix := f.beside()
	iter, err := w.db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefix), UpperBound: []byte(prefix + "\xff")})
	w.must(err, "read the program's keys")
	defer iter.Close()
	found := 0
	for iter.First(); iter.Valid(); iter.Next() {
		name := string(iter.Key()[len(prefix):])
		if n := countOf(iter.Value()); n != s.counts[name] {
			return fmt.Sprintf("%d reactions to %s, %d wrote into the program's database", s.counts[name], name, n)
		}
		found++
	}
	w.must(iter.Error(), "read the program's keys")
	for name := range s.counts {
		if len(name) > len(entryPrefix) && name[:len(entryPrefix)] == entryPrefix {
			found--
		}
	}
	if found != 0 {
		return fmt.Sprintf("%d entries more have reactions in the program's database than among the follower's keys", found)
	}
	return ""
}

// counts are the follower's keys.
func (w *world) counts(f *walker) map[string]int {
	counts := make(map[string]int)
	w.must(w.bus.View(func(v *retinue.View) error {
		keys, err := v.Follower(f.name)
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
	}), "view")
	return counts
}

// aside are the entries that the follower has put aside.
func (w *world) aside(f *walker) map[uint64]bool {
	aside := make(map[uint64]bool)
	for p, err := range w.bus.Parked(f.name) {
		w.must(err, "parked entries of %q", f.name)
		aside[p.ID] = true
	}
	return aside
}

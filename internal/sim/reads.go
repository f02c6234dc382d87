package main

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// trim makes a pass when everything is known, and nothing moves; now and then
// over a follower that was held up for longer than anything is kept for it.
func (w *world) trim(d *rand.Rand) {
	if d.IntN(3) == 0 {
		w.pauseNow(w.walkers[1+d.IntN(2)])
		for range 3 {
			w.append(d)
		}
		w.clock.ns.Add(int64(hold + day))
	}
	w.quiesce()
	now := w.now()
	w.quiesce()
	w.observe()
	log := &w.logs[messages.TrimmableLog]
	low, want := log.horizon, w.wantHorizon(now)
	w.trimming = true
	ctx, cancel := within()
	defer cancel()
	trimmed, err := w.bus.Trim(ctx)
	w.must(err, "trim")
	if horizon := uint64(trimmed.Horizon); horizon != want || trimmed.Entries != want-low {
		w.fail("trimmed %+v, want from %d to %d", trimmed, low, want)
	}
	for w.bus.Status().Trimmable.Horizon != want { // durable
		w.alive()
		time.Sleep(w.durability.Interval)
	}
	w.note(func() { log.horizon, w.trimming = want, false })
}

// now is the present ordering time: that of an entry, because the wall clock
// stands still.
func (w *world) now() time.Time {
	w.nextTag++
	a := w.expect(&write{tags: []uint64{w.nextTag}, producer: driver, request: retinue.Request{Events: []messages.Event{trace{Tag: w.nextTag}}}})
	receipt, err := w.answer(a)
	w.acknowledge(a, receipt, err)
	w.durable()
	w.observe()
	return w.logs[messages.TrimmableLog].seen[w.at[a.tags[0]]].ordered
}

// wantHorizon is where a pass leaves the horizon.
func (w *world) wantHorizon(now time.Time) uint64 {
	log := &w.logs[messages.TrimmableLog]
	head := log.head()
	younger := func(age time.Duration) uint64 {
		id := log.horizon
		for id < head && log.seen[id].ordered.Before(now.Add(-age)) {
			id++
		}
		return id
	}
	want := min(head-min(head, minEntries), log.horizon+maxPerPass, younger(minAge))
	for _, f := range w.walkers {
		if f.log == messages.TrimmableLog {
			want = min(want, max(w.status(f).Cursor, younger(hold)))
		}
	}
	return max(want, log.horizon)
}

func (w *world) observeStep(*rand.Rand) { w.observe() }

// query asks for a random part of a log at rest, in one go and by pages.
func (w *world) query(d *rand.Rand) {
	log := messages.Log(d.IntN(2))
	q := retinue.Query{Log: log, Reverse: d.IntN(2) == 0, Filter: filters[d.IntN(len(filters))]}
	lower, upper, since, bounded, timed := d.Uint64N(1001), d.Uint64N(1001), d.Uint64N(1001), d.IntN(2) == 0, d.IntN(2) == 0
	limit := 1 + d.IntN(5)
	w.quiesce()
	w.observe()
	l := &w.logs[log]
	from, to := l.horizon, l.head()
	if bounded {
		from += (to - from) * lower / 1000
		to = from + (to-from)*upper/1000
		q.From, q.To = position(log, from), position(log, to)
	}
	if timed && from < to {
		q.Since = l.seen[from+(to-1-from)*since/1000].ordered
	}
	var want []uint64
	for id := from; id < to; id++ {
		s := l.seen[id]
		if q.Filter.Match(messages.Entry{Type: s.typ, Instance: s.instance}) && !s.ordered.Before(q.Since) {
			want = append(want, id)
		}
	}
	if q.Reverse {
		slices.Reverse(want)
	}
	whole, paged := w.ask(q), w.askPages(q, limit)
	if !slices.Equal(whole, want) || !slices.Equal(paged, want) {
		w.fail("query %+v: %v, by pages of %d %v, want %v", q, whole, limit, paged, want)
	}
}

var filters = []messages.Filter{
	{}, {}, {Kinds: []string{"deposit"}}, {Modules: []string{""}}, {Instances: []uint32{7}}, {Kinds: []string{"none"}},
	{Types: []messages.Type{tallying{}.EventType(), trace{}.EventType()}},
}

func (w *world) ask(q retinue.Query) (ids []uint64) {
	ctx, cancel := within()
	defer cancel()
	for e, err := range w.bus.Entries(ctx, q) {
		w.must(err, "entries of %+v", q)
		id, _, _ := messages.Span(e, q.Log)
		ids = append(ids, id)
	}
	return ids
}

func (w *world) askPages(q retinue.Query, limit int) (ids []uint64) {
	ctx, cancel := within()
	defer cancel()
	q.Limit = limit
	for more := true; more; {
		page, err := w.bus.Page(ctx, q)
		w.must(err, "page of %+v", q)
		for _, e := range page.Entries {
			id, _, _ := messages.Span(e, q.Log)
			ids = append(ids, id)
		}
		if more = page.Next != nil; q.Reverse {
			q.To = page.Next
		} else {
			q.From = page.Next
		}
	}
	return ids
}

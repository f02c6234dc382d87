package main

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

const (
	// maxRuns bounds what a simulation reads again and again.
	maxRuns = 3
	// block is what the bus passes over in one go, by the types that were
	// placed in it; tail what it has in memory of the end, in bytes.
	block, tail = 1024, 1 << 20
)

// run appends so many events of a kind that nobody follows that readers of
// others may pass over whole blocks of ids, and more bytes than the bus has in
// memory. Some of those others are among them: they are asked for.
func (w *world) run(d *rand.Rand) {
	if w.runs++; w.runs > maxRuns {
		return
	}
	a := &write{producer: driver}
	pad := strings.Repeat("x", tail/block)
	for range block + d.IntN(2*block) {
		w.nextTag++
		b := body{Tag: w.nextTag}
		switch d.IntN(1200) {
		case 0:
			a.request.Events = append(a.request.Events, deposit(b))
		case 1:
			a.request.Events = append(a.request.Events, remark(b))
		default:
			b.Pad = pad
			a.request.Events = append(a.request.Events, filler(b))
		}
		a.tags = append(a.tags, b.Tag)
	}
	w.submit(w.expect(a))
	if d.IntN(4) > 0 {
		w.askForRare(d)
	}
}

// askForRare asks for kinds that are rare, from all sides.
func (w *world) askForRare(d *rand.Rand) {
	w.append(d)
	w.settle()
	w.durable()
	w.observe()
	l := &w.logs[messages.Permanent]
	for _, kinds := range [][]string{{"deposit"}, {"remark"}, {"deposit", "remark"}, {"none", "remark"}} {
		for range 3 {
			from := 1 + d.Uint64N(l.head())
			if d.IntN(2) == 0 {
				from = max(1, from/block*block+d.Uint64N(3)) - 1
			}
			from = max(1, from)
			to := from + d.Uint64N(l.head()+1-min(from, l.head()))
			var want []uint64
			for id := from; id < to; id++ {
				if slices.Contains(kinds, l.seen[id].kind) {
					want = append(want, id)
				}
			}
			q := retinue.Query{From: messages.EventID(from), To: messages.EventID(to), Filter: messages.Filter{Kinds: kinds}}
			if got := w.ask(q); !slices.Equal(got, want) {
				w.fail("query %+v: %v, want %v", q, got, want)
			}
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// commit has the bus commit the program's own batch with events.
func (w *world) commit(d *rand.Rand) {
	a := w.request(d)
	a.mark, a.raw = fmt.Sprintf("mark %d", w.nextTag), true
	w.expect(a)
	batch := w.db.NewBatch()
	defer batch.Close()
	w.must(batch.Set([]byte(a.mark), nil, nil), "set")
	ctx, cancel := within()
	defer cancel()
	receipt, err := w.bus.Commit(ctx, batch, a.request.Events...)
	w.acknowledge(a, receipt, err)
}

// stage writes one or two Stage calls into a batch, which is committed once or
// twice, synced or not, after a Poke that came too early, or never.
func (w *world) stage(d *rand.Rand) {
	calls, way, poke := 1+d.IntN(2), d.IntN(6), d.IntN(2) == 0
	w.nextTag++
	batch := w.db.NewBatch()
	defer batch.Close()
	mark := fmt.Sprintf("mark %d", w.nextTag)
	w.must(batch.Set([]byte(mark), nil, nil), "set")
	var staged []*write
	var tickets []*retinue.Ticket
	for range calls {
		w.nextTag += 2
		a := &write{tags: []uint64{w.nextTag - 1, w.nextTag}, mark: mark, raw: true, staged: true}
		if way == 4 { // the batch is never committed
			a.fate, a.settled = lost, true
		}
		ticket, err := w.bus.Stage(batch, deposit{Tag: a.tags[0]}, trace{Tag: a.tags[1]})
		w.must(err, "stage")
		staged, tickets = append(staged, w.expect(a)), append(tickets, ticket)
		w.note(func() { a.ticket = ticket })
	}
	twin := w.db.NewBatch()
	defer twin.Close()
	w.must(twin.Apply(batch, nil), "copy the batch")
	switch way {
	case 0, 1:
		w.commitStaged(batch, staged)
	case 2:
		w.must(batch.Commit(pebble.NoSync), "commit, unsynced")
	case 3:
		w.commitStaged(batch, staged)
		w.settle()
		w.commitStaged(twin, staged)
		w.pokeNow(d, tickets) // while its key has not expired
	case 4:
		w.tooEarly(staged, tickets)
		return
	case 5:
		w.tooEarly(staged, tickets)
		w.commitStaged(batch, staged)
		w.pokeNow(d, tickets)
	}
	if poke {
		w.settle()
	}
}

// pokeNow has what is staged ordered, though its tickets are answered.
func (w *world) pokeNow(d *rand.Rand, tickets []*retinue.Ticket) {
	w.bus.Poke(tickets...)
	w.append(d) // comes behind
}

// tooEarly pokes before the commit: the tickets say so.
func (w *world) tooEarly(staged []*write, tickets []*retinue.Ticket) {
	w.note(func() {
		for _, a := range staged {
			a.ticket = nil
		}
	})
	w.bus.Poke(tickets...)
	ctx, cancel := within()
	defer cancel()
	for _, t := range tickets {
		if _, err := t.Wait(ctx); !errors.Is(err, messages.ErrNotStaged) {
			w.fail("a ticket that was poked before the commit: %v", err)
		}
	}
}

func (w *world) commitStaged(batch *pebble.Batch, staged []*write) {
	w.must(batch.Commit(pebble.Sync), "commit")
	w.note(func() {
		for _, a := range staged {
			a.fate = kept
		}
	})
}

// marked tells whether the key that was written with an append is there.
func (w *world) marked(a *write) (there bool) {
	if !a.raw {
		return w.application(a.mark)
	}
	_, closer, err := w.db.Get([]byte(a.mark))
	if err == pebble.ErrNotFound {
		return false
	}
	w.must(err, "get")
	w.must(closer.Close(), "close")
	return true
}

func position(log messages.Log, id uint64) messages.Position {
	if log == messages.Permanent {
		return messages.EventID(id)
	}
	return messages.TrimmableID(id)
}

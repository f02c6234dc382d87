package main

import (
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// refused does what must be refused. What a refusal rests on is durable,
// unless durability is none; a power failure may follow at once.
func (w *world) refused(d *rand.Rand, do func()) {
	w.synced(func() bool { do(); return !w.durability.None })
	w.mayFail(d)
}

// keyed repeats an append under its key, or makes the first; with other
// content it must be refused, unless the key has expired.
func (w *world) keyed(d *rand.Rand) {
	key := string("abcde"[d.IntN(5)])
	a := w.keyedRequest(d, key)
	wait := d.IntN(2) == 0
	w.settle()
	first := w.keys[key]
	switch {
	case first == nil || w.expired(first):
		w.keys[key] = w.expect(a)
		if w.submit(a); wait {
			w.settle()
		}
	case first.fate == lost:
		// A power failure had taken it, so it comes now, behind all others.
		again := &write{tags: first.tags, producer: driver, request: first.request}
		w.note(func() { first.tags = nil })
		w.keys[key] = w.expect(again)
		receipt, err := w.answer(again)
		if err == nil && receipt.Repeated {
			w.fail("key %q: write %v was lost and is a repetition", key, again)
		}
		w.acknowledge(again, receipt, err)
	default:
		w.repeat(first)
		w.refused(d, func() {
			_, err := w.answer(&write{request: retinue.Request{Key: key, Events: []messages.Event{remark{Tag: 1 << 60}}}})
			if !errors.Is(err, messages.ErrKeyConflict) {
				w.fail("key %q with other content: %v", key, err)
			}
		})
	}
}

// keyedRequest has an event of a log at least.
func (w *world) keyedRequest(d *rand.Rand, key string) *write {
	a := w.request(d)
	w.nextTag++
	a.tags, a.request.Events = append(a.tags, w.nextTag), append(a.request.Events, trace{Tag: w.nextTag})
	a.request.Key = key
	return a
}

// expired reports whether the key of a write that is there has had its time.
func (w *world) expired(a *write) bool {
	if w.window == retinue.Forever || a.fate == lost {
		return false
	}
	now := w.now()
	return w.logs[messages.TrimmableLog].seen[w.at[a.tags[0]]].ordered.Before(now.Add(-w.window))
}

func (w *world) repeat(first *write) {
	receipt, err := w.answer(first)
	w.must(err, "repeat %v", first)
	if !receipt.Repeated {
		w.fail("key %q: write %v is there and was appended again", first.request.Key, first)
	}
	receipt.Repeated = false
	if first.receipt != nil && *first.receipt != receipt {
		w.fail("write %v: repeated as %+v, the first receipt was %+v", first, receipt, *first.receipt)
	}
	if first.receipt == nil {
		w.note(func() { w.answered(first, receipt) })
	}
}

// rivals append the same under one key at once: one of them does it.
func (w *world) rivals(d *rand.Rand) {
	w.nextTag++
	a := w.keyedRequest(d, entryName(w.nextTag))
	a.producer = 0
	w.expect(a)
	receipts, errs := make([]messages.Receipt, 2+d.IntN(4)), make([]error, 6)
	var all sync.WaitGroup
	for i := range receipts {
		all.Go(func() { receipts[i], errs[i] = w.answer(a) })
	}
	all.Wait()
	w.must(errors.Join(errs...), "rivals %v", a)
	first := 0
	for i := range receipts {
		if !receipts[i].Repeated {
			first++
		}
		if receipts[i].Repeated = false; receipts[i] != receipts[0] {
			w.fail("write %v was answered with %+v and %+v", a, receipts[0], receipts[i])
		}
	}
	if first != 1 {
		w.fail("write %v was made %d times", a, first)
	}
	w.acknowledge(a, receipts[0], nil)
}

// crowd lets several producers append at once, each one after the other, while
// the driver reads.
func (w *world) crowd(d *rand.Rand) {
	var all sync.WaitGroup
	defer all.Wait() // also where the power fails
	errs := make([]error, 2+d.IntN(4))
	for i := range errs {
		w.producers++
		var writes []*write
		for range 1 + d.IntN(4) {
			a := w.request(d)
			a.producer = w.producers
			writes = append(writes, w.expect(a))
		}
		way := d.IntN(3)
		all.Go(func() { errs[i] = w.produce(writes, way) })
	}
	w.observe()
	all.Wait()
	w.must(errors.Join(errs...), "append at once")
	w.alive()
}

// produce is one producer of a crowd; it runs beside the driver.
func (w *world) produce(writes []*write, way int) error {
	ctx, cancel := within()
	defer cancel()
	for _, a := range writes {
		var receipt messages.Receipt
		var err error
		switch way {
		case 0:
			receipt, err = w.bus.Append(ctx, a.request.Events...)
		case 1:
			receipt, err = w.bus.Update(ctx, func(tx *retinue.Tx) error { return tx.Append(a.request.Events...) })
		case 2:
			ticket, err := w.bus.Submit(ctx, a.request)
			if err != nil {
				return err
			}
			w.heard(func() { a.ticket = ticket })
			continue
		}
		if err != nil {
			return err
		}
		w.heard(func() { w.answered(a, receipt) })
	}
	return nil
}

// heard is note beside the driver: it ends nothing.
func (w *world) heard(change func()) {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	if w.disk.clone == nil {
		change()
	}
}

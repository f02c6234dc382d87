package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// chained is the last link of a chain of Updates, zero for none: each takes
// away the key that the one before it has left, and leaves one of its own,
// which counts them all. One that saw anything else would show.
type chained struct {
	key   string
	count int
}

const linkPrefix = "link "

// link is an Update of the chain.
type link struct {
	*write
	pad      string
	rollback bool
	saw      chained
}

func (w *world) newLink(d *rand.Rand) *link {
	a := w.request(d)
	w.nextTag++
	a.tags, a.request.Events = append(a.tags, w.nextTag), append(a.request.Events, trace{Tag: w.nextTag}) // it has a place
	a.mark, a.link = fmt.Sprintf("mark %d", w.nextTag), fmt.Sprintf("%s%d", linkPrefix, w.nextTag)
	l := &link{write: a, rollback: d.IntN(4) == 0}
	if l.rollback {
		a.fate, a.settled = lost, true
	}
	if d.IntN(6) == 0 { // some fill a round
		l.pad = strings.Repeat("x", d.IntN(200_000))
	}
	return l
}

// add is the closure of the Update.
func (l *link) add(tx *retinue.Tx) (err error) {
	if l.saw, err = lastLink(tx.Scan([]byte(linkPrefix))); err != nil {
		return err
	}
	if l.saw.key != "" {
		if err := tx.Delete([]byte(l.saw.key)); err != nil {
			return err
		}
	}
	err = errors.Join(
		tx.Set([]byte(l.link), fmt.Appendf(nil, "%d %s", l.saw.count+1, l.pad)),
		tx.Set([]byte(l.mark), []byte("here")),
		tx.Append(l.request.Events...),
	)
	if err == nil && l.rollback {
		err = errChanged
	}
	return err
}

func lastLink(keys iter.Seq2[followers.KeyValue, error]) (last chained, err error) {
	for kv, err := range keys {
		if err != nil {
			return last, err
		}
		if last.key != "" {
			return last, fmt.Errorf("%q and %q are there, each Update takes one away", last.key, kv.Key)
		}
		last = chained{string(kv.Key), countOf(kv.Value)}
	}
	return last, nil
}

// updates has several Updates wait together, behind the first, which holds the
// writer, mostly one after the other with appends between them.
func (w *world) updates(d *rand.Rand) {
	links, ordered := make([]*link, 2+d.IntN(6)), d.IntN(3) > 0
	errs := make([]error, len(links))
	var all sync.WaitGroup
	defer all.Wait() // also where the power fails
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	for i := range links {
		l := w.newLink(d)
		if links[i] = l; !ordered {
			w.producers++
			l.producer = w.producers
		}
		w.expect(l.write)
		queued := make(chan struct{})
		waits := sync.OnceFunc(func() { close(queued) })
		all.Go(func() {
			defer waits()
			errs[i] = w.chainUp(l, waits, hold)
		})
		if ordered || i == 0 {
			<-queued
		}
		if ordered && d.IntN(3) == 0 {
			w.submit(w.expect(w.request(d)))
		}
	}
	release()
	all.Wait()
	w.must(errors.Join(errs...), "updates at once")
	w.alive()
	w.checkSerial(links)
}

// chainUp makes the Update of a link, beside the driver; waits is called when it is
// with the writer.
func (w *world) chainUp(l *link, waits func(), hold <-chan struct{}) error {
	ctx, cancel := within()
	defer cancel()
	receipt, err := w.bus.Update(telling{ctx, waits}, func(tx *retinue.Tx) error {
		<-hold
		return l.add(tx)
	})
	switch {
	case l.rollback && !errors.Is(err, errChanged):
		return fmt.Errorf("rolled back update %v: %w", l, err)
	case l.rollback:
		return nil
	case err != nil:
		return fmt.Errorf("update %v: %w", l, err)
	}
	w.heard(func() { w.answered(l.write, receipt) })
	return nil
}

// telling is a context that tells when its end is waited for, which Update does
// once it is in the writer's queue.
type telling struct {
	context.Context
	waits func()
}

func (t telling) Done() <-chan struct{} {
	t.waits()
	return t.Context.Done()
}

// checkSerial checks that each Update saw what the one before it has left, in
// the order of their receipts, and one that was rolled back what some had.
func (w *world) checkSerial(links []*link) {
	var done []*link
	for _, l := range links {
		if !l.rollback {
			done = append(done, l)
		}
	}
	slices.SortFunc(done, func(a, b *link) int { return int(a.receipt.FirstTrimmable) - int(b.receipt.FirstTrimmable) })
	left := map[chained]bool{w.chain: true}
	for _, l := range done {
		if l.saw != w.chain {
			w.fail("update %v at %v saw %+v, the one before it has left %+v", l, l.receipt.FirstTrimmable, l.saw, w.chain)
		}
		w.chain = chained{l.link, w.chain.count + 1}
		left[w.chain] = true
	}
	for _, l := range links {
		if !left[l.saw] {
			w.fail("update %v, rolled back, saw %+v, which none has left", l, l.saw)
		}
	}
}

// checkChain checks that the chain is as long as the log has it, and ends with
// the same Update.
func (w *world) checkChain() {
	if !w.chaining {
		return
	}
	w.chain = chained{}
	end := uint64(0)
	for _, a := range w.writes {
		_, tids := w.places(a)
		if a.link == "" || len(tids) == 0 {
			continue
		}
		w.chain.count++
		if tids[0] > end {
			end, w.chain.key = tids[0], a.link
		}
	}
	w.must(w.bus.View(func(v *retinue.View) error {
		found, err := lastLink(v.Scan([]byte(linkPrefix)))
		if err == nil && found != w.chain {
			err = fmt.Errorf("it ends with %+v, in the log with %+v, at %v", found, w.chain, messages.TrimmableID(end))
		}
		return err
	}), "chain of updates")
}

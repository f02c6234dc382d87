package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// step is one thing that a simulation does; often it weighs against others.
type step struct {
	name  string
	often int
	do    func(*world, *rand.Rand)
}

var steps = []step{
	{"append", 2, (*world).append},
	{"appends in flight", 3, (*world).inFlight},
	{"producers at once", 2, (*world).crowd},
	{"append under a key", 2, (*world).keyed},
	{"the same append at once", 1, (*world).rivals},
	{"append on a condition", 1, (*world).condition},
	{"update", 2, (*world).update},
	{"seek", 2, (*world).seek},
	{"pause or resume", 1, (*world).pause},
	{"await", 1, (*world).await},
	{"replay or drop", 2, (*world).removeStep},
	{"unfollow or forget, and follow", 1, (*world).forget},
	{"trim", 1, (*world).trim},
	{"jump of the clock", 2, (*world).jump},
	{"read all", 1, (*world).observeStep},
	{"query", 1, (*world).query},
	{"idle", 1, (*world).idle},
}

// besides are the steps in a shared database.
var besides = []step{
	{"commit a batch", 2, (*world).commit},
	{"stage", 3, (*world).stage},
	{"flood", 1, (*world).flood},
}

// further are the steps of seeds that have one of these.
var (
	runs   = []step{{"a run of one kind", 4, (*world).run}}
	copies = []step{{"back up", 3, (*world).backUp}, {"move to a restored backup", 2, (*world).moveHouse}}
	chains = []step{{"updates at once", 6, (*world).updates}}
)

// step does one thing, which d chooses.
func (w *world) step(d *rand.Rand) {
	may := slices.Clip(steps)
	if w.shared {
		may = append(may, besides...)
	}
	if w.wide {
		may = append(may, runs...)
	}
	if w.copying {
		may = append(may, copies...)
	}
	if w.chaining {
		may = append(may, chains...)
	}
	all := 0
	for _, s := range may {
		all += s.often
	}
	n := d.IntN(all)
	for _, s := range may {
		if n -= s.often; n < 0 {
			w.tally.step(s.name)
			s.do(w, d)
			return
		}
	}
}

// events draws one to three events; tags name those that a log keeps.
func (w *world) events(d *rand.Rand) (events []messages.Event, tags []uint64) {
	for range 1 + d.IntN(3) {
		w.nextTag++
		b := body{Tag: w.nextTag, Pad: strings.Repeat("x", d.IntN(64))}
		if d.IntN(6) == 0 {
			b.Pad = strings.Repeat("x", d.IntN(40_000))
		}
		switch d.IntN(5) {
		case 0, 1:
			events = append(events, deposit(b))
		case 2:
			events = append(events, messages.Draft{Event: remark(b), Instance: 7, Time: time.Unix(int64(d.IntN(1<<31)), 0)})
		case 3:
			events = append(events, trace(b))
		case 4:
			events = append(events, blip(b))
			continue
		}
		tags = append(tags, b.Tag)
	}
	return events, tags
}

// request is a write that the writer sees in the order of the calls.
func (w *world) request(d *rand.Rand) *write {
	events, tags := w.events(d)
	return &write{tags: tags, producer: driver, request: retinue.Request{Events: events}}
}

// answer submits a write and waits.
func (w *world) answer(a *write) (messages.Receipt, error) {
	ctx, cancel := within()
	defer cancel()
	ticket, err := w.bus.Submit(ctx, a.request)
	if err != nil {
		return messages.Receipt{}, err
	}
	return ticket.Wait(ctx)
}

func (w *world) append(d *rand.Rand) {
	a := w.expect(w.request(d))
	ctx, cancel := within()
	defer cancel()
	receipt, err := w.bus.Append(ctx, a.request.Events...)
	w.acknowledge(a, receipt, err)
}

// inFlight leaves writes with the writer; a power failure may take them.
func (w *world) inFlight(d *rand.Rand) {
	for range 1 + d.IntN(6) {
		w.submit(w.expect(w.request(d)))
	}
}

// flood has a small database flush, and use its logs again.
func (w *world) flood(d *rand.Rand) {
	for range 6 + d.IntN(6) {
		w.nextTag++
		flood := deposit{Tag: w.nextTag, Pad: strings.Repeat("x", 20_000+d.IntN(20_000))}
		w.submit(w.expect(&write{tags: []uint64{flood.Tag}, producer: driver, request: retinue.Request{Events: []messages.Event{flood}}}))
	}
	w.settle()
}

func (w *world) submit(a *write) {
	ctx, cancel := within()
	defer cancel()
	ticket, err := w.bus.Submit(ctx, a.request)
	w.must(err, "submit %v", a)
	w.note(func() { a.ticket = ticket })
}

// condition appends where a condition holds: followers append nothing to the
// permanent log, so that its head stands still.
func (w *world) condition(d *rand.Rand) {
	a := w.request(d)
	back, onHead := uint64(d.IntN(12)*d.IntN(2)), d.IntN(2) == 0
	w.settle()
	w.durable()
	w.observe()
	head := w.logs[messages.Permanent].head()
	at := head - min(head-1, back)
	condition, holds := messages.HeadIs(messages.EventID(at)), at == head
	if !onHead {
		condition, holds = messages.NoneSince(messages.EventID(at), remark{}.EventType()), true
		for id := at; id < head; id++ {
			holds = holds && w.logs[messages.Permanent].seen[id].kind != "remark"
		}
	}
	a.request.If = []messages.Condition{condition}
	if !holds {
		a.fate, a.settled = lost, true
	}
	w.expect(a)
	if holds {
		receipt, err := w.answer(a)
		w.acknowledge(a, receipt, err)
		return
	}
	refusal := func() {
		if _, err := w.answer(a); !errors.Is(err, messages.ErrConditionFailed) {
			w.fail("condition %+v at head %d: %v", condition, head, err)
		}
	}
	if !onHead { // it rests on entries that were durable before
		refusal()
		return
	}
	w.append(d) // on which the refusal rests, too
	w.refused(d, refusal)
}

var errChanged = errors.New("the transaction changes its mind")

// update writes a key of the application and appends; or rolls both back.
func (w *world) update(d *rand.Rand) {
	a := w.request(d)
	a.mark = fmt.Sprintf("mark %d", w.nextTag)
	rollback := d.IntN(3) == 0
	if rollback {
		a.fate, a.settled = lost, true
	}
	w.expect(a)
	ctx, cancel := within()
	defer cancel()
	receipt, err := w.bus.Update(ctx, func(tx *retinue.Tx) error {
		if err := tx.Set([]byte(a.mark), []byte("here")); err != nil {
			return err
		}
		if err := tx.Append(a.request.Events...); err != nil {
			return err
		}
		if rollback {
			return errChanged
		}
		return nil
	})
	if rollback {
		if !errors.Is(err, errChanged) {
			w.fail("rolled back update: %v", err)
		}
		return
	}
	w.acknowledge(a, receipt, err)
}

// await is told that a follower has reacted, which must then stay.
func (w *world) await(d *rand.Rand) {
	f := w.walkers[d.IntN(len(w.walkers))]
	w.nextTag++
	a := w.expect(&write{tags: []uint64{w.nextTag}, producer: driver, request: retinue.Request{Events: []messages.Event{deposit{Tag: w.nextTag}}}})
	receipt, err := w.answer(a)
	w.acknowledge(a, receipt, err)
	if f.paused {
		return
	}
	ctx, cancel := within()
	defer cancel()
	if err = w.bus.Await(ctx, f.name, receipt); err != nil && !errors.Is(err, messages.ErrParked) && !errors.Is(err, messages.ErrSkipped) {
		w.fail("await %v of follower %q: %v, %+v", receipt, f.name, err, w.status(f))
	}
	_, last, err := messages.Span(receipt, f.log)
	w.must(err, "span")
	w.reached(f, last+1)
}

// jump sets the wall clock, back or far ahead.
func (w *world) jump(d *rand.Rand) {
	jumps := []time.Duration{time.Nanosecond, time.Second, time.Hour, 10 * day, 20 * day, 100 * day, 3000 * day, -time.Hour, -30 * day, -3000 * day}
	w.clock.ns.Add(int64(jumps[d.IntN(len(jumps))]))
}

// idle lets the bus do by itself what it does within a second: order what is
// staged, sync, write its second mark. That takes real time, so it is rare,
// but where durability is none: there the mark must wait.
func (w *world) idle(d *rand.Rand) {
	if d.IntN(8) > 0 && !w.durability.None {
		return
	}
	w.append(d)
	w.wait(w.pending())
	time.Sleep(time.Second + 50*time.Millisecond)
	w.mayFail(d)
}

// mayFail has the power fail now, or not.
func (w *world) mayFail(d *rand.Rand) {
	if d.IntN(4) == 0 {
		w.disk.failNow()
		w.alive()
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// fate is what became of a write.
type fate int

const (
	open fate = iota // it may or may not be in the log
	kept
	lost
)

// write is one append of any kind with what is known of it.
type write struct {
	request retinue.Request
	tags    []uint64 // of the events that are in a log
	fate    fate
	receipt *messages.Receipt
	ticket  *retinue.Ticket
	// firm: the power cannot take back what the receipt says. With weaker
	// durability that comes after the answer.
	firm bool
	// producer, from 1, made its writes in the order of model.writes; 0: in
	// none, because the program commits by itself.
	producer int
	// staged: whoever orders it, now or at Open, gives the place.
	staged bool
	// mark is a key that was written in the same batch; raw: in the program's
	// own database.
	mark string
	raw  bool
	// link is the key that it leaves as the last of the chain.
	link string
	// settled: its fate was known in an earlier life.
	settled bool
}

// driver is the producer that is the driver itself.
const driver = 1

func (a *write) String() string {
	text := fmt.Sprint(slices.Sorted(slices.Values(a.tags)))
	if a.mark != "" {
		text += " with " + a.mark
	}
	if a.request.Key != "" {
		text += " of key " + a.request.Key
	}
	return text
}

// there reports whether its events must be in the log.
func (a *write) there() bool { return a.fate == kept || a.fate == open && a.receipt != nil }

// model is what must be true of the bus: a list of what was asked for, and of
// what was seen.
type model struct {
	nextTag   uint64
	producers int
	writes    []*write
	byTag     map[uint64]*write
	at        map[uint64]uint64 // where a tag is in the trimmable log
	keys      map[string]*write
	logs      [2]record
	walkers   []*walker
	copied    []*copied
	chain     chained
	// trimming: a trim was not answered, or what it did is not durable.
	trimming bool
	// cut: the power has failed since the model was last compared.
	cut bool
}

// record is what was read of a log so far, trimmed by now or not. What was
// read once was durable: it never changes and never goes, unless durability
// is none.
type record struct {
	seen    map[uint64]sight
	horizon uint64
	// told is what followers and subscribers were given, and shown the highest
	// durable head that Status has shown; guarded by disk.mu.
	told  map[uint64]hearsay
	shown uint64
}

// sight is an entry as it was read.
type sight struct {
	print    string
	kind     string
	tag      uint64
	typ      messages.Type
	instance uint32
	id       uint64 // in the permanent log
	cause    uint64
	ordered  time.Time
}

type hearsay struct {
	kind string
	tag  uint64
}

// head follows from ids being contiguous from 1.
func (l *record) head() uint64 { return uint64(len(l.seen)) + 1 }

func newModel() model {
	m := model{producers: driver, byTag: make(map[uint64]*write), keys: make(map[string]*write), walkers: newWalkers()}
	for i := range m.logs {
		m.logs[i] = record{seen: make(map[uint64]sight), told: make(map[uint64]hearsay), horizon: 1}
	}
	return m
}

// expect makes the model responsible for a write, before it is made.
func (w *world) expect(a *write) *write {
	w.note(func() {
		w.writes = append(w.writes, a)
		for _, tag := range a.tags {
			w.byTag[tag] = a
		}
	})
	return a
}

// acknowledge notes that a write was answered: from now on it is there.
func (w *world) acknowledge(a *write, receipt messages.Receipt, err error) {
	w.must(err, "append %v", a)
	w.note(func() { w.answered(a, receipt) })
}

// answered is acknowledge while disk.mu is held.
func (w *world) answered(a *write, receipt messages.Receipt) {
	a.receipt, a.ticket, a.firm = &receipt, nil, !w.weak()
	if a.firm {
		a.fate = kept
	}
}

// ended is a ctx that does not wait.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// peek takes the answers that are there; disk.mu is held.
func (w *world) peek() {
	for _, a := range w.writes {
		if a.ticket != nil {
			if receipt, err := a.ticket.Wait(ended); err == nil {
				w.answered(a, receipt)
			}
		}
	}
}

// peekAnswers is after Close, which must have answered everything.
func (w *world) peekAnswers() {
	pending, tickets := w.pending()
	for i, a := range pending {
		receipt, err := tickets[i].Wait(ended)
		if a.staged && errors.Is(err, messages.ErrClosed) {
			continue // the next Open orders it
		}
		w.acknowledge(a, receipt, err)
	}
	w.forgetTickets()
}

func (w *world) forgetTickets() {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	for _, a := range w.writes {
		a.ticket = nil
	}
}

// pending are the writes that were not seen answered, with their tickets: the
// power failure takes those.
func (w *world) pending() (pending []*write, tickets []*retinue.Ticket) {
	w.note(func() {
		for _, a := range w.writes {
			if a.ticket != nil {
				pending, tickets = append(pending, a), append(tickets, a.ticket)
			}
		}
	})
	return pending, tickets
}

// settle waits for all tickets.
func (w *world) settle() {
	pending, tickets := w.pending()
	w.bus.Poke(tickets...)
	w.wait(pending, tickets)
}

func (w *world) wait(pending []*write, tickets []*retinue.Ticket) {
	for i, a := range pending {
		ctx, cancel := within()
		receipt, err := tickets[i].Wait(ctx)
		cancel()
		w.acknowledge(a, receipt, err)
	}
}

// quiesce waits until nothing moves any more: the first follower appends what
// the others read.
func (w *world) quiesce() {
	w.settle()
	w.durable()
	for _, f := range w.walkers {
		if f.paused {
			continue
		}
		head := w.head(f.log)
		ctx, cancel := within()
		err := w.bus.CaughtUp(ctx, f.name)
		cancel()
		w.must(err, "follower %q catches up with %d: %+v", f.name, head, w.status(f))
		w.reached(f, head)
	}
}

func (w *world) head(log messages.Log) uint64 {
	s := w.bus.Status()
	w.must(s.Failed, "status")
	if log == messages.Permanent {
		return s.Permanent.Head
	}
	return s.Trimmable.Head
}

// glance is what must hold in every moment.
func (w *world) glance() {
	s := w.bus.Status()
	w.must(s.Failed, "status")
	w.note(func() {
		for log, head := range []uint64{s.Permanent.Head, s.Trimmable.Head} {
			if head < w.logs[log].shown {
				w.fail("the head of the %v log was %d, and is %d", messages.Log(log), w.logs[log].shown, head)
			}
			w.logs[log].shown = head
		}
	})
	if s.Permanent.Head > s.Trimmable.Head {
		w.fail("heads %d and %d: what is in the permanent log is in both", s.Permanent.Head, s.Trimmable.Head)
	}
}

// tell notes, on any goroutine, what somebody was given: it was durable.
func (w *world) tell(e *messages.Entry) {
	tag, err := tagOf(*e)
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	if w.disk.clone != nil || err != nil || w.durability.None {
		return
	}
	for log, id := range []uint64{uint64(e.ID), uint64(e.TrimmableID)} {
		if id != 0 {
			w.logs[log].told[id] = hearsay{e.Type.Kind, tag}
		}
	}
}

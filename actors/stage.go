package actors

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// stagedLook is how often the writer looks for staged events while tickets
// are outstanding, beside Open and Poke.
const stagedLook = time.Second

// stagedTickets are the Stage calls of this process that were not seen
// committed yet.
type stagedTickets struct {
	mu      sync.Mutex
	closed  bool
	waiting map[persistence.StagedID]*stagedTicket
}

type stagedTicket struct {
	Ticket
	done chan struct{}
	// early is true once a Poke came before the commit: the ticket is answered,
	// and the writer looks for its events on.
	early bool
}

func (t *stagedTicket) answer(r messages.Receipt, err error) {
	if t.early {
		return
	}
	t.receipt, t.err = r, err
	close(t.done)
}

// add keeps the ticket of a Stage call. Errors: [messages.ErrClosed].
func (s *stagedTickets) add(t *stagedTicket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return messages.ErrClosed
	}
	if s.waiting == nil {
		s.waiting = make(map[persistence.StagedID]*stagedTicket)
	}
	s.waiting[t.staged] = t
	return nil
}

// close answers every ticket with [messages.ErrClosed].
func (s *stagedTickets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for id, t := range s.waiting {
		t.answer(messages.Receipt{}, messages.ErrClosed)
		delete(s.waiting, id)
	}
}

// drop forgets a Stage call that wrote nothing.
func (s *stagedTickets) drop(id persistence.StagedID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
}

// resolve answers the ticket of a Stage call, where this process has one.
func (s *stagedTickets) resolve(id persistence.StagedID, r messages.Receipt, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.waiting[id]
	if t == nil {
		return
	}
	t.answer(r, err)
	if t.early = errors.Is(err, messages.ErrNotStaged); !t.early {
		delete(s.waiting, id)
	}
}

// empty reports whether no call of this process is waited for.
func (s *stagedTickets) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) == 0
}

// lowest returns the first id that may still be found.
func (s *stagedTickets) lowest() (low persistence.StagedID, any bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.waiting {
		if !any || id.Counter < low.Counter {
			low, any = id, true
		}
	}
	return low, any
}

// Stage encodes events for the program's own batch; write puts them there.
// Errors: [messages.InvalidError] also for a transient event,
// [messages.TooLargeError], [messages.ErrReentrant], [messages.ErrClosed].
func (e *Engine) Stage(events []messages.Event, write func(persistence.StagedID, []messages.Prepared) error) (*Ticket, error) {
	if e.callers.inUpdate() {
		return nil, fmt.Errorf("Stage from inside an Update: %w", messages.ErrReentrant)
	}
	if err := e.writable(); err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, messages.Invalid("append", "no events")
	}
	prepared, err := e.encode(events)
	if err != nil {
		return nil, err
	}
	if err := e.fits(sizeOf(prepared)); err != nil {
		return nil, err
	}
	for i := range prepared {
		if prepared[i].Type.Persistence == messages.Transient {
			return nil, messages.Invalid("staged event", "%v is transient: nothing of it is ever written", prepared[i].Type)
		}
	}
	stamp(prepared, e.Now())
	t := &stagedTicket{done: make(chan struct{})}
	t.Ticket = Ticket{engine: e, staged: e.Store.NextStagedID(), failed: e.Failed()}
	t.answered = t.done
	if err := e.staged.add(t); err != nil {
		return nil, err
	}
	if err := write(t.staged, prepared); err != nil {
		e.staged.drop(t.staged)
		return nil, err
	}
	e.lookLater()
	return &t.Ticket, nil
}

// lookLater has the writer look by itself while tickets are outstanding.
func (e *Engine) lookLater() {
	e.timers.arm("staged", stagedLook, func() {
		low, any := e.staged.lowest()
		if !any {
			return
		}
		_ = e.post(&stagedJob{engine: e, from: low})
		e.lookLater()
	})
}

// Poke tells the writer that the batches of the tickets were committed. A
// ticket whose batch was not is answered with [messages.ErrNotStaged].
func (e *Engine) Poke(tickets []*Ticket) {
	j := &stagedJob{engine: e}
	for _, t := range tickets {
		if t == nil || t.engine != e {
			continue
		}
		if len(j.poked) == 0 || t.staged.Counter < j.from.Counter {
			j.from = t.staged
		}
		j.poked = append(j.poked, t.staged)
	}
	if len(j.poked) > 0 && e.open() == nil {
		_ = e.post(j)
	}
}

// orderStaged orders what a crash left, durably: who opens the bus reads it.
func (e *Engine) orderStaged() error {
	j := &stagedJob{engine: e, sync: true}
	if err := e.post(j); err != nil {
		return err
	}
	<-j.answered
	return j.err
}

// stagedBytes is about how much of staged calls is ordered in one batch. Pebble
// copies and sorts a batch that is a good part of a memtable.
const stagedBytes = 1 << 20

// stagedJob orders the committed Stage calls from an id on, in batches of
// stagedBytes, until none is left. Each is deleted in the batch that orders it,
// and remembered like an idempotency key, so that a batch which is applied
// twice orders its events once.
type stagedJob struct {
	errand
	engine   *Engine
	from     persistence.StagedID
	poked    []persistence.StagedID
	sync     bool // whatever the bus's durability is
	found    []persistence.StagedID
	receipts []messages.Receipt
	err      error
}

func (j *stagedJob) weight() weight { return weight{1, eventOverhead} }

func (j *stagedJob) run(w *writer) {
	for {
		records, err := w.store.StagedRecords(j.from, stagedBytes)
		if err != nil {
			j.err = w.refuse(err)
			return
		}
		if len(records) == 0 {
			return
		}
		last := records[len(records)-1].ID
		repeated, err := w.keys.any(w, persistence.StagedKey(records[0].ID), persistence.StagedKey(last))
		if err != nil {
			j.err = w.refuse(err)
			return
		}
		w.needSync, w.mustSync = true, w.mustSync || j.sync
		for i := range records {
			if j.err = j.order(w, &records[i], repeated); j.err != nil {
				return
			}
		}
		j.from = last
		j.from.Counter++
		// What is next may be much more: keep batches within bounds.
		if err := w.commit(false); err != nil {
			j.err = err
			return
		}
		w.forget()
	}
}

// order orders one call, which may have been ordered before where repeated.
func (j *stagedJob) order(w *writer, s *persistence.Staged, repeated bool) (err error) {
	key := persistence.StagedKey(s.ID)
	var known *messages.Receipt
	if repeated {
		if known, err = w.keys.find(w, key, [16]byte{}); err != nil {
			return w.refuse(err)
		}
	}
	w.batch.DeleteStaged(s.ID)
	receipt := messages.Receipt{}
	if known != nil {
		receipt = *known
		receipt.Repeated = true
	} else {
		receipt = w.place(s.Events)
		w.keys.add(w, key, persistence.Appended{Ordered: w.clock.last, Receipt: receipt})
	}
	if !j.engine.staged.empty() { // a call has its ticket before it is in a batch
		j.found = append(j.found, s.ID)
		j.receipts = append(j.receipts, receipt)
	}
	return nil
}

func (j *stagedJob) finish(err error) {
	if err == nil {
		err = j.err
	}
	for i, id := range j.found {
		j.engine.staged.resolve(id, j.receipts[i], err)
	}
	for _, id := range j.poked {
		if err == nil {
			j.engine.staged.resolve(id, messages.Receipt{}, messages.ErrNotStaged)
		}
	}
	j.err = err
}

package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// eventOverhead is what an event costs beside its own bytes, for limits on
// appends and on what is pending.
const eventOverhead = 64

// Append is one append: all of its events or none.
type Append struct {
	Events []messages.Event
	// Key makes a repetition within the key window return the first receipt.
	Key string
	If  []messages.Condition
	// Beside is the program's own batch, to commit with the events; nil is
	// none.
	Beside *persistence.UserBatch
}

// Ticket is an append that the writer has accepted or a Stage call that it
// will find. Its methods are safe for concurrent use.
type Ticket struct {
	errand
	engine  *Engine
	receipt messages.Receipt
	err     error
	staged  persistence.StagedID
	// failed is closed with the bus: for a staged ticket, which nobody may
	// ever answer. It is nil for an append, which the writer answers.
	failed <-chan struct{}
}

// Wait returns the outcome, or at ctx's end [messages.UncertainError]: the
// append is not taken back. A ctx that has ended does not hide an outcome that
// is known.
func (t *Ticket) Wait(ctx context.Context) (messages.Receipt, error) {
	select {
	case <-t.answered:
		return t.receipt, t.err
	default:
	}
	if ctx.Done() == nil && t.failed == nil { // a receive is cheaper than a select
		<-t.answered
		return t.receipt, t.err
	}
	select {
	case <-t.answered:
		return t.receipt, t.err
	case <-t.failed:
		return messages.Receipt{}, &messages.FailedError{Cause: t.engine.Store.Fence().Cause()}
	case <-ctx.Done():
		return messages.Receipt{}, &messages.UncertainError{Cause: ctx.Err()}
	}
}

// appendJob is an append on its way through the writer.
type appendJob struct {
	Ticket
	events     []messages.Prepared
	key        []byte
	digest     [16]byte
	conditions []pendingCondition
	beside     *persistence.UserBatch
	bytes      int

	one    [1]messages.Prepared // memory of events, mostly
	buffer []byte               // memory of a payload; nil in a job that is used once
	round  *round
}

func newAppendJob() any { return &appendJob{buffer: make([]byte, 0, 256)} }

// largestBuffer is the largest payload whose memory is used again.
const largestBuffer = 64 << 10

// Append is Submit and Wait. Errors: theirs.
func (e *Engine) Append(ctx context.Context, events []messages.Event) (messages.Receipt, error) {
	j := e.jobs.Get().(*appendJob)
	j.engine = e
	err := e.admissible(ctx)
	if err == nil {
		err = e.submit(ctx, j, events, true)
	}
	if err != nil {
		e.recycle(j)
		return messages.Receipt{}, err
	}
	if err := j.wait(ctx); err != nil {
		return messages.Receipt{}, err // the writer has it still
	}
	receipt, err := j.receipt, j.err
	e.recycle(j)
	return receipt, err
}

// wait is until the job is answered, or with [messages.UncertainError] until
// ctx ends, though not before patience has.
func (j *appendJob) wait(ctx context.Context) error {
	<-j.round.stirred
	if j.round.done.Load() {
		return nil
	}
	select {
	case <-j.answered:
		return nil
	case <-ctx.Done():
	}
	if j.round.done.Load() { // an end of ctx does not hide an outcome that is known
		return nil
	}
	return &messages.UncertainError{Cause: ctx.Err()}
}

// recycle gives the job back, with a buffer for a payload like the last one.
func (e *Engine) recycle(j *appendJob) {
	buffer := j.buffer
	if n := len(j.one[0].Payload); n > cap(buffer) && n <= largestBuffer {
		buffer = make([]byte, 0, 2*n)
	}
	*j = appendJob{buffer: buffer}
	e.jobs.Put(j)
}

// Submit checks and encodes the events, waits for room among what is pending,
// and hands them to the writer. Errors: [messages.InvalidError],
// [messages.TooLargeError], [messages.ConditionError], [messages.ErrReentrant],
// [messages.ErrClosed], [messages.FailedError], or ctx's error: then nothing
// was handed over.
func (e *Engine) Submit(ctx context.Context, a Append) (*Ticket, error) {
	if err := e.admissible(ctx); err != nil {
		return nil, err
	}
	j := &appendJob{Ticket: Ticket{engine: e}, beside: a.Beside, key: []byte(a.Key)}
	if err := checkKey(a.Key); err != nil {
		return nil, err
	}
	var err error
	if j.conditions, err = e.conditions(a.If, a.Key != ""); err != nil {
		e.measured.refuse(err)
		return nil, err
	}
	if err := e.submit(ctx, j, a.Events, false); err != nil {
		return nil, err
	}
	return &j.Ticket, nil
}

// submit hands over a job that lacks its events.
func (e *Engine) submit(ctx context.Context, j *appendJob, events []messages.Event, returns bool) error {
	if err := e.prepare(j, events); err != nil {
		return err
	}
	if len(j.key) > 0 {
		j.digest = messages.DigestAll(j.events)
	}
	addTrace(j.events, e.traceOf(ctx))
	stamp(j.events, e.Now())
	return e.mail.offer(ctx, j, returns)
}

// admissible is the door of every call that writes.
func (e *Engine) admissible(ctx context.Context) error {
	return e.admissibleIn(ctx, e.callers.inUpdate())
}

func (e *Engine) admissibleIn(ctx context.Context, update bool) error {
	if update {
		return fmt.Errorf("call on the bus from inside an Update: %w", messages.ErrReentrant)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.writable()
}

// Readable is the door of every call that only reads. Errors:
// [messages.ErrReentrant], [messages.ErrClosed].
func (e *Engine) Readable(what string) error {
	if e.callers.inUpdate() {
		return fmt.Errorf("%s from inside an Update: %w", what, messages.ErrReentrant)
	}
	return e.open()
}

// prepare fills j with the events; none is allowed only beside a batch of the
// program.
func (e *Engine) prepare(j *appendJob, events []messages.Event) (err error) {
	if j.beside != nil {
		j.bytes = j.beside.Size()
	} else if len(events) == 0 {
		return messages.Invalid("append", "no events")
	}
	if len(events) == 1 {
		j.events = j.one[:]
		err = j.one[0].Encode(j.buffer, events[0], e.MaxEventSize)
	} else {
		j.events, err = e.encode(events)
	}
	if err != nil {
		return err
	}
	j.bytes += sizeOf(j.events)
	return e.fits(j.bytes)
}

// encode encodes events on the caller's goroutine.
func (e *Engine) encode(events []messages.Event) ([]messages.Prepared, error) {
	prepared := make([]messages.Prepared, len(events))
	for i, event := range events {
		if err := prepared[i].Encode(nil, event, e.MaxEventSize); err != nil {
			return nil, err
		}
	}
	return prepared, nil
}

// sizeOf is what events count for in limits.
func sizeOf(events []messages.Prepared) (bytes int) {
	for i := range events {
		bytes += events[i].Size() + eventOverhead
	}
	return bytes
}

// fits refuses what is too much for one append.
func (e *Engine) fits(bytes int) error {
	if bytes > e.MaxAppendSize {
		return &messages.TooLargeError{What: "append", Size: bytes, Limit: e.MaxAppendSize}
	}
	return nil
}

// stamp fills in the time of the call.
func stamp(events []messages.Prepared, now time.Time) {
	now = now.UTC().Round(0)
	for i := range events {
		if events[i].Time.IsZero() {
			events[i].Time = now
		}
	}
}

func checkKey(key string) error {
	if len(key) > messages.MaxName {
		return messages.Invalid("key", "%d bytes, at most %d", len(key), messages.MaxName)
	}
	if key != "" && key[0] == 0 {
		return messages.Invalid("key", "%q starts with a zero byte", key)
	}
	return nil
}

func (j *appendJob) enlist(r *round) {
	j.errand.enlist(r)
	j.round = r
}

func (j *appendJob) weight() weight { return weight{len(j.events), j.bytes} }

func (j *appendJob) run(w *writer) {
	known, err := w.keys.find(w, j.key, j.digest)
	if err == nil && known != nil {
		w.tally.count(true, nil)
		j.receipt = *known
		j.receipt.Repeated = true
		w.needSync = w.needSync || w.dirty
		return
	}
	if err == nil {
		err = w.check(j.conditions)
	}
	if err == nil && j.beside != nil {
		w.collect()
		err = j.beside.MergeInto(w.batch)
	}
	w.tally.count(false, err)
	if err != nil {
		j.err = w.refuse(err)
		return
	}
	j.receipt = w.place(j.events)
	w.keys.add(w, j.key, persistence.Appended{Digest: j.digest, Ordered: w.clock.last, Receipt: j.receipt})
	w.needSync = true
}

func (j *appendJob) finish(err error) {
	if err != nil {
		j.receipt, j.err = messages.Receipt{}, err
	}
}

// pendingCondition is a condition that was found to hold in [At, checked).
type pendingCondition struct {
	messages.Condition
	checked   messages.EventID
	selection *persistence.Selection
}

// conditions checks what can be checked outside the writer: long scans hold
// up nobody. What fails with a key is left to the writer: it may be the
// repetition of an append whose conditions held.
func (e *Engine) conditions(all []messages.Condition, keyed bool) ([]pendingCondition, error) {
	var pending []pendingCondition
	for _, c := range all {
		p := pendingCondition{Condition: c, checked: c.At}
		if c.At == 0 {
			return nil, messages.Invalid("condition", "id 0 is no place in the log")
		}
		if !c.OnHead() {
			if err := checkTypes(c.Types); err != nil {
				return nil, err
			}
			p.selection = e.Store.Select(messages.Filter{Types: c.Types})
			err := p.scan(e.Store, e.Durable().Event)
			if err != nil && !(keyed && errors.Is(err, messages.ErrConditionFailed)) {
				return nil, err
			}
		}
		pending = append(pending, p)
	}
	return pending, nil
}

func checkTypes(types []messages.Type) error {
	if len(types) == 0 {
		return messages.Invalid("condition", "NoneSince names no type")
	}
	for _, t := range types {
		if t.Kind == "" || t.Persistence != messages.Persistent {
			return messages.Invalid("condition", "type %v is not of the permanent log", t)
		}
	}
	return nil
}

// scan checks [checked, head) for entries of the types.
func (p *pendingCondition) scan(store *persistence.Store, head messages.EventID) error {
	var page persistence.Page
	for p.checked < head {
		err := store.ReadPage(&page, persistence.PageQuery{
			Log: messages.Permanent, From: uint64(p.checked), To: uint64(head),
			Selection: p.selection, MaxEntries: 1,
		})
		if err != nil {
			return err
		}
		if len(page.Entries) > 0 {
			return &messages.ConditionError{Condition: p.Condition, Head: head, Found: page.Entries[0].ID}
		}
		p.checked = messages.EventID(page.Next)
	}
	return nil
}

// check decides the conditions in the moment of the append. Entries of this
// round are still in memory; those of earlier rounds are in the store.
func (w *writer) check(conditions []pendingCondition) error {
	for i := range conditions {
		c := &conditions[i]
		if c.OnHead() {
			if c.At != w.heads.Event {
				return &messages.ConditionError{Condition: c.Condition, Head: w.heads.Event}
			}
			continue
		}
		first := w.heads.Event
		for i := range w.placed {
			p := &w.placed[i]
			if p.Event == 0 {
				continue
			}
			first = min(first, p.Event)
			if p.Event >= c.At && (messages.Filter{Types: c.Types}).MatchType(p.Prepared.Type.Module, p.Prepared.Type.Kind) {
				return &messages.ConditionError{Condition: c.Condition, Head: w.heads.Event, Found: p.Event}
			}
		}
		if err := c.scan(w.store, first); err != nil {
			var found *messages.ConditionError
			if errors.As(err, &found) {
				found.Head = w.heads.Event
			}
			return err
		}
	}
	return nil
}

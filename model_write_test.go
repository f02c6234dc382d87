package retinue_test

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"pgregory.net/rapid"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// submit hands an append over and leaves its ticket open.
func (m *model) submit(a *modelAppend) {
	ticket, err := m.bus.Submit(m.ctx(), a.request)
	m.must(err, "submit")
	a.ticket = ticket
}

// acknowledge notes that an append was answered: from now on it is there.
func (m *model) acknowledge(a *modelAppend, receipt messages.Receipt, err error) {
	m.must(err, "append "+tagText(a.tags))
	a.fate, a.receipt, a.ticket = modelKept, &receipt, nil
}

// keyed repeats an append under its key, or makes the first; with other
// content it must be refused.
func (m *model) keyed(t *rapid.T) {
	m.t = t
	m.settle()
	key := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key")
	events, tags := m.events(t)
	wait := rapid.Bool().Draw(t, "wait")
	first := m.keys[key]
	if first == nil {
		m.nextTag++
		events, tags = append(events, modelTrace{m.nextTag}), append(tags, m.nextTag)
		a := m.expect(&modelAppend{tags: tags, ordered: true, request: retinueRequest{Events: events, Key: key}})
		m.keys[key] = a
		m.submit(a)
		if wait {
			m.settle()
		}
		return
	}
	ticket, err := m.bus.Submit(m.ctx(), first.request)
	m.must(err, "submit again")
	receipt, err := ticket.Wait(m.ctx())
	m.must(err, "append again")
	if receipt.Repeated != (first.fate == modelKept) {
		m.fail("key %q, append %s of fate %d: repeated is %v", key, tagText(first.tags), first.fate, receipt.Repeated)
	}
	if !receipt.Repeated {
		// A power cut had taken it, so it comes now, behind all others.
		tags, first.tags = first.tags, nil
		m.keys[key] = m.expect(&modelAppend{tags: tags, ordered: true, request: first.request})
		m.acknowledge(m.keys[key], receipt, nil)
		return
	}
	m.sameReceipt(first, receipt)
	m.otherContent(key)
}

// sameReceipt compares what a repetition returned with the first answer, where
// there was one before the power cut.
func (m *model) sameReceipt(first *modelAppend, receipt messages.Receipt) {
	receipt.Repeated = false
	if first.receipt != nil && receipt != *first.receipt {
		m.fail("append %s: repeated as %+v, the first receipt was %+v", tagText(first.tags), receipt, *first.receipt)
	}
	first.receipt = &receipt
}

func (m *model) otherContent(key string) {
	m.nextTag++
	ticket, err := m.bus.Submit(m.ctx(), retinueRequest{Key: key, Events: []messages.Event{modelRemark{m.nextTag}}})
	m.must(err, "submit other content")
	_, err = ticket.Wait(m.ctx())
	m.mustBe(err, messages.ErrKeyConflict)
}

// condition appends where a condition holds, as the model sees it.
func (m *model) condition(t *rapid.T) {
	m.t = t
	m.quiesce()
	m.observe()
	head := m.logs[messages.Permanent].head()
	at := head + 1 - min(head, rapid.Uint64Range(0, 20).Draw(t, "at"))
	condition, holds := messages.HeadIs(messages.EventID(at)), at == head
	if rapid.Bool().Draw(t, "none since") {
		condition = messages.NoneSince(messages.EventID(at), modelRemark{}.EventType())
		holds = true
		for id, seen := range m.logs[messages.Permanent].seen {
			holds = holds && !(id >= at && seen.kind == "remark")
		}
	}
	events, tags := m.events(t)
	request := retinueRequest{Events: events, If: []messages.Condition{condition}}
	ticket, err := m.bus.Submit(m.ctx(), request)
	var receipt messages.Receipt
	if err == nil {
		receipt, err = ticket.Wait(m.ctx())
	}
	if !holds {
		m.mustBe(err, messages.ErrConditionFailed)
		return
	}
	m.acknowledge(m.expect(&modelAppend{tags: tags, ordered: true}), receipt, err)
}

// settle waits for all tickets.
func (m *model) settle() {
	var tickets []modelTicket
	for _, a := range m.appends {
		if a.ticket != nil && !a.ordered {
			tickets = append(tickets, a.ticket)
		}
	}
	if len(tickets) > 0 {
		m.bus.Poke(tickets...)
	}
	for _, a := range m.appends {
		if a.ticket != nil {
			receipt, err := a.ticket.Wait(m.ctx())
			if !a.ordered && errors.Is(err, messages.ErrClosed) {
				a.ticket = nil // Open orders it
				continue
			}
			m.acknowledge(a, receipt, err)
		}
	}
}

// quiesce waits until nothing moves any more.
func (m *model) quiesce() {
	m.settle()
	for _, f := range m.walkers {
		if !f.paused {
			err := m.bus.CaughtUp(m.ctx(), f.name)
			m.must(err, fmt.Sprintf("catch up, %+v", m.status(f)))
		}
	}
}

var errModel = errors.New("the transaction changes its mind")

// update writes a key of the application and appends; or rolls both back.
func (m *model) update(t *rapid.T) {
	m.t = t
	events, tags := m.events(t)
	a := m.expect(&modelAppend{tags: tags, ordered: true, mark: m.newMark()})
	rollback := rapid.Bool().Draw(t, "roll back")
	receipt, err := m.bus.Update(m.ctx(), func(tx *retinue.Tx) error {
		if err := tx.Set([]byte(a.mark), []byte("here")); err != nil {
			return err
		}
		if err := tx.Append(events...); err != nil {
			return err
		}
		if rollback {
			return errModel
		}
		return nil
	})
	if rollback {
		m.mustBe(err, errModel)
		a.fate, a.settled = modelLost, true
		return
	}
	m.acknowledge(a, receipt, err)
}

func (m *model) newMark() string { return fmt.Sprintf("mark %d", len(m.appends)) }

// marked tells whether the key that was written with an append is there.
func (m *model) marked(a *modelAppend) (there bool) {
	if a.raw {
		_, closer, err := m.db.Get([]byte(a.mark))
		if errors.Is(err, pebble.ErrNotFound) {
			return false
		}
		m.must(err, "get")
		m.must(closer.Close(), "close")
		return true
	}
	m.must(m.bus.View(func(v *retinue.View) error {
		value, err := v.Get([]byte(a.mark))
		there = value != nil
		return err
	}), "view")
	return there
}

// commit has the bus commit the program's own batch with events.
func (m *model) commit(t *rapid.T) {
	m.t = t
	events, tags := m.events(t)
	a := m.expect(&modelAppend{tags: tags, ordered: true, mark: m.newMark(), raw: true})
	batch := m.db.NewBatch()
	defer batch.Close()
	m.must(batch.Set([]byte(a.mark), nil, nil), "set")
	receipt, err := m.bus.Commit(m.ctx(), batch, events...)
	m.acknowledge(a, receipt, err)
}

// stage writes one or two Stage calls into a batch, which is committed once or
// twice, synced or not, or never.
func (m *model) stage(t *rapid.T) {
	m.t = t
	batch := m.db.NewBatch()
	defer batch.Close()
	mark := m.newMark()
	m.must(batch.Set([]byte(mark), nil, nil), "set")
	var staged []*modelAppend
	for range rapid.IntRange(1, 2).Draw(t, "stage calls") {
		m.nextTag++
		tags := []int{m.nextTag, m.nextTag + 1}
		m.nextTag++
		ticket, err := m.bus.Stage(batch, modelDeposit{tags[0]}, modelTrace{tags[1]})
		m.must(err, "stage")
		staged = append(staged, m.expect(&modelAppend{tags: tags, mark: mark, raw: true, ticket: ticket}))
	}
	twin := m.db.NewBatch()
	defer twin.Close()
	m.must(twin.Apply(batch, nil), "copy the batch")
	switch rapid.SampledFrom([]string{"synced", "unsynced", "twice", "never"}).Draw(t, "commit") {
	case "synced":
		m.commitStaged(batch, pebble.Sync, staged)
	case "unsynced":
		m.must(batch.Commit(pebble.NoSync), "commit")
	case "twice":
		m.commitStaged(batch, pebble.Sync, staged)
		m.settle()
		m.commitStaged(twin, pebble.Sync, staged)
	case "never":
		m.abort(t, staged)
		return
	}
	if rapid.Bool().Draw(t, "poke") {
		m.settle()
	}
}

func (m *model) commitStaged(batch *pebble.Batch, o *pebble.WriteOptions, staged []*modelAppend) {
	m.must(batch.Commit(o), "commit")
	for _, a := range staged {
		a.fate = modelKept
	}
}

// abort forgets a batch; whoever pokes all the same is told.
func (m *model) abort(t *rapid.T, staged []*modelAppend) {
	poke := rapid.Bool().Draw(t, "poke")
	for _, a := range staged {
		ticket := a.ticket
		a.fate, a.ticket = modelLost, nil
		if poke {
			m.bus.Poke(ticket)
			_, err := ticket.Wait(m.ctx())
			m.mustBe(err, messages.ErrNotStaged)
		}
	}
}

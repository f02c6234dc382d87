package retinue_test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// modelLog is what was read of a log so far, trimmed by now or not. What was
// read once was durable: it never changes and never goes.
type modelLog struct {
	seen    map[uint64]modelSeen
	horizon uint64
}

type modelSeen struct {
	print    string
	typ      messages.Type
	kind     string
	instance uint32
	tag      int
	id       uint64 // in the permanent log
	cause    uint64
	ordered  time.Time
}

// head follows from ids being contiguous from 1.
func (l *modelLog) head() uint64 { return uint64(len(l.seen)) + 1 }

// observe reads both logs whole.
func (m *model) observe() {
	for log := range m.logs {
		m.observeLog(messages.Log(log))
	}
	m.compareLogs()
}

func (m *model) observeLog(log messages.Log) {
	l := &m.logs[log]
	next, last := l.horizon, time.Time{}
	for e, err := range m.bus.Entries(m.ctx(), retinue.Query{Log: log}) {
		m.must(err, "read the "+log.String()+" log")
		id, _, err := messages.Span(e, log)
		m.must(err, "entry")
		if id != next {
			m.fail("%v log: entry %d comes after %d", log, id, next-1)
		}
		if e.Ordered.Before(last) {
			m.fail("%v log: entry %d was ordered %v, the one before %v", log, id, e.Ordered, last)
		}
		next, last = id+1, e.Ordered
		now := m.see(e)
		if before, ok := l.seen[id]; ok && before.print != now.print {
			m.fail("%v log: entry %d was %s, now it is %s", log, id, before.print, now.print)
		}
		l.seen[id] = now
	}
	if next != l.head() {
		m.fail("%v log ends at %d, once it was %d", log, next, l.head())
	}
}

func (m *model) see(e messages.Entry) modelSeen {
	s := modelSeen{
		typ: e.Type, kind: e.Type.Kind, instance: e.Instance, id: uint64(e.ID), cause: uint64(e.Cause.ID), ordered: e.Ordered,
		print: fmt.Sprintf("%v %v %v %v %s %v %v", e.ID, e.TrimmableID, e.Type, e.Instance, e.Payload, e.Ordered, e.Cause),
	}
	var err error
	switch s.kind {
	case "deposit":
		s.tag, err = tagOf[modelDeposit](e)
	case "remark":
		s.tag, err = tagOf[modelRemark](e)
	case "trace":
		s.tag, err = tagOf[modelTrace](e)
	case "tally":
		s.tag, err = tagOf[modelTally](e)
	default:
		m.fail("entry %s is in a log", s.print)
	}
	m.must(err, "decode")
	return s
}

func tagOf[E interface {
	~struct{ Tag int }
	messages.Event
}](e messages.Entry) (int, error) {
	event, err := messages.Decode[E](e)
	return struct{ Tag int }(event).Tag, err
}

// compareLogs checks that persistent entries are in both logs, in the same
// order, and that nothing is there that was never appended, or twice.
func (m *model) compareLogs() {
	permanent, trimmable := &m.logs[messages.Permanent], &m.logs[messages.TrimmableLog]
	next := uint64(1)
	m.at = make(map[int]uint64, len(trimmable.seen))
	for tid := uint64(1); tid < trimmable.head(); tid++ {
		seen := trimmable.seen[tid]
		if seen.id != 0 {
			if seen.id != next || permanent.seen[next].print != seen.print {
				m.fail("trimmable entry %d is %s, permanent entry %d is %s", tid, seen.print, next, permanent.seen[next].print)
			}
			next++
		}
		if seen.kind == "tally" {
			continue
		}
		if m.at[seen.tag] != 0 || m.byTag[seen.tag] == nil || m.byTag[seen.tag].fate == modelLost {
			m.fail("entry %s: there twice, never appended, or taken back", seen.print)
		}
		m.at[seen.tag] = tid
	}
	if next != permanent.head() {
		m.fail("permanent log ends at %d, in the trimmable log at %d", permanent.head(), next)
	}
}

// places finds the entries of an append.
func (m *model) places(a *modelAppend) (ids, tids []uint64) {
	for _, tag := range a.tags {
		tid, ok := m.at[tag]
		if !ok {
			continue
		}
		tids = append(tids, tid)
		if id := m.logs[messages.TrimmableLog].seen[tid].id; id != 0 {
			ids = append(ids, id)
		}
	}
	return ids, tids
}

// resolve finds out what a power cut has left of appends in flight: of those
// that came one after the other, the first ones.
func (m *model) resolve() {
	var gone *modelAppend
	for _, a := range m.appends {
		if a.fate == modelOpen && len(a.tags) > 0 {
			a.fate = modelLost
			if _, tids := m.places(a); len(tids) > 0 {
				a.fate = modelKept
			}
		}
		a.ticket = nil
		switch {
		case !a.ordered || len(a.tags) == 0:
		case a.fate == modelLost && gone == nil && !a.settled:
			gone = a
		case a.fate == modelKept && gone != nil && !a.settled:
			m.fail("append %s is there, %s before it is not", tagText(a.tags), tagText(gone.tags))
		}
		a.settled = true
	}
}

// compareAppend checks that an append is there at the promised ids, whole and
// adjacent, or not at all; the key that was written with it likewise.
func (m *model) compareAppend(a *modelAppend) {
	ids, tids := m.places(a)
	kept := a.fate == modelKept
	if kept && len(tids) != len(a.tags) || !kept && len(tids) != 0 {
		m.fail("append %s (fate %d): found at %v", tagText(a.tags), a.fate, tids)
	}
	for _, found := range [][]uint64{ids, tids} {
		for i := range found {
			if found[i] != found[0]+uint64(i) {
				m.fail("append %s is not adjacent, or not in its order: %v", tagText(a.tags), found)
			}
		}
	}
	if r := a.receipt; r != nil {
		m.compareSpan(a, ids, uint64(r.FirstEvent), uint64(r.LastEvent))
		m.compareSpan(a, tids, uint64(r.FirstTrimmable), uint64(r.LastTrimmable))
	}
	if a.mark != "" && m.marked(a) != kept {
		m.fail("append %s (fate %d): the key %q of its batch: %v", tagText(a.tags), a.fate, a.mark, m.marked(a))
	}
}

func (m *model) compareSpan(a *modelAppend, found []uint64, first, last uint64) {
	ok := len(found) == 0 && first == 0 && last == 0
	if len(found) > 0 {
		ok = found[0] == first && found[len(found)-1] == last
	}
	if !ok {
		m.fail("append %s: its receipt says [%d, %d], it is at %v", tagText(a.tags), first, last, found)
	}
}

// compareOrder checks that one producer's appends are in the order of its
// calls.
func (m *model) compareOrder() {
	last := uint64(0)
	for _, a := range m.appends {
		if _, tids := m.places(a); a.ordered && len(tids) > 0 {
			if tids[0] <= last {
				m.fail("append %s is at %v, behind one that came later, at %d", tagText(a.tags), tids, last)
			}
			last = tids[0]
		}
	}
}

// compareFollower checks that a reaction is there if and only if the cursor
// has passed its entry, as often as it has.
func (m *model) compareFollower(f *modelFollower) {
	s := m.status(f)
	l := &m.logs[f.log]
	if s.Cursor > l.head() {
		m.fail("follower %q is at %d, the head is %d", f.name, s.Cursor, l.head())
	}
	counts := m.counts(f)
	total := 0
	for id := uint64(1); id < l.head(); id++ {
		passes := f.passes(id, s.Cursor)
		total += passes
		if id >= l.horizon && counts[entryName(id)] != passes {
			m.fail("follower %q at %d, after %v: %d reactions to entry %d, want %d", f.name, s.Cursor, f.seeks, counts[entryName(id)], id, passes)
		}
	}
	if counts["total"]+int(s.Missed) != total {
		m.fail("follower %q at %d, after %v: %d reactions and %d missed, want %d", f.name, s.Cursor, f.seeks, counts["total"], s.Missed, total)
	}
	if f.log != messages.Permanent {
		return
	}
	tallies := make(map[uint64]int)
	for _, seen := range m.logs[messages.TrimmableLog].seen {
		if seen.kind == "tally" {
			tallies[seen.cause]++
		}
	}
	for id, seen := range l.seen {
		want := 0
		if seen.kind == "deposit" && tallied(seen.tag) {
			want = f.passes(id, s.Cursor)
		}
		if tallies[id] != want {
			m.fail("follower %q at %d, after %v: %d tallies for entry %d, want %d", f.name, s.Cursor, f.seeks, tallies[id], id, want)
		}
	}
}

// counts are the follower's keys.
func (m *model) counts(f *modelFollower) map[string]int {
	counts := make(map[string]int)
	err := m.bus.View(func(v *retinue.View) error {
		keys, err := v.Follower(f.name)
		if err != nil {
			return err
		}
		for kv, err := range keys.Scan(nil) {
			if err != nil {
				return err
			}
			counts[string(kv.Key)] = countOf(kv.Value)
		}
		return nil
	})
	m.must(err, "view")
	return counts
}

// query asks for a random part of a log, in one go and by pages.
func (m *model) query() {
	t := m.t
	log := rapid.SampledFrom([]messages.Log{messages.Permanent, messages.TrimmableLog}).Draw(t, "log")
	l := &m.logs[log]
	q := retinue.Query{
		Log: log, Reverse: rapid.Bool().Draw(t, "reverse"),
		Filter: rapid.SampledFrom([]messages.Filter{
			{}, {}, {Kinds: []string{"deposit"}}, {Modules: []string{""}}, {Instances: []uint32{7}}, {Kinds: []string{"none"}},
			{Types: []messages.Type{modelTally{}.EventType(), modelTrace{}.EventType()}},
		}).Draw(t, "filter"),
	}
	from, to := l.horizon, l.head()
	lower, upper, since := modelPart(t, "from"), modelPart(t, "to"), modelPart(t, "since")
	if rapid.Bool().Draw(t, "bounded") {
		from = lower(from, to)
		to = upper(from, to)
		q.From, q.To = modelPosition(log, from), modelPosition(log, to)
	}
	if rapid.Bool().Draw(t, "by time") && from < to {
		q.Since = l.seen[since(from, to-1)].ordered
	}
	var want []uint64
	for id := from; id < to; id++ {
		seen := l.seen[id]
		if q.Filter.Match(messages.Entry{Type: seen.typ, Instance: seen.instance}) && !seen.ordered.Before(q.Since) {
			want = append(want, id)
		}
	}
	if q.Reverse {
		slices.Reverse(want)
	}
	var whole, paged []uint64
	for e, err := range m.bus.Entries(m.ctx(), q) {
		m.must(err, "entries")
		id, _, _ := messages.Span(e, log)
		whole = append(whole, id)
	}
	q.Limit = rapid.IntRange(1, 5).Draw(t, "limit")
	for more := true; more; {
		page, err := m.bus.Page(m.ctx(), q)
		m.must(err, "page")
		for _, e := range page.Entries {
			id, _, _ := messages.Span(e, log)
			paged = append(paged, id)
		}
		if more = page.Next != nil; q.Reverse {
			q.To = page.Next
		} else {
			q.From = page.Next
		}
	}
	if !slices.Equal(whole, want) || !slices.Equal(paged, want) {
		m.fail("query %+v: %v, by pages %v, want %v", q, whole, paged, want)
	}
}

// peek takes the answer of an append that has one.
func (m *model) peek(a *modelAppend) {
	if a.ticket == nil {
		return
	}
	receipt, err := a.ticket.Wait(ended)
	if !errors.Is(err, messages.ErrUncertain) {
		m.acknowledge(a, receipt, err)
	}
}

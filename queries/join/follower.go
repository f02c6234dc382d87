package join

import (
	"bytes"
	"context"
	"iter"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// Follower returns a follower that joins the log as it grows and calls do with
// each result once, in the turn of the entry that decided it: what do appends
// and keeps commits together with the state of the join. That state is in the
// follower's own keys, under the zero byte, so a restart goes on where the last
// commit ended; do must leave keys that begin with a zero byte alone.
//
// A left whose window ends while nothing else happens is timed out all the
// same: at most a second later the follower appends an empty event
// "retinue/tick", or "retinue/tick-trimmable" where its Log is the trimmable
// one, and times the left out in the turn of that entry. So the end of a window
// has its place in the log like everything else, and what was decided comes out
// the same when the log is read again. With [Event] time such an entry also
// ends the wait for what may still be late. There is at most one a second, and
// none while nothing is open; in the permanent log they stay for ever.
//
// Its Every and CaughtUp are the join's, and so are the types of its Filter;
// everything else is free to be set. Log is the trimmable one where a type of the join is
// trimmable. A turn decides at most 256 lefts that timed out; the others follow
// at once. Entries that are read again after a seek, or replayed after they
// were parked, are [Late]: the state of the join is not moved back. To join
// anew, [retinue.Bus.Forget] the follower. A join of other types, or in another
// Time, needs another name.
//
// Errors: [messages.InvalidError].
func (j Join[L]) Follower(bus *retinue.Bus, name string, do func(*followers.Turn, Result[L]) error) (followers.Follower, error) {
	p, err := j.plan()
	if err != nil {
		return followers.Follower{}, err
	}
	if bus == nil || do == nil {
		return followers.Follower{}, messages.Invalid("join", "follower %q: no bus, or nothing to do", name)
	}
	react := func(t *followers.Turn, pair Pair) error {
		r, err := result[L](p, pair)
		if err != nil {
			return err
		}
		return do(t, r)
	}
	r := &reactor{plan: p, bus: bus, name: name, react: react, alarm: alarm{bus: bus}}
	return followers.Follower{
		Name:     name,
		Log:      p.log(),
		Filter:   messages.Filter{Types: append(p.types(), tickTypes...)},
		Every:    r.every,
		CaughtUp: r.caughtUp,
	}, nil
}

// mostPerTurn bounds what one turn decides, and so the size of its commit.
const mostPerTurn = 256

// reactor is what a joining follower does, one call at a time.
//
// Invariant: matcher, if not nil, is what the keys hold whose mark is mark.
// The host may take back a turn that went well, so mark is compared with the
// stored one before each turn.
type reactor struct {
	plan  *plan
	bus   *retinue.Bus
	name  string
	react func(*followers.Turn, Pair) error
	alarm alarm

	matcher    *Matcher
	mark       []byte
	turn       *followers.Turn // under way
	key, value []byte          // scratch
}

// every joins one entry.
func (r *reactor) every(t *followers.Turn) error {
	m, err := r.recall(t)
	r.matcher = nil // until all has gone well
	if err != nil {
		return err
	}
	r.turn = t
	e := t.Entry()
	pairs, err := r.decide(m, e)
	if err != nil {
		return err
	}
	for _, pair := range pairs {
		if err := r.react(t, pair); err != nil {
			return err
		}
	}
	r.mark = m.appendMark(r.mark[:0], max(lastOf(r.mark), e.TrimmableID))
	if err := t.Set(markKey, r.mark); err != nil {
		return err
	}
	r.matcher = m
	if t.Live() {
		r.alarm.set(m, isTick(e.Type))
	} else { // time passes by the entries that are still to be read
		r.alarm.stop()
	}
	return nil
}

// decide feeds the matcher.
func (r *reactor) decide(m *Matcher, e messages.Entry) ([]Pair, error) {
	again := e.TrimmableID <= lastOf(r.mark)
	if isTick(e.Type) {
		if again {
			return nil, nil
		}
		return m.Tick(e.Ordered), nil
	}
	it, ok, err := r.plan.item(e)
	switch {
	case err != nil || !ok:
		return nil, err
	case again:
		return m.refuse(it), nil
	}
	return m.Add(it), nil
}

// recall returns the matcher that the keys describe, and sets mark.
func (r *reactor) recall(k keys) (*Matcher, error) {
	mark, err := k.Get(markKey)
	if err != nil {
		return nil, err
	}
	if r.matcher != nil && bytes.Equal(mark, r.mark) {
		return r.matcher, nil
	}
	m, err := load(r.plan.window, mark, k.Scan(itemPrefix))
	if err != nil {
		return nil, err
	}
	m.most, m.changed, r.mark = mostPerTurn, r.store, mark
	return m, nil
}

// keys are the follower's, in a turn or between turns.
type keys interface {
	Get(key []byte) ([]byte, error)
	Scan(prefix []byte) iter.Seq2[followers.KeyValue, error]
}

// store keeps an item, or removes it; the turn remembers what fails.
func (r *reactor) store(it *Item, held bool) {
	r.key = appendKey(r.key[:0], it)
	if !held {
		_ = r.turn.Delete(r.key)
		return
	}
	r.value = appendItem(r.value[:0], it)
	_ = r.turn.Set(r.key, r.value)
}

// caughtUp has time pass by the clock from now on.
func (r *reactor) caughtUp(ctx context.Context, at messages.Position) error {
	err := r.bus.View(func(v *retinue.View) error {
		k, err := v.Follower(r.name)
		if err == nil {
			r.matcher, err = r.recall(k)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.alarm.begin(ctx, at, r.matcher)
	return nil
}

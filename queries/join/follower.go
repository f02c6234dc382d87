package join

import (
	"bytes"
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

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
// Its Props are the join's, and so are the types of its Filter; everything else
// is free to be set. Log is the trimmable one where a type of the join is
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
	return followers.Follower{
		Name:   name,
		Log:    p.log(),
		Filter: messages.Filter{Types: append(p.types(), tickTypes...)},
		Props: actor.PropsFromProducer(func() actor.Actor {
			return &reactor{plan: p, bus: bus, name: name, react: react}
		}),
	}, nil
}

const (
	// mostPerTurn bounds what one turn decides, and so the size of its commit.
	mostPerTurn = 256
	// resolution is how often the clock is looked at, at most.
	resolution = time.Second
	// longestWait is how long a timer runs: one that outlasts a suspended
	// machine, or a wall clock that is set, would be wrong for as long as that.
	longestWait = time.Minute
)

// reactor is the behaviour of a joining follower, one incarnation of it.
//
// Invariant: matcher, if not nil, is what the keys hold whose mark is mark.
// The host may take back a turn that went well, so mark is compared with the
// stored one before each turn.
type reactor struct {
	plan  *plan
	bus   *retinue.Bus
	name  string
	react func(*followers.Turn, Pair) error

	matcher *Matcher
	mark    []byte

	log messages.Log
	// live is true while the follower has caught up: before, time passes by
	// the entries that it has still to read.
	live bool
	// asked is true from the tick's append to its turn.
	asked  bool
	timer  *time.Timer
	rings  time.Time // when timer does, if not nil
	looked time.Time
	ctx    context.Context
	cancel context.CancelFunc
}

// look is what the timer sends.
type look struct{}

// Receive implements [actor.Actor].
func (r *reactor) Receive(c actor.Context) {
	switch msg := c.Message().(type) {
	case *actor.Started:
		r.ctx, r.cancel = context.WithCancel(context.Background())
	case *actor.Stopping:
		r.disarm()
		r.cancel()
	case *followers.Deliver:
		r.log, r.live = msg.Turn.Entry().Log, msg.Turn.Live()
		err := r.turn(msg.Turn)
		c.Respond(msg.Done(err))
		if err != nil {
			r.matcher = nil
			return
		}
		r.arm(c)
	case *followers.CaughtUp:
		r.log, r.live = messages.TrimmableLog, true
		if _, permanent := msg.At.(messages.EventID); permanent {
			r.log = messages.Permanent
		}
		r.arm(c)
	case look:
		r.disarm()
		r.look()
		r.arm(c)
	}
}

// turn joins one entry.
func (r *reactor) turn(t *followers.Turn) error {
	if err := r.recall(t); err != nil {
		return err
	}
	var failed error
	r.matcher.changed = func(it *Item, held bool) {
		if err := store(t, it, held); failed == nil {
			failed = err
		}
	}
	pairs, err := r.decide(t.Entry())
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	for _, pair := range pairs {
		if err := r.react(t, pair); err != nil {
			return err
		}
	}
	r.mark = r.matcher.mark(max(lastOf(r.mark), t.Entry().TrimmableID))
	return t.Set(markKey, r.mark)
}

// decide feeds the matcher.
func (r *reactor) decide(e messages.Entry) ([]Pair, error) {
	again := e.TrimmableID <= lastOf(r.mark)
	if isTick(e.Type) {
		r.asked = false
		if again {
			return nil, nil
		}
		return r.matcher.Tick(e.Ordered), nil
	}
	it, ok, err := r.plan.item(e)
	switch {
	case err != nil || !ok:
		return nil, err
	case again:
		return r.matcher.refuse(it), nil
	}
	return r.matcher.Add(it), nil
}

// recall makes the matcher what the keys say.
func (r *reactor) recall(t *followers.Turn) error {
	mark, err := t.Get(markKey)
	if err != nil || r.matcher != nil && bytes.Equal(mark, r.mark) {
		return err
	}
	r.matcher, err = load(r.plan.window, mark, t.Scan(itemPrefix))
	if err != nil {
		return err
	}
	r.matcher.most, r.mark = mostPerTurn, mark
	return nil
}

func store(t *followers.Turn, it *Item, held bool) error {
	if !held {
		return t.Delete(keyOf(it))
	}
	value, err := valueOf(it)
	if err != nil {
		return err
	}
	return t.Set(keyOf(it), value)
}

// due is when the next tick decides something, by ordering time.
func (r *reactor) due() (time.Time, bool) {
	if r.matcher == nil {
		if err := r.peek(); err != nil {
			return time.Now().Add(resolution), true // to look again
		}
	}
	return r.matcher.Due()
}

// peek reads the keys between turns.
func (r *reactor) peek() error {
	return r.bus.View(func(v *retinue.View) error {
		keys, err := v.Follower(r.name)
		if err != nil {
			return err
		}
		mark, err := keys.Get(markKey)
		if err != nil {
			return err
		}
		m, err := load(r.plan.window, mark, keys.Scan(itemPrefix))
		if err != nil {
			return err
		}
		r.matcher, r.mark = m, mark
		r.matcher.most = mostPerTurn
		return nil
	})
}

// arm has the timer ring when something is due, but where the log itself lets
// time pass or a tick is on its way.
func (r *reactor) arm(c actor.Context) {
	due, ok := time.Time{}, false
	if r.live && !r.asked {
		due, ok = r.due()
	}
	if !ok {
		r.disarm()
		return
	}
	now := time.Now()
	rings := now.Add(longestWait)
	if due.Before(rings) {
		rings = due
	}
	if soonest := r.looked.Add(resolution); rings.Before(soonest) && (r.matcher == nil || !r.matcher.behind()) {
		rings = soonest
	}
	if r.timer != nil && !rings.Before(r.rings) {
		return
	}
	r.disarm()
	root, self := c.ActorSystem().Root, c.Self()
	r.rings = rings
	r.timer = time.AfterFunc(rings.Sub(now), func() { root.Send(self, look{}) })
}

func (r *reactor) disarm() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// look appends a tick where one is due. What keeps it from doing so ends the
// bus, or the incarnation: the next one looks again.
func (r *reactor) look() {
	r.looked = time.Now()
	due, ok := r.due()
	if !ok || !r.live || r.asked || r.looked.Add(r.bus.Status().ClockOffset).Before(due) {
		return
	}
	_, err := r.bus.Submit(r.ctx, retinue.Request{Events: []messages.Event{tickFor(r.log)}})
	r.asked = err == nil
}

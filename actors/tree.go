package actors

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// rootActor owns everything that runs for one bus.
type rootActor struct{ engine *Engine }

type spawnChildren struct{ reply chan children }

type children struct{ writer, followers *actor.PID }

// Receive implements [actor.Actor].
func (r *rootActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *spawnChildren:
		e := r.engine
		writer := actor.PropsFromProducer(func() actor.Actor { return newWriter(e) },
			actor.WithMailbox(func() actor.Mailbox { return e.mail }))
		trim := actor.PropsFromProducer(func() actor.Actor { return &trimmer{engine: e} })
		group := actor.PropsFromProducer(func() actor.Actor { return &followerGroup{engine: e} },
			actor.WithSupervisor(lastResort{e}))
		spawned := children{writer: spawn(c, writer, "writer"), followers: spawn(c, group, "followers")}
		spawn(c, trim, "trimmer")
		m.reply <- spawned
	case *actor.Stopped:
		close(r.engine.ended)
	}
}

// stoppedFromOutside fails the bus where one of its own actors ends although
// nobody closes it: half a bus would be a silent one.
func (e *Engine) stoppedFromOutside(name string) {
	if e.open() == nil {
		e.Store.Fence().Trip(fmt.Errorf("the actor %q was stopped from outside", name))
	}
}

// spawn names a child of an actor that just started: the name is free.
func spawn(c actor.Context, props *actor.Props, name string) *actor.PID {
	pid, err := c.SpawnNamed(props, name)
	if err != nil {
		panic(fmt.Sprintf("actors: spawn %s: %v", name, err))
	}
	return pid
}

// lastResort supervises the bus's own actors: one of them that panics is a
// broken invariant, and the bus fails as a whole, visibly.
type lastResort struct{ engine *Engine }

// HandleFailure implements [actor.SupervisorStrategy].
func (l lastResort) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	l.engine.Store.Fence().Trip(fmt.Errorf("actor %s: %w", child.Id, &messages.PanicError{Value: reason}))
	s.StopChildren(child)
}

// followerGroup is the parent of all supervisors.
type followerGroup struct {
	engine   *Engine
	stopping map[string][]*stopSupervisor // by the supervisor's id
}

type spawnSupervisor struct {
	tracker *tracker
	plan    *followers.Plan
	reply   chan *actor.PID
}

type stopSupervisor struct {
	tracker *tracker
	gone    chan struct{}
}

// Receive implements [actor.Actor].
func (g *followerGroup) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *spawnSupervisor:
		t := m.tracker
		props := actor.PropsFromProducer(func() actor.Actor { return newSupervisor(t, m.plan) })
		pid := spawn(c, props, url.PathEscape(t.name))
		t.mu.Lock()
		t.supervisor = pid
		t.mu.Unlock()
		m.reply <- pid
	case *stopSupervisor:
		m.tracker.mu.Lock()
		pid := m.tracker.supervisor
		m.tracker.mu.Unlock()
		if pid == nil {
			close(m.gone)
			return
		}
		if g.stopping == nil {
			g.stopping = make(map[string][]*stopSupervisor)
		}
		g.stopping[pid.Id] = append(g.stopping[pid.Id], m)
		c.Stop(pid)
	case *actor.Terminated:
		g.terminated(m.Who)
	case *actor.Stopped:
		g.engine.stoppedFromOutside("followers")
	}
}

// terminated forgets a supervisor, asked for or not.
func (g *followerGroup) terminated(pid *actor.PID) {
	e := g.engine
	for _, t := range *e.followed.Load() {
		t.mu.Lock()
		if t.supervisor == nil || t.supervisor.Id != pid.Id {
			t.mu.Unlock()
			continue
		}
		t.supervisor = nil
		t.mu.Unlock()
		e.mu.Lock()
		rest := slices.DeleteFunc(slices.Clone(*e.followed.Load()), func(o *tracker) bool { return o == t })
		e.followed.Store(&rest)
		e.mu.Unlock()
		t.failWaiters(t.fault(messages.ErrUnknownFollower))
		break
	}
	for _, m := range g.stopping[pid.Id] {
		close(m.gone)
	}
	delete(g.stopping, pid.Id)
}

package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
)

type (
	// wakeUp is a hint that the log has grown, or that a command has ended.
	wakeUp struct{}
	// rested says that a host may run again.
	rested struct{}
	// runEnded is a run's last word to its host.
	runEnded struct{ outcome outcome }
	// childGone says that the user's actor has terminated.
	childGone struct{}
)

// Where more than crowd followers are followed, each rests between the
// beginnings of two runs, by restEach for every one of them: a run that finds
// one round to read costs about a quarter of that beside its turns.
const (
	crowd    = 16
	restEach = 64 * time.Microsecond
)

// host is one incarnation of a follower. It starts a run where there is
// something to read, and stays reachable while the run calls the user's code
// on a goroutine of its own.
type host struct {
	run *run
	// running is true from the start of a run to its end; again is set by a
	// wake-up that came in between.
	running, again bool
	// resting is true from a wake-up that came too soon after the last run
	// began, until its time.
	resting bool
	began   time.Time
	over    bool  // the run failed: the supervisor is about to stop this host
	failure error // of the user's actor
}

func newHost(r *run) *host { return &host{run: r} }

// Receive implements [actor.Actor].
func (h *host) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		h.started(c)
	case wakeUp:
		h.wake(c)
	case rested:
		h.resting = false
		h.wake(c)
	case *runEnded:
		h.ended(c, m.outcome)
	case *followers.Done:
		h.run.answer(m)
	case *actor.Terminated:
		if h.run.child != nil && m.Who.Id == h.run.child.Id {
			c.Send(c.Self(), childGone{}) // behind the answers that it sent before
		}
	case childGone:
		h.childGone(c)
	case *actor.Stopping:
		h.run.cancel()
	case *actor.Stopped: // and so is the user's actor, whose answer may have come too late
		h.run.lose(errBehaviourStopped)
	}
}

func (h *host) started(c actor.Context) {
	t := h.run.tracker
	h.run.self = c.Self()
	if h.run.plan.Props != nil {
		h.spawnActor(c)
	}
	t.mu.Lock()
	t.host, t.present = c.Self(), h.run
	t.mu.Unlock()
	t.turnOver()
	h.wake(c)
}

// spawnActor makes the user's actor. What Props run on the way may panic, or
// exit, and leave the actor's name taken.
func (h *host) spawnActor(c actor.Context) {
	const name = "actor"
	props := h.run.plan.Props.Clone(
		actor.WithReceiverMiddleware(shield(h.run)), actor.WithSpawnMiddleware(shieldChildren(h.run.tracker)))
	err := h.run.apart(func() error {
		h.run.child = spawn(c, props, name)
		return nil
	})
	if err != nil {
		c.ActorSystem().ProcessRegistry.Remove(actor.NewPID(c.Self().Address, c.Self().Id+"/"+name))
		panic(err)
	}
}

// wake starts a run, or has the wake-up wait: for the end of the run under
// way, or for its time, so that many followers who are caught up with a fast
// log each read a few rounds at once. While one waits nobody sends another.
func (h *host) wake(c actor.Context) {
	t := h.run.tracker
	switch {
	case h.over || t.ended.Load():
		t.woken.Store(false)
		return
	case h.running:
		t.woken.Store(true)
		h.again = true
		return
	case h.resting:
		return
	}
	self, root := c.Self(), t.engine.root
	if rest := h.rest(); rest > 0 {
		t.woken.Store(true)
		h.resting = true
		time.AfterFunc(rest, func() { root.Send(self, rested{}) })
		return
	}
	t.woken.Store(false)
	h.running, h.again, h.began = true, false, time.Now()
	run := h.run
	go run.run(func(o outcome) { root.Send(self, &runEnded{o}) })
}

// rest returns how long it is until the next run may begin.
func (h *host) rest() time.Duration {
	n := len(*h.run.tracker.engine.followed.Load())
	if n <= crowd {
		return 0
	}
	return restEach*time.Duration(n) - time.Since(h.began)
}

func (h *host) ended(c actor.Context, o outcome) {
	h.running = false
	if o.err != nil {
		h.over = true
		c.Send(c.Parent(), &incarnationEnded{h.run, o})
		return
	}
	if h.again {
		h.wake(c)
	}
}

// HandleFailure implements [actor.SupervisorStrategy] for the user's actor:
// it is stopped, and its failure is its turn's.
func (h *host) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	h.failure = panicked(reason)
	s.StopChildren(child)
}

// childGone hands the end of the user's actor to the turn that waits for it,
// or, where none does, starts over.
func (h *host) childGone(c actor.Context) {
	if h.failure == nil {
		h.failure = errBehaviourStopped
	}
	h.run.lose(h.failure)
	if !h.running {
		h.wake(c)
	}
}

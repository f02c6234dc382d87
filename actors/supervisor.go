package actors

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/persistence"
)

// supervisor keeps one follower running: it stops an incarnation that failed,
// waits out the backoff, and starts a fresh one from the stored cursor. It
// never restarts an actor in place: protoactor would drop the message that
// failed and go on with the next, and could revive an actor that is stopping.
//
//	running --failure--> stopping --terminated--> backing off --timer--> running
//	                                    |
//	                                    +--budget spent--> parked --revive--> running
type supervisor struct {
	tracker *tracker
	plan    *followers.Plan

	run      *run       // the present incarnation, nil between two
	host     *actor.PID // nil between two incarnations
	timer    *time.Timer
	verdict  followers.Decision // of the failure that ended the incarnation
	waiting  bool               // for the timer
	stopping bool
	started  bool // an incarnation has begun
}

type (
	// revive ends a backoff, or a parked follower's rest.
	revive struct{}
	// incarnationEnded is the host's word that its run failed.
	incarnationEnded struct {
		run     *run
		outcome outcome
	}
	// quiet says that no code of the last incarnation runs any more.
	quiet struct{}
)

func newSupervisor(t *tracker, plan *followers.Plan) *supervisor {
	return &supervisor{tracker: t, plan: plan}
}

// Receive implements [actor.Actor].
func (s *supervisor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		s.start(c)
	case *incarnationEnded:
		if m.run == s.run && s.host != nil {
			s.failed(c, m.outcome)
		}
	case *actor.Terminated:
		if s.host != nil && m.Who.Id == s.host.Id {
			s.hostGone(c)
		}
	case quiet:
		s.next(c)
	case revive:
		if s.waiting || (s.run == nil && s.host == nil && !s.stopping) {
			s.start(c)
		}
	case *actor.Stopping:
		s.stopping = true
		s.stopTimer()
		s.end()
	}
}

// HandleFailure implements [actor.SupervisorStrategy]: a host panics on a
// broken invariant, or where the user's actor cannot be made; it is stopped like
// one whose run failed.
func (s *supervisor) HandleFailure(_ *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	s.note(panicked(reason))
	s.verdict = s.decide()
	s.logFailure(outcome{err: s.tracker.snapshot().lastErr, decision: s.verdict})
	sup.StopChildren(child)
}

// start begins an incarnation, unless the follower is parked.
func (s *supervisor) start(c actor.Context) {
	s.stopTimer()
	t := s.tracker
	if s.stopping || t.snapshot().control.Parked {
		return
	}
	incarnation, _, err := t.begin()
	if err != nil {
		return // the bus has failed
	}
	t.note(func(r *report) { // before it runs: who awaits its reaction may look
		if r.retryAt = (time.Time{}); s.started {
			r.restarts++
		}
	})
	s.started = true
	s.verdict = followers.Decision{}
	s.run = newRun(t, s.plan, incarnation)
	run := s.run
	props := actor.PropsFromProducer(func() actor.Actor { return newHost(run) })
	s.host = spawn(c, props, "host")
}

// failed stops the incarnation; its host's end comes back as Terminated.
func (s *supervisor) failed(c actor.Context, o outcome) {
	s.verdict = o.decision
	s.logFailure(o)
	s.end()
	c.Stop(s.host)
}

// end cancels what the incarnation runs.
func (s *supervisor) end() {
	if s.run != nil {
		s.run.cancel()
	}
}

// hostGone waits until no code of the incarnation runs: a reaction that
// ignores its context is never replaced while it runs.
func (s *supervisor) hostGone(c actor.Context) {
	s.end()
	s.host = nil
	s.tracker.mu.Lock()
	s.tracker.host, s.tracker.present = nil, nil
	s.tracker.mu.Unlock()
	run, self, root, stopping := s.run, c.Self(), s.tracker.engine.root, s.stopping
	go func() {
		if run.drain() && !stopping {
			root.Send(self, quiet{})
		}
	}()
}

// next carries out the verdict.
func (s *supervisor) next(c actor.Context) {
	if s.stopping || s.host != nil {
		return
	}
	s.run = nil
	t := s.tracker
	if s.verdict.Action == followers.ParkFollower {
		why := t.snapshot().lastErr
		err := t.changeControl(func(control *persistence.Control) {
			control.Parked = true
			if why != nil {
				control.Why = errorText(why)
			}
		})
		if err == nil {
			t.failWaiters(t.fault(parked(why)))
			t.turnOver()
		}
		return
	}
	if s.verdict.Delay <= 0 {
		s.start(c)
		return
	}
	self, root := c.Self(), t.engine.root
	t.note(func(r *report) { r.retryAt = time.Now().Add(s.verdict.Delay) })
	s.waiting = true
	s.timer = time.AfterFunc(s.verdict.Delay, func() { root.Send(self, revive{}) })
}

func (s *supervisor) stopTimer() {
	s.waiting = false
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// note records a failure that no entry is to blame for.
func (s *supervisor) note(err error) {
	s.tracker.note(func(r *report) {
		r.failures++
		r.lastErr, r.lastTime, r.lastAt = err, time.Now(), 0
	})
}

func (s *supervisor) decide() followers.Decision {
	return s.plan.Decide(s.tracker.snapshot().failures, 0, rand.Float64())
}

func (s *supervisor) logFailure(o outcome) {
	r := s.tracker.snapshot()
	s.tracker.engine.warn(&s.tracker.logged, "follower failed",
		slog.String("follower", s.tracker.name), slog.Uint64("entry", r.lastAt), slog.String("type", r.lastType.String()),
		slog.String("verdict", o.decision.Action.String()), slog.Duration("delay", o.decision.Delay), slog.Any("error", o.err))
}

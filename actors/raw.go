package actors

import (
	"context"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// deliver gives the turn to the user's actor and waits for its answer, also
// when the turn's context has ended: two deliveries are never under way.
func (r *run) deliver(t *followers.Turn) error {
	r.tracker.engine.root.RequestWithCustomSender(r.child, followers.NewDeliver(t, r.expect()), r.self)
	select {
	case done := <-r.answers:
		return done.Err()
	case <-r.gone:
		select {
		case done := <-r.answers: // it answered before it ended
			return done.Err()
		default:
			return r.lostActor()
		}
	case <-r.tracker.engine.Failed():
		return &messages.FailedError{Cause: r.tracker.engine.Store.Fence().Cause()}
	}
}

// expect returns the token of a new delivery.
func (r *run) expect() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token++
	r.answered = false
	select {
	case <-r.answers: // nobody waited for it any more
	default:
	}
	return r.token
}

// awaitActor waits until the user's actor has started, or failed to.
func (r *run) awaitActor(ctx context.Context) {
	if r.child == nil {
		return
	}
	select {
	case <-r.ready:
	case <-r.gone:
	case <-ctx.Done():
	case <-r.tracker.engine.Failed():
	}
}

// answer passes a Done on to the turn that waits for it; a stale one, or a
// second one, is dropped.
func (r *run) answer(done *followers.Done) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if done.Token() == r.token && !r.answered {
		r.answered = true
		r.answers <- done
	}
}

// lose tells the run that the user's actor is gone.
func (r *run) lose(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost == nil {
		r.lost = why
		close(r.gone)
	}
}

func (r *run) lostActor() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

// tellCaughtUp tells the follower that it has seen everything below head.
func (r *run) tellCaughtUp(head uint64) error {
	var at messages.Position = messages.EventID(head)
	if r.tracker.log == messages.TrimmableLog {
		at = messages.TrimmableID(head)
	}
	switch {
	case r.child != nil:
		r.tracker.engine.root.Send(r.child, &followers.CaughtUp{At: at})
	case r.plan.CaughtUp != nil:
		return r.safely(func(*followers.Turn) error { return r.plan.CaughtUp(r.ctx, at) })
	}
	return nil
}

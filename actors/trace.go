package actors

import (
	"context"

	"github.com/retinue-go/retinue/messages"
)

// Tracer carries the trace context of a program through the log: what an
// append's context says goes into the headers of its entries, and comes back
// out in the turns over them. Package tracing has one for OpenTelemetry. Its
// methods are safe for concurrent use.
type Tracer interface {
	// Headers returns the headers that stand for ctx, nil where it has no
	// span. The bus keeps them and does not change them; a header that an
	// event has already is left alone.
	Headers(ctx context.Context) map[string]string
	// Turn begins the span of a turn. The context that it returns, a child of
	// ctx, is the turn's; end is called once, when the turn has ended, with
	// its error.
	Turn(ctx context.Context, t TracedTurn) (_ context.Context, end func(error))
}

// TracedTurn is what a span may tell of a turn.
type TracedTurn struct {
	// Bus and Follower by their names.
	Bus, Follower string
	// Attempt counts the deliveries of the entry, from 1.
	Attempt int
	// Entries of the turn, one or a batch; valid until the turn ends.
	Entries []messages.Entry
}

// traceOf returns the headers that stand for ctx, nil without a tracer.
func (e *Engine) traceOf(ctx context.Context) map[string]string {
	if e.Tracer == nil {
		return nil
	}
	return e.Tracer.Headers(ctx)
}

// addTrace gives events the headers of a trace. They are not part of what an
// event says: it comes after the digest that idempotency keys are compared by,
// so that a retry in another trace is the same append, and they do not count
// against limits.
func addTrace(events []messages.Prepared, trace map[string]string) {
	if len(trace) == 0 {
		return
	}
	for i := range events {
		p := &events[i]
		if p.Headers == nil {
			p.Headers = trace // nobody writes to it
			continue
		}
		for key, value := range trace {
			if _, ok := p.Headers[key]; !ok {
				p.Headers[key] = value
			}
		}
	}
}

// trace begins the span of a turn, if there is a tracer.
func (r *run) trace(ctx context.Context, entries []messages.Entry, attempt int) (_ context.Context, end func(error)) {
	e := r.tracker.engine
	if e.Tracer == nil {
		return ctx, untraced
	}
	var ended func(error)
	e.tell("Tracer.Turn", func() {
		ctx, ended = e.Tracer.Turn(ctx, TracedTurn{Bus: e.Name, Follower: r.tracker.name, Attempt: attempt, Entries: entries})
	})
	if ended == nil { // it panicked
		return ctx, untraced
	}
	return ctx, func(err error) { e.tell("Tracer.Turn", func() { ended(err) }) }
}

func untraced(error) {}

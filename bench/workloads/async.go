package workloads

import (
	"context"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/peers"
)

// window is how many appends one producer keeps in flight, and how many events
// the others put into one batch.
const window = 512

// asyncGroups has one producer submit without waiting, up to a window. Raw
// Pebble and the peers get the window as one batch, or one burst in flight.
func asyncGroups(p Plan) []measure.Group {
	payloads := engines.Payloads(128)
	config := func(dir string) engines.Config {
		c := p.config(dir, payloads)
		c.Producers = 1
		return c
	}
	named := func(system, durability string) measure.Result {
		return measure.Result{
			Workload: "append-async", System: system, Durability: durability, Producers: 1, Payload: len(payloads[0]),
		}
	}
	g := measure.Group{Cases: []measure.Case{
		{Result: named("pebble", measure.Synced), Raw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return windowed(p.rawBatches(ctx, config(dir), window))
		}},
		{Result: named("retinue", measure.Synced), OverRaw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return within(engines.OpenRetinue, config(dir), func(r *engines.Retinue) (measure.Sample, error) {
				return windowed(measure.Drive(ctx, 1, p.warmUp(), p.Duration, func(ctx context.Context, w *measure.Worker) error {
					return submit(ctx, r, w)
				}))
			})
		}},
	}}
	for _, peer := range able[peers.BatchAppender]() {
		g.Cases = append(g.Cases, measure.Case{Result: named(peer.Name, peer.Durability), Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return within(peer.Open, config(dir), func(log peers.Log) (measure.Sample, error) {
				return windowed(p.batches(ctx, window, log.(peers.BatchAppender).AppendBatch))
			})
		}})
	}
	return p.chosen(g)
}

func windowed(s measure.Sample, err error) (measure.Sample, error) {
	s.Extra = map[string]float64{"window": window}
	return s, err
}

// submit keeps a window of tickets and waits for the oldest when it is full.
func submit(ctx context.Context, r *engines.Retinue, w *measure.Worker) error {
	var tickets [window]*retinue.Ticket
	var began [window]time.Time
	events := make([]messages.Event, 1)
	now := time.Now()
	for n := 0; !w.Over(); n++ {
		at := n % window
		if n >= window {
			if _, err := tickets[at].Wait(ctx); err != nil {
				return err
			}
			now = time.Now()
			w.Record(now.Sub(began[at]), 1)
		}
		events[0] = r.Pick(n)
		ticket, err := r.Submit(ctx, retinue.Request{Events: events})
		if err != nil {
			return err
		}
		tickets[at], began[at] = ticket, now
	}
	return nil // Close waits for what is in flight
}

package workloads

import (
	"context"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/peers"
)

var (
	producerCounts = []int{1, 8, 64, 512}
	payloadSizes   = []int{128, 1024}
)

// appendGroups has P producers append one event each, wait for the disk, and
// append the next.
func appendGroups(p Plan) []measure.Group {
	sizes := payloadSizes
	if p.Short {
		sizes = sizes[:1]
	}
	var groups []measure.Group
	for _, size := range sizes {
		payloads := engines.Payloads(size)
		for _, producers := range producerCounts {
			groups = append(groups, appendGroup(p, producers, payloads))
		}
	}
	return p.chosen(groups...)
}

func appendGroup(p Plan, producers int, payloads [][]byte) measure.Group {
	config := func(dir string) engines.Config {
		c := p.config(dir, payloads)
		c.Producers = producers
		return c
	}
	named := func(system, durability string) measure.Result {
		return measure.Result{
			Workload: "append", System: system, Durability: durability, Producers: producers, Payload: len(payloads[0]),
		}
	}
	g := measure.Group{Cases: []measure.Case{
		{Result: named("pebble", measure.Synced), Raw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return p.rawBatches(ctx, config(dir), producers)
		}},
		{Result: named("retinue", measure.Synced), OverRaw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return within(engines.OpenRetinue, config(dir), func(r *engines.Retinue) (measure.Sample, error) {
				return p.produce(ctx, producers, r.Append)
			})
		}},
		{Result: named("pebble-goroutines", measure.Synced), Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return within(engines.OpenPebble, config(dir), func(db *engines.Pebble) (measure.Sample, error) {
				return p.produce(ctx, producers, db.Append)
			})
		}},
	}}
	if p.Short {
		return g
	}
	for _, peer := range able[peers.Appender]() {
		g.Cases = append(g.Cases, measure.Case{Result: named(peer.Name, peer.Durability), Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return within(peer.Open, config(dir), func(log peers.Log) (measure.Sample, error) {
				return p.produce(ctx, producers, log.(peers.Appender).Append)
			})
		}})
	}
	return g
}

// produce drives producers that do one event at a time. n is different for
// each of their events, for a while.
func (p Plan) produce(ctx context.Context, producers int, do func(ctx context.Context, n uint64) error) (measure.Sample, error) {
	return measure.Drive(ctx, producers, p.warmUp(), p.Duration, func(ctx context.Context, w *measure.Worker) error {
		n := uint64(w.Index) << 20
		return w.Loop(1, func() error {
			n++
			return do(ctx, n)
		})
	})
}

// batches drives one producer that does batch events at a time.
func (p Plan) batches(ctx context.Context, batch int, do func(ctx context.Context, n uint64, events int) error) (measure.Sample, error) {
	return measure.Drive(ctx, 1, p.warmUp(), p.Duration, func(ctx context.Context, w *measure.Worker) error {
		n := uint64(0)
		return w.Loop(batch, func() error {
			n += uint64(batch)
			return do(ctx, n, batch)
		})
	})
}

// rawBatches is raw Pebble with one committer and batches of that many
// entries of one key.
func (p Plan) rawBatches(ctx context.Context, c engines.Config, batch int) (measure.Sample, error) {
	return within(engines.OpenPebble, c, func(db *engines.Pebble) (measure.Sample, error) {
		return p.batches(ctx, batch, db.AppendBatch)
	})
}

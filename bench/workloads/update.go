package workloads

import (
	"context"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/peers"
)

// updateGroups has P producers read one key and write it, as a transaction.
func updateGroups(p Plan) []measure.Group {
	var groups []measure.Group
	for _, producers := range producerCounts[:3] {
		groups = append(groups, updateGroup(p, producers))
	}
	return p.chosen(groups...)
}

func updateGroup(p Plan, producers int) measure.Group {
	keys := updateKeys()
	key := func(n uint64) []byte { return keys[n%uint64(len(keys))] }
	config := func(dir string) engines.Config {
		c := p.config(dir, nil)
		c.Producers = producers
		return c
	}
	named := func(system, durability string) measure.Result {
		return measure.Result{
			Workload: "update", System: system, Durability: durability, Producers: producers, Payload: engines.ReactionSize,
		}
	}
	g := measure.Group{Cases: []measure.Case{
		{Result: named("pebble", measure.Synced), Raw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return within(engines.OpenPebble, config(dir), func(db *engines.Pebble) (measure.Sample, error) {
				return p.batches(ctx, producers, func(_ context.Context, n uint64, events int) error {
					at := n % uint64(len(keys)-events)
					return db.UpdateBatch(keys[at : at+uint64(events)])
				})
			})
		}},
		{Result: named("retinue", measure.Synced), OverRaw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return within(engines.OpenRetinue, config(dir), func(r *engines.Retinue) (measure.Sample, error) {
				return p.produce(ctx, producers, func(ctx context.Context, n uint64) error { return r.UpdateOne(ctx, key(n)) })
			})
		}},
	}}
	for _, peer := range able[peers.Updater]() {
		g.Cases = append(g.Cases, measure.Case{Result: named(peer.Name, peer.Durability), Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return within(peer.Open, config(dir), func(log peers.Log) (measure.Sample, error) {
				return p.produce(ctx, producers, func(ctx context.Context, n uint64) error {
					return log.(peers.Updater).Update(ctx, key(n))
				})
			})
		}})
	}
	return g
}

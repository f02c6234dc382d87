package workloads

import (
	"context"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
)

// stagedGroups has P producers write one key and one event in a batch of the
// program's own database: staged and committed by the producer, or handed to
// the writer. Raw Pebble writes the entries alone.
func stagedGroups(p Plan) []measure.Group {
	var groups []measure.Group
	for _, producers := range producerCounts[:3] {
		groups = append(groups, stagedGroup(p, producers))
	}
	return p.chosen(groups...)
}

func stagedGroup(p Plan, producers int) measure.Group {
	payloads, keys := engines.Payloads(128), updateKeys()
	named := func(system, variant string) measure.Result {
		return measure.Result{
			Workload: "staged", System: system, Variant: variant, Durability: measure.Synced,
			Producers: producers, Payload: len(payloads[0]),
		}
	}
	shared := func(variant string, one func(*engines.Shared, context.Context, []byte, uint64) error) measure.Case {
		return measure.Case{Result: named("retinue", variant), OverRaw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return within(engines.OpenShared, p.config(dir, payloads), func(s *engines.Shared) (measure.Sample, error) {
				return p.produce(ctx, producers, func(ctx context.Context, n uint64) error {
					return one(s, ctx, keys[n%uint64(len(keys))], n)
				})
			})
		}}
	}
	return measure.Group{Cases: []measure.Case{
		{Result: named("pebble", ""), Raw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return p.rawBatches(ctx, p.config(dir, payloads), producers)
		}},
		shared("stage", (*engines.Shared).StageOne),
		shared("commit", (*engines.Shared).CommitOne),
	}}
}

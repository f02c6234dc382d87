package workloads

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
)

// growthGroups appends with 64 producers, and catches up with one follower, in
// logs of growing length, which are interleaved with each other.
func growthGroups(p Plan) []measure.Group {
	const producers = 64
	payloads := engines.Payloads(128)
	v := catchUp{name: "follow"}
	var template string
	var g measure.Group
	fills := map[string]func(context.Context, engines.Config) error{}
	for _, size := range []int{100_000, 1_000_000, 10_000_000} {
		entries := p.scaled(size)
		name := fmt.Sprint(entries)
		fills[name] = func(ctx context.Context, c engines.Config) error { return fillRetinue(ctx, c, entries, inBytes) }
		run := func(do func(context.Context, engines.Config) (measure.Sample, error)) func(context.Context, string) (measure.Sample, error) {
			return func(ctx context.Context, dir string) (measure.Sample, error) {
				if err := clone(filepath.Join(template, name), dir); err != nil {
					return measure.Sample{}, err
				}
				return do(ctx, p.config(dir, payloads))
			}
		}
		r := measure.Result{Workload: "growth", System: "retinue", Payload: 128, Entries: entries}
		appending, following := r, r
		appending.Variant, appending.Durability, appending.Producers = "append", measure.Synced, producers
		following.Variant, following.Durability, following.Followers = "follow", v.durability(), 1
		g.Cases = append(g.Cases,
			measure.Case{Result: appending, Run: run(func(ctx context.Context, c engines.Config) (measure.Sample, error) {
				return within(engines.OpenRetinue, c, func(r *engines.Retinue) (measure.Sample, error) {
					return p.produce(ctx, producers, r.Append)
				})
			})},
			measure.Case{Result: following, Run: run(func(ctx context.Context, c engines.Config) (measure.Sample, error) {
				return follow(ctx, c, entries, 1, v)
			})})
	}
	g.Setup = func(ctx context.Context, dir string) error {
		template = dir
		bound := map[string]func(engines.Config) error{}
		for name, fill := range fills {
			bound[name] = func(c engines.Config) error { return fill(ctx, c) }
		}
		return p.fill(dir, payloads, bound)
	}
	return p.chosen(g)
}

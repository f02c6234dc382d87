package workloads

import (
	"context"
	"path/filepath"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/messages"
)

// trimmableGroups has a follower catch up with the trimmable log, which is a
// merge of two key spaces, beside one on the permanent log.
func trimmableGroups(p Plan) []measure.Group {
	payloads := engines.Payloads(128)
	var template string
	var g measure.Group
	for _, v := range []catchUp{{name: "permanent"}, {name: "trimmable", log: messages.TrimmableLog}} {
		r := measure.Result{
			Workload: "follow-trimmable", System: "retinue", Variant: v.name, Durability: v.durability(),
			Followers: 1, Payload: 128, Entries: p.Entries,
		}
		g.Cases = append(g.Cases, measure.Case{Result: r, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			if err := clone(filepath.Join(template, v.name), dir); err != nil {
				return measure.Sample{}, err
			}
			return follow(ctx, p.config(dir, payloads), p.Entries, 1, v)
		}})
	}
	g.Setup = func(ctx context.Context, dir string) error {
		template = dir
		return p.fill(dir, payloads, map[string]func(engines.Config) error{
			"permanent": func(c engines.Config) error { return fillRetinue(ctx, c, p.Entries, inBytes) },
			"trimmable": func(c engines.Config) error { return fillRetinue(ctx, c, p.Entries, mixed) },
		})
	}
	return p.chosen(g)
}

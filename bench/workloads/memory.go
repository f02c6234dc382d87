package workloads

import (
	"context"
	"strconv"

	"github.com/retinue-go/retinue/bench/measure"
)

// memoryGroups weighs a process that does nothing but append: the bench itself
// holds the peers and every payload. Both profiles are weighed, whichever the
// run has. One round is enough, as it is long and its peak is a maximum.
func memoryGroups(p Plan) []measure.Group {
	const producers = 64
	entries := p.scaled(10_000_000)
	names := []string{p.ProfileName}
	if p.OnlyProfile {
		names = []string{"small", "server"}
	}
	g := measure.Group{Rounds: 1}
	for _, name := range names {
		r := measure.Result{
			Workload: "memory", System: "retinue", Durability: measure.Synced, Profile: name,
			Producers: producers, Payload: 128, Entries: entries,
		}
		g.Cases = append(g.Cases, measure.Case{Result: r, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			out, err := p.child(ctx, "weigh", dir, name, strconv.Itoa(entries), strconv.Itoa(producers))
			if err != nil {
				return measure.Sample{}, err
			}
			return weighed(out)
		}})
	}
	return p.chosen(g)
}

package workloads

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// rareOne is how many entries there are to one of the rare kind.
const rareOne = 10_000

// withRare are persistent events with a rare one among them.
func withRare(r *engines.Retinue, i int) messages.Event {
	e := r.Pick(i)
	if i%rareOne == rareOne/2 {
		return engines.Rare(e.(engines.Event))
	}
	return e
}

// rareGroups has one follower look for the rare kind and another read all, in
// tables and in a memtable that nothing was flushed from.
func rareGroups(p Plan) []measure.Group {
	payloads := engines.Payloads(128)
	large := p.scaled(1_000_000)
	inMemory := 200_000
	if p.Profile == persistence.Small {
		inMemory = 15_000 // of 4 MiB
	}
	var template string
	var g measure.Group
	for _, tables := range []bool{true, false} {
		for _, rare := range []bool{true, false} {
			r := measure.Result{
				Workload: "rare-kind", System: "retinue", Variant: rareVariant(rare, tables), Durability: measure.Unsynced,
				Followers: 1, Payload: 128, Entries: large,
			}
			if !tables {
				r.Entries = inMemory
			}
			g.Cases = append(g.Cases, measure.Case{Result: r, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
				if tables {
					if err := clone(filepath.Join(template, "rare"), dir); err != nil {
						return measure.Sample{}, err
					}
				}
				return within(engines.OpenRetinue, p.config(dir, payloads), func(bus *engines.Retinue) (measure.Sample, error) {
					if !tables {
						if err := bus.Fill(ctx, r.Entries, func(i int) messages.Event { return withRare(bus, i) }); err != nil {
							return measure.Sample{}, err
						}
					}
					return look(ctx, bus, r.Entries, rare)
				})
			}})
		}
	}
	g.Setup = func(ctx context.Context, dir string) error {
		template = dir
		return p.fill(dir, payloads, map[string]func(engines.Config) error{
			"rare": func(c engines.Config) error { return fillRetinue(ctx, c, large, withRare) },
		})
	}
	return p.chosen(g)
}

func rareVariant(rare, tables bool) string {
	what, where := "all", "memtable"
	if rare {
		what = "rare"
	}
	if tables {
		where = "tables"
	}
	return what + ", " + where
}

// look passes all entries with a follower that reacts to the rare ones, or to
// every one, and writes nothing.
func look(ctx context.Context, bus *engines.Retinue, entries int, rare bool) (measure.Sample, error) {
	seen, want := 0, entries
	f := followers.Follower{Name: "f", Every: func(*followers.Turn) error { seen++; return nil }}
	if rare {
		want = (entries + rareOne/2 - 1) / rareOne
		f.Every, f.Reactions = nil, []followers.Reaction{
			followers.On(func(*followers.Turn, engines.Rare) error { seen++; return nil }),
		}
	}
	s, err := measure.Timed(entries, func() error {
		if err := bus.Follow(f); err != nil {
			return err
		}
		return bus.CaughtUp(ctx, f.Name)
	})
	if err == nil && seen != want {
		err = fmt.Errorf("the follower saw %d entries, want %d", seen, want)
	}
	return s, err
}

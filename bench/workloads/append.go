package workloads

import (
	"context"
	"errors"

	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/systems"
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
		payloads := systems.Payloads(size)
		for _, producers := range producerCounts {
			groups = append(groups, appendGroup(p, producers, payloads))
		}
	}
	return p.chosen(groups...)
}

func appendGroup(p Plan, producers int, payloads [][]byte) measure.Group {
	point := measure.Result{
		Workload: "append", Producers: producers, Payload: len(payloads[0]), Durability: measure.Synced,
	}
	config := func(dir string) systems.Config {
		c := p.config(dir, payloads)
		c.Producers = producers
		return c
	}
	named := func(system, durability string) measure.Result {
		r := point
		r.System, r.Durability = system, durability
		return r
	}
	g := measure.Group{Cases: []measure.Case{
		{Result: named("pebble", measure.Synced), Raw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			return p.rawBatches(ctx, config(dir), producers)
		}},
		{Result: named("retinue", measure.Synced), OverRaw: true, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			r, err := systems.OpenRetinue(config(dir))
			if err != nil {
				return measure.Sample{}, err
			}
			return p.produce(ctx, r, r, producers)
		}},
		{Result: named("pebble-goroutines", measure.Synced), Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			db, err := systems.OpenPebble(config(dir))
			if err != nil {
				return measure.Sample{}, err
			}
			return p.produce(ctx, db, db, producers)
		}},
	}}
	if p.Short {
		return g
	}
	for _, peer := range systems.Peers() {
		if _, can := peer.Log.(systems.Appender); !can {
			continue
		}
		g.Cases = append(g.Cases, measure.Case{Result: named(peer.Name, peer.Durability), Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			log, err := peer.Open(config(dir))
			if err != nil {
				return measure.Sample{}, err
			}
			return p.produce(ctx, log, log.(systems.Appender), producers)
		}})
	}
	return g
}

// produce drives producers that append one event at a time, and closes log.
func (p Plan) produce(ctx context.Context, log systems.Log, to systems.Appender, producers int) (measure.Sample, error) {
	s, err := measure.Drive(ctx, producers, p.warmUp(), p.Duration, func(w *measure.Worker) error {
		n := uint64(w.Index)
		return w.Loop(1, func() error {
			n++
			return to.Append(ctx, n)
		})
	})
	return s, errors.Join(err, log.Close())
}

// rawBatches drives one committer that writes batches of that many entries.
func (p Plan) rawBatches(ctx context.Context, c systems.Config, batch int) (measure.Sample, error) {
	db, err := systems.OpenPebble(c)
	if err != nil {
		return measure.Sample{}, err
	}
	return p.batches(ctx, db, db, batch)
}

// batches drives one producer that appends batch events at a time, and closes
// log.
func (p Plan) batches(ctx context.Context, log systems.Log, to systems.BatchAppender, batch int) (measure.Sample, error) {
	s, err := measure.Drive(ctx, 1, p.warmUp(), p.Duration, func(w *measure.Worker) error {
		n := uint64(0)
		return w.Loop(batch, func() error {
			n += uint64(batch)
			return to.AppendBatch(ctx, n, batch)
		})
	})
	return s, errors.Join(err, log.Close())
}

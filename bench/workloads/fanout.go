package workloads

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/followers"
)

// fanoutGroups has followers that have caught up react while producers append.
// A reaction of variant read does nothing but look at the entry; one of
// variant set sets a key. p50_us and p99_us are from the call of Append to the
// reaction.
func fanoutGroups(p Plan) []measure.Group {
	var groups []measure.Group
	for _, producers := range []int{1, 64} {
		var g measure.Group
		for _, variant := range []struct {
			name      string
			followers []int
			set       bool
		}{{"none", []int{0}, false}, {"read", []int{1, 8, 64}, false}, {"set", []int{1, 8, 64}, true}} {
			for _, count := range variant.followers {
				r := measure.Result{
					Workload: "fanout", System: "retinue", Variant: variant.name, Durability: measure.Synced,
					Producers: producers, Followers: count, Payload: 128,
				}
				g.Cases = append(g.Cases, measure.Case{Result: r, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
					return within(engines.OpenRetinue, p.config(dir, engines.Payloads(128)), func(bus *engines.Retinue) (measure.Sample, error) {
						return p.fanOut(ctx, bus, producers, count, variant.set)
					})
				}})
			}
		}
		groups = append(groups, g)
	}
	return p.chosen(groups...)
}

// fan is what the followers of one run have in common.
type fan struct {
	base time.Time // the stamps count from here
	// from and to bound the stamps that are measured.
	from, to time.Duration
	set      bool
	watchers []watcher
}

// watcher is one follower. Its reaction runs on one goroutine at a time.
type watcher struct {
	delivered atomic.Int64
	latency   *hdrhistogram.Histogram
	_         [64]byte // of another cache line than its neighbour's counter
}

func (p Plan) fanOut(ctx context.Context, bus *engines.Retinue, producers, count int, set bool) (measure.Sample, error) {
	f := &fan{base: time.Now(), set: set, watchers: make([]watcher, count)}
	names := make([]string, count)
	f.from, f.to = 1<<62, 1<<62
	for i := range f.watchers {
		f.watchers[i].latency = measure.NewLatency()
		follower := f.follower(i)
		names[i] = follower.Name
		if err := bus.Follow(follower); err != nil {
			return measure.Sample{}, err
		}
	}
	if err := bus.CaughtUp(ctx, names...); err != nil {
		return measure.Sample{}, err
	}
	f.from = time.Since(f.base) + p.warmUp()
	f.to = f.from + p.Duration
	var atStart, atEnd atomic.Int64
	defer time.AfterFunc(p.warmUp(), func() { atStart.Store(f.delivered()) }).Stop()
	defer time.AfterFunc(p.warmUp()+p.Duration, func() { atEnd.Store(f.delivered()) }).Stop()

	s, err := measure.Drive(ctx, producers, p.warmUp(), p.Duration, func(ctx context.Context, w *measure.Worker) error {
		return f.produce(ctx, bus, w)
	})
	if err == nil {
		err = bus.CaughtUp(ctx, names...)
	}
	s.Extra = map[string]float64{
		"append_p50_us": float64(s.Latency.ValueAtPercentile(50)) / 1e3,
		"append_p99_us": float64(s.Latency.ValueAtPercentile(99)) / 1e3,
	}
	s.Latency = nil
	if count > 0 {
		s.Extra["delivered_per_s"] = float64(atEnd.Load()-atStart.Load()) / p.Duration.Seconds()
		s.Latency = measure.NewLatency()
	}
	for i := range f.watchers {
		s.Latency.Merge(f.watchers[i].latency)
	}
	return s, err
}

func (f *fan) delivered() int64 {
	sum := int64(0)
	for i := range f.watchers {
		sum += f.watchers[i].delivered.Load()
	}
	return sum
}

// produce appends events that begin with the time of their Append.
func (f *fan) produce(ctx context.Context, bus *engines.Retinue, w *measure.Worker) error {
	payload := append([]byte(nil), bus.Events[w.Index].(engines.Event)...)
	event := engines.Event(payload)
	return w.Loop(1, func() error {
		binary.BigEndian.PutUint64(payload, uint64(time.Since(f.base)))
		_, err := bus.Bus.Append(ctx, event)
		return err
	})
}

// sampled is the part of the entries whose latency is taken: reading the clock
// for each of millions of deliveries would be what is measured.
const sampled = 16

func (f *fan) follower(i int) followers.Follower {
	w, key, value := &f.watchers[i], make([]byte, 8), make([]byte, engines.ReactionSize)
	return followers.Follower{Name: fmt.Sprint("f", i), Every: func(t *followers.Turn) error {
		e := t.Entry()
		w.delivered.Add(1)
		if e.ID%sampled == 0 {
			stamp := time.Duration(binary.BigEndian.Uint64(e.Payload))
			if f.from <= stamp && stamp < f.to {
				measure.Record(w.latency, time.Since(f.base)-stamp, 1)
			}
		}
		if !f.set {
			return nil
		}
		binary.BigEndian.PutUint64(key, uint64(e.ID))
		return t.Set(key, value)
	}}
}

package measure

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// crowd is the number of workers above which the latency of one operation in
// crowdSample is taken, not that of each: reading the clock and counting cost
// a tenth of what an operation in a crowd does, and are not what is measured.
const (
	crowd       = 8
	crowdSample = 8
)

// A run goes through these phases; only what ends while it is measured counts.
const (
	warming int32 = iota
	measured
	over
)

// Worker is one of the goroutines of Drive. It belongs to that goroutine.
type Worker struct {
	// Index of the worker, from 0.
	Index int

	phase   *atomic.Int32
	sample  int
	events  int64
	latency *hdrhistogram.Histogram
}

// Drive runs n workers for warm+d and counts what ends in d, the time after
// the warm-up. Each has a context of its own, as requests have. work returns
// when its worker's Over does, or with an error, which ends the others.
func Drive(ctx context.Context, n int, warm, d time.Duration, work func(ctx context.Context, w *Worker) error) (Sample, error) {
	var phase atomic.Int32
	group, running := errgroup.WithContext(ctx)
	defer context.AfterFunc(running, func() { phase.Store(over) })()

	workers := make([]Worker, n)
	for i := range workers {
		workers[i] = Worker{Index: i, phase: &phase, sample: 1, latency: NewLatency()}
		if n > crowd {
			workers[i].sample = crowdSample
		}
	}
	total := Sample{Latency: NewLatency()}
	var counting sync.WaitGroup
	counting.Go(func() {
		wait(running, warm)
		atStart := mallocs()
		began := time.Now()
		phase.CompareAndSwap(warming, measured)
		wait(running, d)
		phase.Store(over)
		total.Elapsed = time.Since(began)
		total.Mallocs = mallocs() - atStart
	})
	for i := range workers {
		group.Go(func() error {
			own, cancel := context.WithCancel(running)
			defer cancel()
			return work(own, &workers[i])
		})
	}
	err := group.Wait()
	counting.Wait()
	if err == nil {
		err = ctx.Err()
	}
	for i := range workers {
		total.Events += workers[i].events
		total.Latency.Merge(workers[i].latency)
	}
	return total, err
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Over reports whether the measured time is up.
func (w *Worker) Over() bool { return w.phase.Load() == over }

// Record counts events that ended together now, unless the measured time has
// not begun or is up.
func (w *Worker) Record(took time.Duration, events int) {
	if w.count(events) {
		Record(w.latency, took, int64(events))
	}
}

func (w *Worker) count(events int) bool {
	if w.phase.Load() != measured {
		return false
	}
	w.events += int64(events)
	return true
}

// Loop calls op, which does that many events, until the time is up.
func (w *Worker) Loop(events int, op func() error) error {
	for n := w.Index; !w.Over(); n++ {
		if n%w.sample != 0 {
			if err := op(); err != nil {
				return err
			}
			w.count(events)
			continue
		}
		began := time.Now()
		if err := op(); err != nil {
			return err
		}
		w.Record(time.Since(began), events)
	}
	return nil
}

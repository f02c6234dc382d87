package measure

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// Worker is one of the goroutines of Drive.
type Worker struct {
	// Index of the worker, from 0.
	Index int

	start, end time.Time
	stop       *atomic.Bool
	events     int64
	latency    *hdrhistogram.Histogram
}

// Drive runs n workers for warm+d and counts what ends in d, the time after
// the warm-up. work returns when its worker's Over does, or with an error,
// which ends the others.
func Drive(ctx context.Context, n int, warm, d time.Duration, work func(w *Worker) error) (Sample, error) {
	var stop atomic.Bool
	group, running := errgroup.WithContext(ctx)
	defer context.AfterFunc(running, func() { stop.Store(true) })()

	start := time.Now().Add(warm)
	workers := make([]Worker, n)
	for i := range workers {
		workers[i] = Worker{Index: i, start: start, end: start.Add(d), stop: &stop, latency: NewLatency()}
	}
	var atStart, atEnd uint64
	var counting sync.WaitGroup
	counting.Go(func() {
		wait(running, time.Until(start))
		atStart = mallocs()
		wait(running, time.Until(start.Add(d)))
		atEnd = mallocs()
	})
	for i := range workers {
		group.Go(func() error { return work(&workers[i]) })
	}
	err := group.Wait()
	counting.Wait()
	if err == nil {
		err = ctx.Err()
	}
	total := Sample{Elapsed: d, Latency: NewLatency(), Mallocs: atEnd - atStart}
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
func (w *Worker) Over(now time.Time) bool { return !now.Before(w.end) || w.stop.Load() }

// Record counts events that began and ended together, unless they ended
// outside the measured time.
func (w *Worker) Record(began, ended time.Time, events int) {
	if ended.Before(w.start) || ended.After(w.end) {
		return
	}
	w.events += int64(events)
	Record(w.latency, ended.Sub(began), int64(events))
}

// Loop calls op, which does that many events, until the time is up.
func (w *Worker) Loop(events int, op func() error) error {
	for began := time.Now(); !w.Over(began); {
		if err := op(); err != nil {
			return err
		}
		now := time.Now()
		w.Record(began, now, events)
		began = now
	}
	return nil
}

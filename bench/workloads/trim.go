package workloads

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/messages"
)

// trimGroups removes the oldest entries at once and reads the first one left.
// What the machine calls a call is p50_us as well.
func trimGroups(p Plan) []measure.Group {
	payloads := engines.Payloads(128)
	gone := p.scaled(1_000_000)
	all := gone + engines.TrimAll.MinEntries
	var template string
	named := func(system string) measure.Result {
		return measure.Result{
			Workload: "trim", System: system, Durability: measure.Synced, Payload: 128, Entries: gone,
		}
	}
	cloned := func(name, dir string) (engines.Config, error) {
		return p.config(dir, payloads), clone(filepath.Join(template, name), dir)
	}
	return p.chosen(measure.Group{
		Cases: []measure.Case{
			{Result: named("retinue"), Run: func(ctx context.Context, dir string) (measure.Sample, error) {
				c, err := cloned("scrap", dir)
				if err != nil {
					return measure.Sample{}, err
				}
				return within(engines.OpenRetinue, c, func(r *engines.Retinue) (measure.Sample, error) { return trim(ctx, r, gone) })
			}},
			{Result: named("pebble"), Run: func(_ context.Context, dir string) (measure.Sample, error) {
				c, err := cloned("raw", dir)
				if err != nil {
					return measure.Sample{}, err
				}
				return within(engines.OpenPebble, c, func(db *engines.Pebble) (measure.Sample, error) {
					call, read, err := db.TrimAndRead(gone)
					return trimmed(call, read), err
				})
			}},
		},
		Setup: func(ctx context.Context, dir string) error {
			template = dir
			return p.fill(dir, payloads, map[string]func(engines.Config) error{
				"scrap": func(c engines.Config) error { return fillRetinue(ctx, c, all, inScraps) },
				"raw":   func(c engines.Config) error { return fillPebble(ctx, c, all) },
			})
		},
	})
}

func inScraps(r *engines.Retinue, i int) messages.Event {
	return engines.Scrap(r.Pick(i).(engines.Event))
}

func trim(ctx context.Context, r *engines.Retinue, gone int) (measure.Sample, error) {
	began := time.Now()
	done, err := r.Trim(ctx)
	if err != nil {
		return measure.Sample{}, err
	}
	call := time.Since(began)
	if done.Entries != uint64(gone) {
		return measure.Sample{}, fmt.Errorf("%d entries went, want %d", done.Entries, gone)
	}
	began = time.Now()
	page, err := r.Page(ctx, retinue.Query{Log: messages.TrimmableLog, Limit: 1})
	read := time.Since(began)
	if err == nil && len(page.Entries) != 1 {
		err = fmt.Errorf("read %d entries behind the horizon %d", len(page.Entries), done.Horizon)
	}
	return trimmed(call, read), err
}

func trimmed(call, read time.Duration) measure.Sample {
	s := measure.Sample{Latency: measure.NewLatency(), Extra: map[string]float64{
		"call_ms": milliseconds(call), "first_read_ms": milliseconds(read),
	}}
	measure.Record(s.Latency, call, 1)
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

package workloads

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/messages"
)

// stagedAtKill is how many events were staged and not ordered when the process
// was killed; as many were appended before them, and lie in logs only.
const stagedAtKill = 100_000

// openGroups opens a long log in the program's own database: Pebble's part of
// it counts. A killed store is one whose process has killed itself after
// staging.
func openGroups(p Plan) []measure.Group {
	payloads := engines.Payloads(128)
	entries, staged := p.scaled(10_000_000), p.scaled(stagedAtKill)
	var template string
	named := func(system, variant string) measure.Result {
		return measure.Result{
			Workload: "open", System: system, Variant: variant, Durability: measure.Synced, Payload: 128, Entries: entries,
		}
	}
	var g measure.Group
	for _, variant := range []string{"clean", "killed"} {
		want := entries
		if variant == "killed" {
			want += 2 * staged
		}
		g.Cases = append(g.Cases,
			measure.Case{Result: named("retinue", variant), Run: func(_ context.Context, dir string) (measure.Sample, error) {
				if err := clone(filepath.Join(template, variant), dir); err != nil {
					return measure.Sample{}, err
				}
				return openRetinue(p.config(dir, payloads), want)
			}},
			measure.Case{Result: named("pebble", variant), Run: func(_ context.Context, dir string) (measure.Sample, error) {
				if err := clone(filepath.Join(template, variant), dir); err != nil {
					return measure.Sample{}, err
				}
				return openPebble(p.config(dir, payloads))
			}})
	}
	g.Setup = func(ctx context.Context, dir string) error {
		template = dir
		return p.fill(dir, payloads, map[string]func(engines.Config) error{
			"clean": func(c engines.Config) error {
				if err := fillShared(ctx, c, entries); err != nil {
					return err
				}
				killed := filepath.Join(filepath.Dir(c.Dir), "killed")
				if err := os.Mkdir(killed, 0o700); err != nil {
					return err
				}
				if err := clone(c.Dir, killed); err != nil {
					return err
				}
				return p.killed(ctx, killed, staged)
			},
		})
	}
	return p.chosen(g)
}

func openRetinue(c engines.Config, want int) (measure.Sample, error) {
	began := time.Now()
	s, err := engines.OpenShared(c)
	if err != nil {
		return measure.Sample{}, err
	}
	took := time.Since(began)
	if head := s.Status().Permanent.Head; head != uint64(want)+1 {
		err = fmt.Errorf("head %d after the open, want %d", head, want+1)
	}
	return opened(took), errors.Join(err, s.Close())
}

// openPebble opens the same database without the bus.
func openPebble(c engines.Config) (measure.Sample, error) {
	began := time.Now()
	db, err := pebble.Open(c.Dir, engines.SharedOptions(c.Profile))
	if err != nil {
		return measure.Sample{}, err
	}
	return opened(time.Since(began)), db.Close()
}

func opened(took time.Duration) measure.Sample {
	s := measure.Sample{Latency: measure.NewLatency(), Extra: map[string]float64{"open_ms": milliseconds(took)}}
	measure.Record(s.Latency, took, 1)
	return s
}

// fillShared is fillRetinue in the program's own database.
func fillShared(ctx context.Context, c engines.Config, n int) error {
	s, err := engines.OpenShared(c)
	if err != nil {
		return err
	}
	err = s.Fill(ctx, n, func(i int) messages.Event { return s.Pick(i) })
	if err == nil {
		err = s.DB.Flush()
	}
	settle(ctx, c.Dir, n)
	return errors.Join(err, s.Close())
}

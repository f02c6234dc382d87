package join_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/join"
)

const (
	million = 1_000_000
	// abreast is how many payments are open at a time.
	abreast = 1000
)

// BenchmarkMatcher joins 10^6 lefts with 10^6 rights, without a log.
func BenchmarkMatcher(b *testing.B) {
	keys := make([]string, million)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	for _, w := range []join.Window{
		{Within: time.Hour},
		{Within: time.Hour, Time: join.Event, Lateness: time.Second},
	} {
		b.Run([]string{"ordered", "event"}[w.Time], func(b *testing.B) {
			for b.Loop() {
				m := join.NewMatcher(w)
				matched, most := 0, 0
				add := func(n, place int, right bool) {
					now := noon.Add(time.Duration(place) * time.Millisecond)
					for _, p := range m.Add(join.Item{Key: keys[n], Right: right, Entry: messages.Entry{Time: now, Ordered: now}}) {
						if p.Outcome == join.Matched {
							matched++
						}
					}
					most = max(most, m.Held())
				}
				for i := range million + abreast {
					if i < million {
						add(i, 2*i, false)
					}
					if i >= abreast {
						add(i-abreast, 2*i+1, true)
					}
				}
				for _, p := range m.Finish(noon) {
					if p.Outcome == join.Matched {
						matched++
					}
				}
				if matched != million {
					b.Fatalf("%d matched, want %d", matched, million)
				}
				b.ReportMetric(float64(most), "held")
			}
			b.ReportMetric(2*million*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// benchBus opens a bus on disk with n lefts and n rights.
func benchBus(b *testing.B, n int) *retinue.Bus {
	b.Helper()
	bus, err := retinue.Open(b.TempDir(), &retinue.Options{Durability: retinue.None()})
	if err != nil {
		b.Fatal(err)
	}
	var batch []messages.Event
	for i := range n + abreast {
		if i < n {
			batch = append(batch, started{strconv.Itoa(i)})
		}
		if i >= abreast {
			batch = append(batch, succeeded{strconv.Itoa(i - abreast), 1})
		}
		if len(batch) >= 1000 || i == n+abreast-1 {
			if _, err := bus.Submit(b.Context(), retinue.Request{Events: batch}); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if _, err := bus.Append(b.Context(), decided{"the end"}); err != nil {
		b.Fatal(err)
	}
	return bus
}

// BenchmarkQuery joins a log of 10^6 lefts and 10^6 rights.
func BenchmarkQuery(b *testing.B) {
	bus := benchBus(b, million)
	defer bus.Close()
	b.ReportAllocs()
	for b.Loop() {
		matched := 0
		for r, err := range payments(join.Window{Within: time.Hour}).Each(b.Context(), bus, retinue.Query{}) {
			if err != nil {
				b.Fatal(err)
			}
			if r.Outcome == join.Matched {
				matched++
			}
		}
		if matched != million {
			b.Fatalf("%d matched, want %d", matched, million)
		}
	}
	b.ReportMetric(2*million*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkFollower has a follower catch up with 20,000 lefts and as many rights.
func BenchmarkFollower(b *testing.B) {
	const n = million / 50
	for b.Loop() {
		bus := benchBus(b, n)
		matched := 0
		f, err := payments(join.Window{Within: time.Hour}).Follower(bus, follower, func(_ *followers.Turn, r join.Result[started]) error {
			if r.Outcome == join.Matched {
				matched++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := bus.Follow(f); err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if err := bus.CaughtUp(b.Context(), follower); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(2*n/time.Since(begin).Seconds(), "entries/s")
		if matched != n {
			b.Fatalf("%d matched, want %d", matched, n)
		}
		if err := bus.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

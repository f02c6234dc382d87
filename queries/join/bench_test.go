package join_test

import (
	"runtime"
	"runtime/metrics"
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

// BenchmarkQuery joins logs of 10^5 and of 10^6 lefts with as many rights. Peak
// is how far the heap grew, and live how far what is reachable in it did, both
// looked at every 1,000 results: they go with the window and not with the log.
func BenchmarkQuery(b *testing.B) {
	for _, n := range []int{million / 10, million} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			bus := benchBus(b, n)
			defer bus.Close()
			b.ReportAllocs()
			var h heap
			for b.Loop() {
				matched := 0
				h.begin()
				for r, err := range payments(join.Window{Within: time.Hour}).Each(b.Context(), bus, retinue.Query{}) {
					if err != nil {
						b.Fatal(err)
					}
					if r.Outcome == join.Matched {
						matched++
					}
					if matched%1000 == 0 {
						h.look()
					}
				}
				if matched != n {
					b.Fatalf("%d matched, want %d", matched, n)
				}
			}
			b.ReportMetric(2*float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64(h.peak)/1e6, "peak-MB")
			b.ReportMetric(float64(h.live)/1e6, "live-MB")
		})
	}
}

// heap is how far the heap has grown since begin.
type heap struct {
	samples    [2]metrics.Sample
	from       [2]uint64
	peak, live uint64
}

func (h *heap) begin() {
	runtime.GC()
	h.samples[0].Name, h.samples[1].Name = "/memory/classes/heap/objects:bytes", "/gc/heap/live:bytes"
	metrics.Read(h.samples[:])
	for i, s := range h.samples {
		h.from[i] = s.Value.Uint64()
	}
}

func (h *heap) look() {
	metrics.Read(h.samples[:])
	for i, most := range []*uint64{&h.peak, &h.live} {
		if now := h.samples[i].Value.Uint64(); now > h.from[i] {
			*most = max(*most, now-h.from[i])
		}
	}
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

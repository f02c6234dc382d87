package metrics_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	client "github.com/prometheus/client_model/go"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/metrics"
)

type deposited struct{ Sats uint64 }

func (deposited) EventType() messages.Type { return messages.Type{Module: "wallet", Kind: "deposited"} }

// openBus opens a bus in dir with a follower, which has handled one event.
func openBus(t *testing.T, dir string, opts *retinue.Options) *retinue.Bus {
	t.Helper()
	bus, err := retinue.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bus.Close(); err != nil {
			t.Error(err)
		}
	})
	err = bus.Follow(followers.Follower{Name: "balance", Every: func(*followers.Turn) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	at, err := bus.Append(t.Context(), deposited{21})
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Await(t.Context(), "balance", at); err != nil {
		t.Fatal(err)
	}
	return bus
}

func registry(t *testing.T, buses ...*retinue.Bus) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	for _, bus := range buses {
		if err := r.Register(metrics.Collector{Bus: bus}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func gather(t *testing.T, r *prometheus.Registry) map[string]*client.MetricFamily {
	t.Helper()
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]*client.MetricFamily)
	for _, f := range all {
		found[f.GetName()] = f
	}
	return found
}

// row is what docs/metrics.md has to say of a metric.
func row(f *client.MetricFamily) string {
	var labels []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		if name := l.GetName(); name != "bus" && name != "store" {
			labels = append(labels, name)
		}
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |",
		f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
}

func TestEveryMetricIsDocumentedAndEveryDocumentedOneIsCollected(t *testing.T) {
	var want []string
	for _, f := range gather(t, registry(t, openBus(t, t.TempDir(), nil))) {
		want = append(want, row(f))
	}
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `retinue_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("docs/metrics.md lacks the line\n%s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("docs/metrics.md has a line that is not true:\n%s", line)
		}
	}
}

func TestMetricsKeepTheConventionsOfPrometheus(t *testing.T) {
	bus := openBus(t, t.TempDir(), nil)
	problems, err := testutil.CollectAndLint(metrics.Collector{Bus: bus})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestOneRegistryTakesSeveralBuses(t *testing.T) {
	first := openBus(t, "first", &retinue.Options{FS: vfs.NewMem()})
	second := openBus(t, "second", &retinue.Options{FS: vfs.NewMem()})
	if _, err := second.Append(t.Context(), deposited{1}, deposited{2}); err != nil {
		t.Fatal(err)
	}
	r := registry(t, first, second)
	heads := make(map[string]float64)
	for _, m := range gather(t, r)["retinue_log_head"].GetMetric() {
		labels := labelsOf(m)
		if labels["log"] == "permanent" {
			heads[labels["bus"]+" "+labels["store"]] = m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{"first " + first.StoreID().String(): 2, "second " + second.StoreID().String(): 4}
	if !maps.Equal(heads, want) {
		t.Errorf("heads = %v, want %v", heads, want)
	}
	var taken prometheus.AlreadyRegisteredError
	if err := r.Register(metrics.Collector{Bus: first}); !errors.As(err, &taken) {
		t.Errorf("a second collector of one bus: %v, want %T", err, taken)
	}
}

func TestMetricsOfAClosedBusLeaveOutItsDatabase(t *testing.T) {
	bus := openBus(t, "store", &retinue.Options{FS: vfs.NewMem()})
	r := registry(t, bus)
	if gather(t, r)["retinue_memtables"] == nil {
		t.Error("no memtables while the bus is open")
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	found := gather(t, r)
	if f := found["retinue_memtables"]; f != nil {
		t.Errorf("memtables of a closed bus: %v", f)
	}
	if got := found["retinue_log_head"].GetMetric()[0].GetGauge().GetValue(); got != 2 {
		t.Errorf("head of a closed bus = %v, want 2", got)
	}
}

// A file system that does not tell how full it is must not look full.
func TestDiskSpaceThatIsNotKnownIsLeftOut(t *testing.T) {
	found := gather(t, registry(t, openBus(t, "store", &retinue.Options{FS: vfs.NewMem()})))
	if f := found["retinue_disk_free_bytes"]; f != nil {
		t.Errorf("free space in memory: %v", f)
	}
}

func TestHistogramsAreInBaseUnitsAndCumulative(t *testing.T) {
	bus := openBus(t, "store", &retinue.Options{FS: vfs.NewMem()})
	h := gather(t, registry(t, bus))["retinue_append_latency_seconds"].GetMetric()[0].GetHistogram()
	m := bus.Metrics().Append
	if h.GetSampleCount() != 1 || h.GetSampleSum() != m.Sum/1e9 {
		t.Errorf("%d appends in %v s, want one in %v ns", h.GetSampleCount(), h.GetSampleSum(), m.Sum)
	}
	last := uint64(0)
	for i, b := range h.GetBucket() {
		if b.GetUpperBound() != m.Bounds[i].Seconds() || b.GetCumulativeCount() < last {
			t.Errorf("bucket %d: %d up to %v, want at least %d up to %v",
				i, b.GetCumulativeCount(), b.GetUpperBound(), last, m.Bounds[i].Seconds())
		}
		last = b.GetCumulativeCount()
	}
	if last != 1 {
		t.Errorf("%d in all buckets, want 1", last)
	}
}

func TestAFollowerIsInOneState(t *testing.T) {
	bus := openBus(t, "store", &retinue.Options{FS: vfs.NewMem()})
	if err := bus.Pause(t.Context(), "balance"); err != nil {
		t.Fatal(err)
	}
	var in []string
	for _, m := range gather(t, registry(t, bus))["retinue_follower_state"].GetMetric() {
		if m.GetGauge().GetValue() == 1 {
			in = append(in, labelsOf(m)["state"])
		}
	}
	if !slices.Equal(in, []string{string(retinue.Paused)}) {
		t.Errorf("states %q, want paused alone", in)
	}
}

func labelsOf(m *client.Metric) map[string]string {
	labels := make(map[string]string)
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

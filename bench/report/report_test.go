package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/retinue-go/retinue/bench/measure"
)

func result(r measure.Result, rate float64) measure.Result {
	r.EventsPerS = &rate
	return r
}

func append64(system, durability string) measure.Result {
	return measure.Result{Workload: "append", System: system, Producers: 64, Payload: 128, Durability: durability, Profile: "server"}
}

// verdicts are the lines of the bars by what they demand.
func verdicts(t *testing.T, results ...measure.Result) map[string]string {
	t.Helper()
	lines := map[string]string{}
	for _, b := range bars {
		if _, twice := lines[b.what]; twice {
			t.Errorf("two bars demand %q", b.what)
		}
		lines[b.what] = b.verdict(results)
	}
	return lines
}

func TestBarsWithoutFiguresAreNotRun(t *testing.T) {
	for what, verdict := range verdicts(t) {
		if verdict != "\tnot run" {
			t.Errorf("%s: %q", what, verdict)
		}
	}
}

func TestBarsComputeRatiosFromTheRun(t *testing.T) {
	ours := result(append64("retinue", measure.Synced), 150_000)
	ratio := 0.75
	ours.RatioToRaw = &ratio
	lines := verdicts(t, ours,
		result(append64("pebble-goroutines", measure.Synced), 120_000),
		result(append64("bbolt", measure.Synced), 50_000),
		result(append64("badger", measure.Synced), 3_000),
		result(append64("nats", measure.Synced), 2_000),
		result(append64("nats-default", measure.Unsynced), 80_000),
		result(append64("watermill", measure.InMemory), 1_000_000))
	for what, want := range map[string]string{
		"append 128 B, 64 producers, of raw batch 64":                 "0.75x\tmet",
		"append 128 B, 64 producers, against 64 goroutines on Pebble": "1.25x\tmissed",
		"append 128 B, 64 producers, against the best synced peer":    "3x\tmet",
		"append 128 B, 64 producers, against NATS with SyncAlways":    "75x\tmet",
		"append 128 B, 64 producers, against NATS by default":         "1.88x\tmissed",
		"append 128 B, 8 producers, of raw batch 8":                   "\tnot run",
	} {
		if lines[what] != want {
			t.Errorf("%s: %q, want %q", what, lines[what], want)
		}
	}
}

func TestBarsTakeProfileServerUnlessTheyNameAnother(t *testing.T) {
	weight := func(profile string, peak float64) measure.Result {
		return measure.Result{Workload: "memory", System: "retinue", Profile: profile, Extra: map[string]float64{"peak_mib": peak}}
	}
	small, server := append64("retinue", measure.Synced), append64("retinue", measure.Synced)
	small.Profile = "small"
	low, high := 0.5, 0.9
	small.RatioToRaw, server.RatioToRaw = &low, &high
	lines := verdicts(t, result(small, 1), result(server, 1), weight("server", 300), weight("small", 41))
	if got := lines["append 128 B, 64 producers, of raw batch 64"]; got != "0.90x\tmet" {
		t.Errorf("of raw: %q, want the server's", got)
	}
	if got := lines["memory, profile small, 64 producers: peak"]; got != "41 MiB\tmet" {
		t.Errorf("memory: %q, want the small one's", got)
	}
}

func TestBarsWithAnUpperBoundAreMetBelowIt(t *testing.T) {
	open := measure.Result{Workload: "open", System: "retinue", Variant: "clean", Extra: map[string]float64{"open_ms": 100}}
	if got := verdicts(t, open)["open, closed cleanly"]; got != "100 ms\tmet" {
		t.Errorf("at the bound: %q", got)
	}
	open.Extra["open_ms"] = 101
	if got := verdicts(t, open)["open, closed cleanly"]; got != "101 ms\tmissed" {
		t.Errorf("above the bound: %q", got)
	}
}

func TestGrowthComparesTheLongestLogWithTheShortest(t *testing.T) {
	at := func(entries int, rate float64) measure.Result {
		return result(measure.Result{Workload: "growth", System: "retinue", Variant: "append", Entries: entries}, rate)
	}
	lines := verdicts(t, at(100_000, 100), at(1_000_000, 40), at(10_000_000, 85))
	if got := lines["growth 10^5 to 10^7: append, 64 producers"]; got != "0.85x\tmet" {
		t.Errorf("growth: %q", got)
	}
}

func TestTableLeavesOutColumnsThatNobodyHas(t *testing.T) {
	var out bytes.Buffer
	Table(&out, "durable append", []measure.Result{result(append64("retinue", measure.Synced), 1_234_567)})
	text := out.String()
	for _, want := range []string{"append: durable append", "events/s", "1,234,567", "retinue"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	for _, unwanted := range []string{"followers", "p50", "of raw", "variant"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("%q in:\n%s", unwanted, text)
		}
	}
}

func TestNumbersAreShort(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 0.834: "0.83", 9.5: "9.50", 12.34: "12.3", 64: "64", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := number(f); got != want {
			t.Errorf("%v is written %q, want %q", f, got, want)
		}
	}
}

func TestPlotDrawsAPanelForWhatThereIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.svg")
	if err := Plot(file, nil); err == nil {
		t.Error("nothing was plotted without complaint")
	}
	if err := Plot(file, []measure.Result{result(append64("retinue", measure.Synced), 150_000)}); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(svg, []byte("<svg")) || !bytes.Contains(svg, []byte("durable append")) || bytes.Contains(svg, []byte("catch-up")) {
		t.Errorf("%d bytes without what was measured, or with what was not", len(svg))
	}
}

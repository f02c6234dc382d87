package report

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/peers"
)

// bar is one demand on a run.
type bar struct {
	// what is demanded of what, in words; the bound is added to it.
	what string
	// bound that the figure must not fall below, or with atMost, exceed.
	bound  float64
	atMost bool
	unit   string
	// figure finds the value in the results; false where they do not have it.
	figure func(figures) (float64, bool)
}

// Bars prints of every bar what was measured and whether it was met. The
// figures are those of profile Server where the run had it, but for the bars
// that name another.
func Bars(w io.Writer, results []measure.Result) {
	fmt.Fprintln(w, "\nbars")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "demand\tbar\tmeasured\t")
	for _, b := range bars {
		fmt.Fprintf(t, "%s\t%s\t%s\n", b.what, b.demand(), b.verdict(results))
	}
	t.Flush()
}

func (b bar) demand() string {
	if b.atMost {
		return "<= " + number(b.bound) + b.unit
	}
	return ">= " + number(b.bound) + b.unit
}

func (b bar) verdict(results []measure.Result) string {
	figure, found := b.figure(figures(results))
	switch {
	case !found:
		return "\tnot run"
	case b.met(figure):
		return number(figure) + b.unit + "\tmet"
	}
	return number(figure) + b.unit + "\tmissed"
}

func (b bar) met(figure float64) bool {
	if b.atMost {
		return figure <= b.bound
	}
	return figure >= b.bound
}

var bars = slices.Concat(appendBars, followBars, storeBars)

var appendBars = []bar{
	{"append 128 B, 1 producer, of raw Pebble", 0.95, false, "x", overRaw(1, 128)},
	{"append 128 B, 1 producer, p50 against raw Pebble", 1.1, true, "x", ratio(p50, appended("retinue", 1, 128), appended("pebble", 1, 128))},
	{"append 128 B, 8 producers, of raw batch 8", 0.90, false, "x", overRaw(8, 128)},
	{"append 128 B, 8 producers, against 8 goroutines on Pebble", 1.5, false, "x", ratio(rate, appended("retinue", 8, 128), appended("pebble-goroutines", 8, 128))},
	{"append 128 B, 64 producers, of raw batch 64", 0.75, false, "x", overRaw(64, 128)},
	{"append 128 B, 64 producers, against 64 goroutines on Pebble", 1.3, false, "x", ratio(rate, appended("retinue", 64, 128), appended("pebble-goroutines", 64, 128))},
	{"append 1 KiB, 64 producers, of raw batch 64", 0.80, false, "x", overRaw(64, 1024)},
	{"append 128 B, 512 producers, of raw batch 512", 0.80, false, "x", overRaw(512, 128)},
	{"asynchronous append, window 512, of raw batch 512", 0.90, false, "x", ratio(rate, line{workload: "append-async", system: "retinue"}, line{workload: "append-async", system: "pebble"})},
	{"append 128 B, 64 producers, against the best synced peer", 3, false, "x", overBest(appended("retinue", 64, 128), line{workload: "append", producers: 64, payload: 128, durability: measure.Synced})},
	{"append 128 B, 64 producers, against NATS with SyncAlways", 60, false, "x", ratio(rate, appended("retinue", 64, 128), appended("nats", 64, 128))},
	{"append 128 B, 64 producers, against NATS by default", 2, false, "x", ratio(rate, appended("retinue", 64, 128), appended("nats-default", 64, 128))},
}

var (
	followed   = line{workload: "follow", system: "retinue", variant: "every", followers: 1, durability: measure.Unsynced}
	followSync = line{workload: "follow", system: "retinue", variant: "every", followers: 1, durability: measure.Synced}
	scanned    = line{workload: "follow", system: "pebble", variant: "scan", followers: 1}
)

var followBars = []bar{
	{"follow, 1 follower, unsynced, of raw Pebble's scan (1,500,000/s where that gives 6,000,000/s)", 0.25, false, "x", ratio(rate, followed, scanned)},
	{"follow, 1 follower, synced, of raw Pebble's scan (500,000/s where that gives 6,000,000/s)", 1. / 12, false, "x", ratio(rate, followSync, scanned)},
	{"follow, 1 follower, unsynced, against the best peer, however durable", 5, false, "x", overBest(followed, line{workload: "follow", followers: 1})},
	{"follow, 1 follower, synced, against the best synced peer", 5, false, "x", overBest(followSync, line{workload: "follow", followers: 1, durability: measure.Synced})},
	{"follow, 1 follower, synced, against one synced transaction per event", 50, false, "x", ratio(rate, followSync, line{workload: "follow", system: "pertxn", durability: measure.Synced})},
	{"trimmable log, half persistent, of the permanent log", 0.6, false, "x", ratio(rate, line{workload: "follow-trimmable", variant: "trimmable"}, line{workload: "follow-trimmable", variant: "permanent"})},
	{"64 followers, 64 producers: appended, of the same without followers", 0.6, false, "x", ratio(rate, fannedOut, line{workload: "fanout", system: "retinue", producers: 64, variant: "none"})},
	{"64 followers, 64 producers: append to reaction, p99", 10, true, " ms", scaled(1e-3, p99, fannedOut)},
	{"a kind of 1 in 10,000, after a flush, against reading all", 50, false, "x", ratio(rate, rare("rare", "tables"), rare("all", "tables"))},
	{"a kind of 1 in 10,000, in the memtable, against reading all", 3, false, "x", ratio(rate, rare("rare", "memtable"), rare("all", "memtable"))},
}

var fannedOut = line{workload: "fanout", system: "retinue", variant: "read", producers: 64, followers: 64}

func rare(what, where string) line {
	return line{workload: "rare-kind", system: "retinue", variant: what + ", " + where}
}

var storeBars = []bar{
	{"trim of 1,000,000: the call", 20, true, " ms", scaled(1, extra("call_ms"), line{workload: "trim", system: "retinue"})},
	{"trim of 1,000,000: the first read after it", 5, true, " ms", scaled(1, extra("first_read_ms"), line{workload: "trim", system: "retinue"})},
	{"open, closed cleanly", 100, true, " ms", scaled(1, extra("open_ms"), line{workload: "open", system: "retinue", variant: "clean"})},
	{"open, killed with 100,000 staged", 1000, true, " ms", scaled(1, extra("open_ms"), line{workload: "open", system: "retinue", variant: "killed"})},
	{"memory, profile small, 64 producers: peak", 64, true, " MiB", scaled(1, extra("peak_mib"), line{workload: "memory", system: "retinue", profile: "small"})},
	{"growth 10^5 to 10^7: append, 64 producers", 0.8, false, "x", growth("append")},
	{"growth 10^5 to 10^7: follow", 0.8, false, "x", growth("follow")},
}

// overRaw is the ratio that the results carry.
func overRaw(producers, payload int) func(figures) (float64, bool) {
	return scaled(1, func(r measure.Result) *float64 { return r.RatioToRaw }, appended("retinue", producers, payload))
}

// overBest is the rate of a line over that of the best peer among others.
func overBest(of, among line) func(figures) (float64, bool) {
	return func(f figures) (float64, bool) {
		best := 0.0
		for _, peer := range peers.All() {
			among.system = peer.Name
			for _, r := range f.all(among) {
				if v := rate(r); v != nil {
					best = max(best, *v)
				}
			}
		}
		mine, found := f.value(rate, of)
		return mine / best, found && best > 0
	}
}

// growth is the rate in the longest log over that in the shortest.
func growth(variant string) func(figures) (float64, bool) {
	return func(f figures) (float64, bool) {
		lines := f.all(line{workload: "growth", system: "retinue", variant: variant})
		if len(lines) < 2 || rate(lines[0]) == nil || rate(lines[len(lines)-1]) == nil {
			return 0, false
		}
		return *rate(lines[len(lines)-1]) / *rate(lines[0]), true
	}
}

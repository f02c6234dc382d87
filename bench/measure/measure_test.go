package measure

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestMedianIsTheMiddleWhateverTheOrder(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		given := slices.Clone(c.values)
		if got := Median(given); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(given, c.values) {
			t.Errorf("%v was reordered to %v", c.values, given)
		}
	}
}

// sample is a second with that many events, each of which took d.
func sample(events int64, d time.Duration) Sample {
	s := Sample{Events: events, Elapsed: time.Second, Latency: NewLatency(), Mallocs: uint64(2 * events)}
	Record(s.Latency, d, events)
	return s
}

func TestFiguresAreMediansOverTheRounds(t *testing.T) {
	one := sample(100, time.Millisecond)
	one.Extra = map[string]float64{"open_ms": 7}
	r := reduce(Result{System: "retinue"}, []Sample{one, sample(300, 3*time.Millisecond), sample(200, 2*time.Millisecond)})
	if r.Rounds != 3 || *r.EventsPerS != 200 || *r.Allocs != 2 || r.Extra["open_ms"] != 7 {
		t.Errorf("rounds %d, %v/s, %v allocs, extra %v", r.Rounds, *r.EventsPerS, *r.Allocs, r.Extra)
	}
	if math.Abs(*r.P50-2000) > 20 || math.Abs(*r.P99-2000) > 20 {
		t.Errorf("p50 %v us, p99 %v us, want 2000 within a percent", *r.P50, *r.P99)
	}
}

func TestWhatWasNotMeasuredIsNull(t *testing.T) {
	r := reduce(Result{Workload: "trim"}, []Sample{{Extra: map[string]float64{"call_ms": 1}}})
	if r.EventsPerS != nil || r.P50 != nil || r.P99 != nil || r.Allocs != nil || r.RatioToRaw != nil {
		t.Errorf("%+v has figures", r)
	}
}

func TestJSONHasTheFixedKeysAndTheExtraOnesBesideThem(t *testing.T) {
	r := reduce(Result{Workload: "append", System: "retinue", Producers: 64, Payload: 128, Durability: Synced, Profile: "server"},
		[]Sample{sample(10, time.Millisecond)})
	r.Extra = map[string]float64{"window": 512}
	line, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(line, &object); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	for _, key := range []string{
		"workload", "system", "producers", "followers", "payload", "durability",
		"events_per_s", "p50_us", "p99_us", "allocs_per_event", "ratio_to_raw", "window",
	} {
		if _, found := object[key]; !found {
			t.Errorf("%s has no %s", line, key)
		}
	}
	if object["ratio_to_raw"] != nil || object["window"] != 512. || object["producers"] != 64. {
		t.Errorf("unexpected values in %s", line)
	}
	var back Result
	if err := json.Unmarshal(line, &back); err != nil || *back.EventsPerS != *r.EventsPerS {
		t.Errorf("%s reads as %+v, %v", line, back, err)
	}
}

// rounds runs a group whose cases return the given rates.
func rounds(t *testing.T, r Runner, cases ...Case) ([]Result, error) {
	t.Helper()
	r.Dir, r.Progress = t.TempDir(), func(string, ...any) {}
	return r.Run(t.Context(), Group{Cases: cases})
}

func rated(system string, rate int64) Case {
	return Case{Result: Result{System: system}, Run: func(context.Context, string) (Sample, error) {
		return sample(rate, time.Millisecond), nil
	}}
}

func TestRatioIsToRawOnlyAndForRetinueOnly(t *testing.T) {
	raw, ours, peer := rated("pebble", 400), rated("retinue", 300), rated("bbolt", 100)
	raw.Raw, ours.OverRaw = true, true
	results, err := rounds(t, Runner{Rounds: 3}, raw, ours, peer)
	if err != nil || len(results) != 3 {
		t.Fatal(results, err)
	}
	if results[0].RatioToRaw != nil || results[2].RatioToRaw != nil {
		t.Error("a ratio where none belongs")
	}
	if results[1].RatioToRaw == nil || *results[1].RatioToRaw != 0.75 {
		t.Errorf("ratio %v, want 0.75", results[1].RatioToRaw)
	}
	if alone, err := rounds(t, Runner{Rounds: 1}, ours, peer); err != nil || alone[0].RatioToRaw != nil {
		t.Errorf("a ratio without raw: %v, %v", alone, err)
	}
}

func TestRoundsInterleaveAndRotateInFreshDirectories(t *testing.T) {
	var order, dirs []string
	watch := func(name string) Case {
		return Case{Result: Result{System: name}, Run: func(_ context.Context, dir string) (Sample, error) {
			if found, err := os.ReadDir(dir); err != nil || len(found) > 0 {
				t.Errorf("%s: %v, %v", dir, found, err)
			}
			order, dirs = append(order, name), append(dirs, dir)
			return sample(1, 1), os.WriteFile(dir+"/left", nil, 0o600)
		}}
	}
	if _, err := rounds(t, Runner{Rounds: 3}, watch("a"), watch("b"), watch("c")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c", "b", "c", "a", "c", "a", "b"}; !slices.Equal(order, want) {
		t.Errorf("ran in the order %v, want %v", order, want)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind: %v", dir, err)
		}
	}
}

func TestASystemThatFailsIsLeftOutAndTheOthersGoOn(t *testing.T) {
	broken := errors.New("no cgo")
	bad := Case{Result: Result{System: "sqlite"}, Run: func(context.Context, string) (Sample, error) { return Sample{}, broken }}
	results, err := rounds(t, Runner{Rounds: 2}, bad, rated("retinue", 5))
	if !errors.Is(err, broken) || len(results) != 1 || results[0].System != "retinue" || results[0].Rounds != 2 {
		t.Errorf("results %v, error %v", results, err)
	}
}

func TestASpentBudgetEndsAfterTheRoundUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := Case{Run: func(context.Context, string) (Sample, error) {
			time.Sleep(2 * time.Second)
			return sample(1, 1), nil
		}}
		results, err := rounds(t, Runner{Rounds: 9, Budget: 3 * time.Second}, slow)
		if err != nil || results[0].Rounds != 2 {
			t.Errorf("%d rounds, want the two that began within 3 s; %v", results[0].Rounds, err)
		}
	})
}

func TestDriveCountsWhatEndsWithinTheMeasuredTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Drive(t.Context(), 2, time.Second, 10*time.Second, func(_ context.Context, w *Worker) error {
			return w.Loop(3, func() error {
				time.Sleep(400 * time.Millisecond)
				return nil
			})
		})
		// Of operations that end at 0.4, 0.8, 1.2, ... 10.8 s, those from 1.2 on
		// count: 25 of 3 events each, of 2 workers.
		if err != nil || s.Events != 150 || s.Elapsed != 10*time.Second {
			t.Errorf("%d events in %v, want 150 in 10s; %v", s.Events, s.Elapsed, err)
		}
		if p50 := time.Duration(s.Latency.ValueAtPercentile(50)); (p50 - 400*time.Millisecond).Abs() > 4*time.Millisecond {
			t.Errorf("p50 %v, want 400ms within a percent", p50)
		}
	})
}

func TestACrowdIsCountedWholeAndTimedInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Drive(t.Context(), 2*crowd, time.Second, 16*time.Second, func(_ context.Context, w *Worker) error {
			return w.Loop(1, func() error {
				time.Sleep(999 * time.Millisecond)
				return nil
			})
		})
		// 16 workers end an operation at 1.998, 2.997, ... 16.983 s.
		if err != nil || s.Events != 16*16 || s.Latency.TotalCount() != 16*16/crowdSample {
			t.Errorf("%d events, %d of them timed, want 256 and 32; %v", s.Events, s.Latency.TotalCount(), err)
		}
	})
}

func TestEveryWorkerHasAContextOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen [2]<-chan struct{}
		_, err := Drive(t.Context(), 2, 0, time.Second, func(ctx context.Context, w *Worker) error {
			seen[w.Index] = ctx.Done()
			return nil
		})
		if err != nil || seen[0] == nil || seen[0] == seen[1] {
			t.Errorf("%v and %v, want two; %v", seen[0], seen[1], err)
		}
	})
}

func TestDriveStopsAtTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		began := time.Now()
		_, err := Drive(t.Context(), 2, time.Second, time.Hour, func(_ context.Context, w *Worker) error {
			return w.Loop(1, func() error {
				time.Sleep(time.Second)
				if w.Index == 1 {
					return broken
				}
				return nil
			})
		})
		if !errors.Is(err, broken) || time.Since(began) > time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

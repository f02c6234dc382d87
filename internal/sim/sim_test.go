package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestNothingIsLostOverManySeeds(t *testing.T) {
	seeds := manySeeds
	if testing.Short() {
		seeds = 20
	}
	var out strings.Builder
	failed := run(&out, 1, seeds, sabotage{}, "")
	t.Log("\n" + out.String())
	if failed > 0 {
		t.Errorf("%d of %d seeds failed", failed, seeds)
	}
}

func TestSeedsThatOnceFailedPass(t *testing.T) {
	file, err := os.Open("testdata/seeds")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	seeds := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		number, what, _ := strings.Cut(lines.Text(), " ")
		if number == "#" {
			continue
		}
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds++
		if err := simulate(seed, newTally(), sabotage{}); err != nil {
			t.Errorf("%s (once found: %s)", report(seed, err), what)
		}
	}
	if seeds == 0 {
		t.Error("no seeds are kept")
	}
}

func TestDiskThatForgetsWhatItSyncedIsNoticedAndTheSeedsAreTold(t *testing.T) {
	const seeds = 15
	var out strings.Builder
	failed := run(&out, 1, seeds, sabotage{deaf: true}, "")
	if failed == 0 {
		t.Errorf("%d seeds noticed nothing", seeds)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "15 seeds, ") || !strings.HasSuffix(last, fmt.Sprintf(", %d failed", failed)) {
		t.Errorf("the last line is %q", last)
	}
	for _, told := range []string{" failed: ", "replay with: go run ./internal/sim -seeds 1 -first "} {
		if n := strings.Count(out.String(), told); n != failed {
			t.Errorf("%q is told %d times, want %d", told, n, failed)
		}
	}
}

func TestASeedThatFailsIsKeptOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seeds")
	if err := os.WriteFile(path, []byte("# kept\n17 the first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, seed := range []uint64{7, 17, 7, 1} {
		if err := fixture(path).keep(seed, errors.New("entry 3\nis gone")); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(path)
	if want := "# kept\n17 the first\n7 entry 3 is gone\n1 entry 3 is gone\n"; err != nil || string(text) != want {
		t.Errorf("kept are %q, want %q (%v)", text, want, err)
	}
	absent := filepath.Join(t.TempDir(), "seeds")
	if err := fixture(absent).keep(7, errors.New("found")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(absent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a fixture was made: %v", err)
	}
}

// Each case changes the log or the model, so that they disagree.
func TestDisagreementIsNoticed(t *testing.T) {
	sum := func(events ...messages.Event) func(*world) {
		return func(w *world) {
			w.disk = newDisk(w.mem, cut{}, w.peek)
			w.open()
			ctx, cancel := within()
			defer cancel()
			_, err := w.bus.Append(ctx, events...)
			w.must(err, "append")
			w.close()
		}
	}
	for _, c := range []struct {
		name, want string
		tamper     func(*world)
	}{
		{"an entry that nobody appended", "never appended", sum(deposit{Tag: 1 << 30})},
		{"an acknowledged write that is not there", "found at []", func(w *world) {
			w.writes = append(w.writes, &write{tags: []uint64{1 << 30}, fate: kept, settled: true})
		}},
		{"a write that is there twice", "there twice", func(w *world) {
			a := someKept(w)
			sum(a.request.Events...)(w)
		}},
		{"a write that was taken back and is there", "taken back", func(w *world) { someKept(w).fate = lost }},
		{"a write at another place", "its receipt says", func(w *world) {
			a := someKept(w)
			a.receipt = &messages.Receipt{FirstTrimmable: 1 << 40, LastTrimmable: 1 << 40}
		}},
		{"an entry that changes", "now it is", func(w *world) {
			s := w.logs[messages.Permanent].seen[1]
			s.print = "other"
			w.logs[messages.Permanent].seen[1] = s
		}},
		{"a log that ends early", "log ends at", func(w *world) {
			for l := w.logs[messages.Permanent]; l.head() < 10_000; {
				l.seen[l.head()+5000] = sight{}
			}
		}},
		{"a follower that was moved", "reactions", func(w *world) {
			w.walkers[0].seeks = append(w.walkers[0].seeks, jump{from: 1, to: 2})
		}},
		{"a cursor that fell back", "known to have reached", func(w *world) { w.walkers[0].floor = 1 << 40 }},
		{"a follower that is not paused", "is what was asked for", func(w *world) {
			w.walkers[3].paused, w.walkers[3].pausing = !w.walkers[3].paused, false
		}},
		{"a key that is not there", "the key", func(w *world) { someKept(w).mark = "never written" }},
		{"a horizon that moved", "horizon", func(w *world) { w.logs[messages.TrimmableLog].horizon++ }},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := simulate(9, newTally(), sabotage{tamper: c.tamper})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v, want %q", err, c.want)
			}
		})
	}
}

// someKept returns a write that is in a log, alone with one tag or more.
func someKept(w *world) *write {
	for _, a := range w.writes {
		if a.fate == kept && len(a.tags) > 0 && len(a.request.Events) > 0 && a.mark == "" {
			return a
		}
	}
	panic("the seed keeps nothing")
}

func TestReplayDrawsTheSameAgain(t *testing.T) {
	for seed := range uint64(20) {
		for part := range uint64(4) {
			one, other := drawCut(dice(seed, part)), drawCut(dice(seed, part))
			if one != other {
				t.Errorf("seed %d, life %d: %+v and %+v", seed, part, one, other)
			}
		}
	}
}

// Under the race detector it fails where the two do not take turns.
func TestLogsAreComparedWhileWritesAreAnswered(t *testing.T) {
	err := simulate(14, newTally(), sabotage{tamper: func(w *world) {
		w.durability = strict // an answer settles what became of a write
		w.disk = newDisk(w.mem, cut{}, w.peek)
		w.open()
		a := w.expect(w.request(dice(w.seed)))
		receipt, err := w.answer(a)
		w.acknowledge(a, receipt, err)
		var compared atomic.Bool
		var producer sync.WaitGroup
		producer.Go(func() {
			for !compared.Load() {
				w.heard(func() { w.answered(a, receipt) })
			}
		})
		for range 10 {
			w.observe()
		}
		compared.Store(true)
		producer.Wait()
		w.close()
	}})
	if err != nil {
		t.Error(err)
	}
}

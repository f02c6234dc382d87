// Command sim simulates a whole bus, seed by seed: appends of every kind, from
// several producers at once; Updates that wait together; followers of every
// form, which fail by plan; commands on them; trims, jumps of the clock, all
// three durabilities; and power failures at every kind of operation on the
// disk, also while a store is opened or closed. After each it compares what is
// left with a plain model.
//
//	go run ./internal/sim -seeds 300            // from seed 1
//	go run ./internal/sim -seeds 1 -first 17    // seed 17 again
//
// It prints the seeds that failed, how often the power failed at what, what was
// done, and last the counts; it exits with 1 if a seed failed. A seed that fails
// is kept in testdata/seeds, with what it found, and runs with the tests from
// then on. A seed draws the same again; what runs at the same time takes turns
// as it likes, so that a rare failure may need a few replays.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
)

func main() {
	seeds := flag.Int("seeds", 100, "how many seeds to run")
	first := flag.Uint64("first", 1, "the first of them")
	kept := flag.String("keep", "internal/sim/testdata/seeds", "`file` that keeps the seeds that fail, where it is there")
	flag.Parse()
	if failed := run(os.Stdout, *first, *seeds, sabotage{}, fixture(*kept)); failed > 0 {
		os.Exit(1)
	}
}

// fixture is the file of the seeds that once failed, one in a line with what it
// found; where there is none, nothing is kept.
type fixture string

// keep adds a seed that is not there yet.
func (f fixture) keep(seed uint64, found error) error {
	text, err := os.ReadFile(string(f))
	line := fmt.Sprintf("%d %s\n", seed, strings.Join(strings.Fields(found.Error()), " "))
	number, _, _ := strings.Cut(line, " ")
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case strings.Contains("\n"+string(text), "\n"+number+" "):
		return nil
	}
	file, err := os.OpenFile(string(f), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(line)
	return errors.Join(err, file.Close())
}

// workers simulate at the same time: a simulation waits more than it works.
const workers = 8

// run simulates seeds, and writes what happened.
func run(out io.Writer, first uint64, seeds int, s sabotage, kept fixture) (failed int) {
	var (
		t     = newTally()
		mu    sync.Mutex // guards out and failed
		work  sync.WaitGroup
		queue = make(chan uint64)
	)
	for range workers {
		work.Go(func() {
			for seed := range queue {
				if err := simulate(seed, t, s); err != nil {
					mu.Lock()
					failed++
					fmt.Fprintln(out, report(seed, err))
					if err := kept.keep(seed, err); err != nil {
						fmt.Fprintln(out, "it is not kept:", err)
					}
					mu.Unlock()
				}
			}
		})
	}
	for seed := first; seed < first+uint64(seeds); seed++ {
		queue <- seed
	}
	close(queue)
	work.Wait()
	for _, kind := range slices.Sorted(maps.Keys(t.cuts)) {
		fmt.Fprintf(out, "%8d at %s\n", t.cuts[kind], kind)
	}
	for _, step := range slices.Sorted(maps.Keys(t.steps)) {
		fmt.Fprintf(out, "%8d times %s\n", t.steps[step], step)
	}
	fmt.Fprintf(out, "%d while a store was opened, %d while it was closed; %d lives ended well; %d entries\n", t.opening, t.closing, t.ends, t.entries)
	fmt.Fprintf(out, "%d seeds, %d crashes, %d failed\n", seeds, t.crashes(), failed)
	return failed
}

func report(seed uint64, err error) string {
	return fmt.Sprintf("seed %d failed: %v\nreplay with: go run ./internal/sim -seeds 1 -first %d", seed, err, seed)
}

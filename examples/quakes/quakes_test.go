package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/retinue-go/retinue"
)

// killAfter, in the environment, makes the test's binary run the example in
// the directory that is its argument, and kill itself with SIGKILL when that
// many events have been acknowledged.
const killAfter = "QUAKES_KILL_AFTER"

func TestMain(m *testing.M) {
	after, err := strconv.Atoi(os.Getenv(killAfter))
	if err != nil {
		os.Exit(m.Run())
	}
	err = run(context.Background(), os.Args[1], os.Stdout, func(acknowledged int) {
		if acknowledged == after {
			self, _ := os.FindProcess(os.Getpid())
			self.Kill()
			select {}
		}
	})
	fmt.Fprintln(os.Stderr, "not killed:", err)
}

func TestSecondRunAppendsNothingAndPrintsTheSameLine(t *testing.T) {
	dir := t.TempDir()
	first := replayed(t, dir)
	heads := headsOf(t, dir)
	second := replayed(t, dir)

	if got, want := lastLine(second), lastLine(first); got != want {
		t.Errorf("second run ends with\n%s\nwant the first run's\n%s", got, want)
	}
	if got := headsOf(t, dir); got != heads {
		t.Errorf("heads of the two logs are %v after the second run, want %v", got, heads)
	}
	if want := "2921 events replayed, 0 of them new\n"; !strings.HasPrefix(second, want) {
		t.Errorf("second run says %q, want %q", second[:len(want)], want)
	}
}

func TestKilledRunEndsWithTheSameFigures(t *testing.T) {
	want := lastLine(replayed(t, t.TempDir()))
	steps, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	kills := make([]int, 5)
	for i := range kills {
		kills[i] = 1 + rand.IntN(len(steps))
	}
	slices.Sort(kills) // so that each run comes further than the one before

	dir := t.TempDir()
	for _, after := range kills {
		killed(t, dir, after)
	}
	if got := lastLine(replayed(t, dir)); got != want {
		t.Errorf("after kills at %v acknowledged events the last line is\n%s\nwant\n%s", kills, got, want)
	}
}

// replayed runs the example to its end and returns what it prints.
func replayed(t *testing.T, dir string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), dir, &out, func(int) {}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// killed runs the example in a process that does not survive it.
func killed(t *testing.T, dir string, after int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self, dir)
	child.Env = append(os.Environ(), killAfter+"="+strconv.Itoa(after))
	out, err := child.CombinedOutput()
	if err == nil || len(out) > 0 {
		t.Fatalf("the run to be killed after %d events ended with %v and printed\n%s", after, err, out)
	}
}

func headsOf(t *testing.T, dir string) [2]uint64 {
	t.Helper()
	bus, err := retinue.Open(dir, &retinue.Options{KeyWindow: retinue.Forever})
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	s := bus.Status()
	return [2]uint64{s.Permanent.Head, s.Trimmable.Head}
}

func lastLine(out string) string {
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	return lines[len(lines)-1]
}

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// limited runs the command where no file may grow beyond a few hundred bytes,
// which is a disk that is full to who writes one.
func limited(t *testing.T, args ...string) result {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `ulimit -f 1 && exec "$0" "$@"`, binary}, args...)...)
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); c.ProcessState == nil {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), c.ProcessState.ExitCode()}
}

func TestWhatCannotBeWrittenWholeGetsNoName(t *testing.T) {
	dir := shop(t)
	t.Chdir(t.TempDir())
	must(t, "backup", dir, "good")
	must(t, "export", dir, "-o", "good.jsonl")
	before := fingerprint(t, dir)
	for _, args := range [][]string{{"export", dir, "-o", "bad.jsonl"}, {"backup", dir, "bad"}, {"restore", "good", "bad"}} {
		limited(t, args...).wants(t, 1, "too large")
		onlyHas(t, ".", "good", "good.jsonl")
	}
	limited(t, "import", "copy", "good.jsonl").wants(t, 1, "too large")
	if fingerprint(t, dir) != before {
		t.Error("the store has changed")
	}
	for _, args := range [][]string{{"export", dir, "-o", "all.jsonl"}, {"backup", dir, "all"}, {"restore", "good", "back"}, {"import", "copy", "good.jsonl"}} {
		run(t, args...).wants(t, 0)
	}
	for _, store := range []string{"all", "back", "copy"} {
		if must(t, "log", store) != must(t, "log", dir) {
			t.Errorf("%s reads differently", store)
		}
	}
}

func TestOfTwoExportsToOneFileOneIsWholeAndTheOtherRefused(t *testing.T) {
	dir := shop(t)
	t.Chdir(t.TempDir())
	want := must(t, "export", dir)
	for round := range 5 {
		name := fmt.Sprintf("%d.jsonl", round)
		var running []*exec.Cmd
		for range 4 {
			c := command(t, "export", dir, "-o", name)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			running = append(running, c)
		}
		for _, c := range running {
			_ = c.Wait() // refused, for the file or for the lock of the store
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s has %d bytes, want %d: %v", name, len(got), len(want), err)
		}
		if rest, err := filepath.Glob(name + ".*"); err != nil || len(rest) > 0 {
			t.Errorf("beside it lies %q, %v", rest, err)
		}
	}
}

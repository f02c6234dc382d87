package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
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

// Wherever the kill comes, what is left under a final name is whole, and the
// same call makes it good.
func TestWhatAKillLeavesIsNeverTakenForWhole(t *testing.T) {
	dir := shop(t)
	bus := openShop(t, dir, nil, errBounced)
	for range 40 { // two megabytes
		if _, err := bus.Append(t.Context(), started{Payment: strings.Repeat("p", 50_000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	must(t, "backup", dir, "good")
	must(t, "export", dir, "-o", "good.jsonl")
	whole, log := must(t, "export", dir), must(t, "log", dir)
	for round := range 4 {
		name := fmt.Sprint(round)
		for _, args := range [][]string{
			{"export", dir, "-o", name + ".jsonl"}, {"backup", dir, name + ".backup"},
			{"restore", "good", name + ".store"}, {"import", name + ".import", "-"},
		} {
			c := command(t, args...)
			in, err := c.StdinPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			for range 2 * round { // and so the kill comes later
				must(t, "--version")
			}
			if args[0] == "import" {
				in.Write([]byte(whole[:len(whole)*(round+1)/5]))
			}
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			c.Wait()
		}
		if got, err := os.ReadFile(name + ".jsonl"); err == nil && string(got) != whole {
			t.Errorf("an export of %d bytes, want %d", len(got), len(whole))
		} else if err != nil {
			must(t, "export", dir, "-o", name+".jsonl")
		}
		for store, again := range map[string][]string{"backup": {"backup", dir}, "store": {"restore", "good"}} {
			path := name + "." + store
			if _, err := os.Stat(path); err != nil {
				r := run(t, append(again, path)...)
				if r.code != 0 && strings.Contains(r.err, "rename it, or remove it") { // it lacks its name alone
					r.code = 0
					if err := os.Rename(path+".partial", path); err != nil {
						t.Fatal(err)
					}
				}
				r.wants(t, 0)
			}
			if must(t, "log", path) != log {
				t.Errorf("%s reads differently", path)
			}
			isGone(t, path+".partial")
		}
		if r := run(t, "log", name+".import"); r.code == 0 && r.out != "" {
			t.Errorf("an unfinished import is read: %s", r.out)
		}
		must(t, "import", name+".import", "good.jsonl")
		if must(t, "log", name+".import") != log {
			t.Errorf("the import reads differently")
		}
	}
}

func TestAnExportThatIsEndedLeavesNothing(t *testing.T) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	begun := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("{"))
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
	}))
	defer slow.Close()
	for _, ends := range signals {
		dir := t.TempDir()
		c := command(t, "export", slow.URL, "-o", filepath.Join(dir, "slow.jsonl"))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		<-begun
		if err := c.Process.Signal(ends); err != nil {
			t.Fatal(err)
		}
		if _ = c.Wait(); c.ProcessState.ExitCode() != 130 {
			t.Errorf("%v: %v", ends, c.ProcessState)
		}
		onlyHas(t, dir)
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

package main_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
)

var update = flag.Bool("update", false, "write what the commands print into docs/cli.md")

// varies matches what differs between two runs: moments, ids of stores,
// durations, sizes, sums, and how wide they make a table; also that a disk was
// slow for a second.
var varies = regexp.MustCompile(`20\d\d-\d\d-\d\d[ T][\d:.]+Z?(, [\d.]+s before it was ordered)?|\b[0-9a-f]{32,64}\b|(\d+(\.\d+)?(µs|ms|s|m|h|d))+\b|[\d.]+ ([KMG]i)?B\b|[\d.e+]+/(s|min|h|d)|\d\d:\d\d:\d\d|"clock_offset":\d+| {2,}|\bresource temporarily unavailable\b`)

// TestDocsShowWhatTheCommandPrints runs every "$ retinue …" of the manual, in
// its order, on a store called shop.db, and compares what it prints. A line
// <!-- live --> opens the store in a program, <!-- closed --> ends that.
//
//	go test ./cmd/retinue -run Docs -update
func TestDocsShowWhatTheCommandPrints(t *testing.T) {
	manual, err := filepath.Abs("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(shop(t))
	t.Chdir(dir)
	var written strings.Builder
	var bus *retinue.Bus
	capture := false
	lines := strings.SplitAfter(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		written.WriteString(line)
		switch strings.TrimSpace(line) {
		case "<!-- live -->":
			bus = openShop(t, "shop.db", &retinue.Options{Admin: true}, nil)
			rest(bus)
		case "<!-- closed -->":
			if err := bus.Close(); err != nil {
				t.Fatal(err)
			}
		case "```console":
			capture = true
		case "```":
			capture = false
		}
		call, ok := strings.CutPrefix(line, "$ ")
		if !capture || !ok {
			continue
		}
		var shown string
		for ; i+1 < len(lines) && !strings.HasPrefix(lines[i+1], "$ ") && !strings.HasPrefix(lines[i+1], "```"); i++ {
			shown += lines[i+1]
		}
		printed := strings.ReplaceAll(shell(t, call), dir, "/srv")
		written.WriteString(printed)
		if want, got := varies.ReplaceAllString(shown, "~"), varies.ReplaceAllString(printed, "~"); want != got && !*update {
			t.Errorf("docs/cli.md:%d: $ %sprints\n%s\nand not\n%s", i, call, printed, shown)
		}
	}
	if *update {
		if err := os.WriteFile(manual, []byte(written.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// rest waits until all followers are idle.
func rest(bus *retinue.Bus) {
	for range time.Tick(time.Millisecond) {
		if !slices.ContainsFunc(bus.Status().Followers, func(f retinue.FollowerStatus) bool { return f.State != "idle" }) {
			return
		}
	}
}

// shell runs a line with the command in its path and returns all that it
// prints.
func shell(t *testing.T, line string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", line)
	c.Env = append(os.Environ(), "TZ=UTC", "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out)
}

// Package examples_test runs every example and compares what it prints.
package examples_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestExamplesPrintWhatTheyPromise builds all examples, runs each without
// arguments in a directory of its own, which is its temporary directory too,
// and compares its standard output with testdata/output.txt or output.txt.
func TestExamplesPrintWhatTheyPromise(t *testing.T) {
	names := programs(t)
	if len(names) == 0 {
		t.Log("no directory below examples/ holds a main.go yet")
		return
	}
	noteSources(t)
	bin := build(t, names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			want, err := expected(name)
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, filepath.Join(bin, name))
			if err := compare(want, got); err != nil {
				t.Errorf("%v\nIf the change is meant, write this to examples/%s/testdata/output.txt, with … for what differs between runs:\n%s", err, name, got)
			}
		})
	}
}

// programs lists the directories that hold a main.go.
func programs(t *testing.T) []string {
	mains, err := filepath.Glob("*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(mains))
	for i, main := range mains {
		names[i] = filepath.Dir(main)
	}
	return names
}

// noteSources looks at the module's files, so that go test does not answer
// from its cache when one of them has changed: it knows only the files that
// the test itself has looked at.
func noteSources(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if errors.Is(err, fs.ErrNotExist) { // gone meanwhile
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, names []string) (dir string) {
	dir = t.TempDir()
	args := []string{"build", "-buildvcs=false", "-o", dir + string(filepath.Separator)}
	for _, name := range names {
		args = append(args, "./"+name)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return dir
}

func run(t *testing.T, program string) (stdout string) {
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	dir := t.TempDir()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "TMP="+dir, "TEMP="+dir)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v %v\nstdout:\n%s\nstderr:\n%s", err, context.Cause(ctx), &out, &errs)
	}
	return out.String()
}

func expected(name string) (string, error) {
	for _, file := range []string{"testdata/output.txt", "output.txt"} {
		text, err := os.ReadFile(filepath.Join(name, file))
		if !errors.Is(err, fs.ErrNotExist) {
			return string(text), err
		}
	}
	return "", fmt.Errorf("examples/%s has no expected output: write what it prints to examples/%[1]s/testdata/output.txt", name)
}

// wildcard stands in an expected line for any text, the empty one included,
// up to the end of the line at most: "ran for … in …".
const wildcard = "…"

// compare goes line by line. Spaces at the end of a line and empty lines at
// the end of the text do not count. At least one expected line must hold
// more than wildcards, else nothing would be checked.
func compare(want, got string) error {
	wanted, printed := lines(want), lines(got)
	said := false
	for _, line := range wanted {
		said = said || strings.TrimSpace(strings.ReplaceAll(line, wildcard, "")) != ""
	}
	if !said {
		return errors.New("the expected output says nothing: write down a line that must be printed")
	}
	for i := range max(len(wanted), len(printed)) {
		switch {
		case i >= len(printed):
			return fmt.Errorf("line %d is missing: want %q", i+1, wanted[i])
		case i >= len(wanted):
			return fmt.Errorf("line %d is not expected: %q", i+1, printed[i])
		case !pattern(wanted[i]).MatchString(printed[i]):
			return fmt.Errorf("line %d is %q, want %q", i+1, printed[i], wanted[i])
		}
	}
	return nil
}

func lines(text string) []string {
	all := strings.Split(strings.TrimRight(text, " \t\r\n"), "\n")
	for i := range all {
		all[i] = strings.TrimRight(all[i], " \t\r")
	}
	return all
}

func pattern(line string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(line), wildcard, ".*") + "$")
}

func TestOutputIsComparedLineByLine(t *testing.T) {
	for _, c := range []struct {
		name, want, got string
		same            bool
	}{
		{"equal", "a\nb\n", "a\nb\n", true},
		{"spaces at the ends", "a  \nb", "a\nb \n\n", true},
		{"another word", "a\nb\n", "a\nc\n", false},
		{"a line too few", "a\nb\n", "a\n", false},
		{"a line too many", "a\n", "a\nb\n", false},
		{"wildcard inside a line", "took … ms (ok)", "took 12.5 ms (ok)", true},
		{"wildcard for nothing", "a…b", "ab", true},
		{"wildcard ends with its line", "a…b", "a\nb", false},
		{"text around a wildcard counts", "took … ms", "took 12.5 s", false},
		{"a pattern is no regular expression", "a.c", "abc", false},
		{"only wildcards", "…\n……\n", "a\nb\n", false},
		{"empty", "", "", false},
	} {
		if err := compare(c.want, c.got); (err == nil) != c.same {
			t.Errorf("%s: compare(%q, %q) = %v, want equal: %t", c.name, c.want, c.got, err, c.same)
		}
	}
}

// TestRecordedInputIsUntouched compares each SOURCE.md's SHA-256 with the
// file that its heading names.
func TestRecordedInputIsUntouched(t *testing.T) {
	sources, err := filepath.Glob("*/SOURCE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		file := regexp.MustCompile(`(?m)^# (\S+)\s*$`).FindSubmatch(text)
		sum := regexp.MustCompile("`([0-9a-f]{64})`").FindSubmatch(text)
		if file == nil || sum == nil {
			t.Errorf("examples/%s: head it with the file's name and give its SHA-256 as `hex`", source)
			continue
		}
		input, err := os.ReadFile(filepath.Join(filepath.Dir(source), string(file[1])))
		if err != nil {
			t.Error(err)
		} else if got := fmt.Sprintf("%x", sha256.Sum256(input)); got != string(sum[1]) {
			t.Errorf("examples/%s has SHA-256 %s, %s says %s: put the recorded bytes back", file[1], got, source, sum[1])
		}
	}
}

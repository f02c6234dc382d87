package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

const mostLines = 400

// longFiles may be longer than mostLines: path -> why splitting would hurt.
var longFiles = map[string]string{}

func TestFilesStayShort(t *testing.T) {
	judge(t, func(t tree) []string { return filesStayShort(t, longFiles) })
}

// filesStayShort counts the lines of all but tests. An exception needs a
// reason and ends when its file is short again.
func filesStayShort(t tree, exceptions map[string]string) []string {
	var complaints []string
	long := map[string]bool{}
	for _, s := range t.sources {
		if s.isTest() || s.lines <= mostLines {
			continue
		}
		long[s.path] = true
		if exceptions[s.path] == "" {
			complaints = append(complaints, fmt.Sprintf("%s has %d lines, more than %d: give its second subject a file of its own, or a reason in internal/lint/files_test.go", s.path, s.lines, mostLines))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(exceptions)) {
		if !long[p] {
			complaints = append(complaints, p+" needs no exception any more: take it out of longFiles")
		}
	}
	return complaints
}

func TestSizeRuleProven(t *testing.T) {
	file := func(p string, lines int) map[string]string {
		return map[string]string{p: "package a" + strings.Repeat("\n", lines)}
	}
	with := func(exceptions map[string]string) rule {
		return func(t tree) []string { return filesStayShort(t, exceptions) }
	}
	const ok = ""
	prove(t, with(nil),
		proof{"short", file("a.go", mostLines), ok},
		proof{"long", file("a.go", mostLines+1), "a.go has 401 lines"},
		proof{"long test", file("a_test.go", mostLines+1), ok},
	)
	prove(t, with(map[string]string{"a.go": "a state machine"}),
		proof{"long with reason", file("a.go", mostLines+1), ok},
		proof{"short again", file("a.go", mostLines), "needs no exception"},
	)
	prove(t, with(map[string]string{"a.go": ""}),
		proof{"long without reason", file("a.go", mostLines+1), "a.go has 401 lines"},
	)
}

func TestExamplesAreChecked(t *testing.T) {
	judge(t, examplesAreChecked)
}

const exampleTest = "examples/examples_test.go"

// examplesAreChecked wants the expected output beside each example, and the
// test that compares it.
func examplesAreChecked(t tree) []string {
	var complaints []string
	found := false
	for _, s := range t.sources {
		if !s.below("examples") || !s.isMain() || s.isTest() {
			continue
		}
		found = true
		dir := s.dir()
		switch {
		case strings.Count(dir, "/") != 1 || !t.exists[dir+"/main.go"]:
			complaints = append(complaints, fmt.Sprintf("%s is run by no test: a program stands in examples/NAME and has a main.go", s.path))
		case s.path == dir+"/main.go" && !t.exists[dir+"/testdata/output.txt"] && !t.exists[dir+"/output.txt"]:
			complaints = append(complaints, fmt.Sprintf("%s has no expected output: write what it prints to %s/testdata/output.txt, with … for what differs between runs", s.path, dir))
		}
	}
	if found && !t.exists[exampleTest] {
		complaints = append(complaints, exampleTest+" is missing: it runs the examples and compares their output")
	}
	return complaints
}

func TestExampleRuleProven(t *testing.T) {
	tree := func(names ...string) map[string]string {
		files := map[string]string{}
		for _, name := range names {
			files[name] = "package main\n"
		}
		return files
	}
	const ok = ""
	prove(t, examplesAreChecked,
		proof{"no example", tree("cmd/a/main.go"), ok},
		proof{"checked", tree("examples/a/main.go", "examples/a/more.go", "examples/a/testdata/output.txt", exampleTest), ok},
		proof{"checked, output beside it", tree("examples/a/main.go", "examples/a/output.txt", exampleTest), ok},
		proof{"no output", tree("examples/a/main.go", exampleTest), "examples/a/main.go has no expected output"},
		proof{"no test", tree("examples/a/main.go", "examples/a/output.txt"), "examples_test.go is missing"},
		proof{"another name", tree("examples/a/a.go", exampleTest), "run by no test"},
		proof{"too deep", tree("examples/a/b/main.go", "examples/a/b/output.txt", exampleTest), "run by no test"},
	)
}

package lint

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestGuaranteesNameExistingTests(t *testing.T) {
	judge(t, namedTestsExist)
	judge(t, promisesAreTested)
	judge(t, rowsAreTested)
}

var testName = regexp.MustCompile(`\b(Test|Fuzz)[A-Z][A-Za-z0-9_]*`)

// namedTestsExist holds every document to the tests that it names.
func namedTestsExist(t tree) []string {
	tests := map[string]bool{}
	for _, s := range t.sources {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.isTest() && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}
	var complaints []string
	for _, doc := range slices.Sorted(maps.Keys(t.documents)) {
		for i, line := range strings.Split(t.documents[doc], "\n") {
			for _, name := range testName.FindAllString(line, -1) {
				if !tests[name] {
					complaints = append(complaints, fmt.Sprintf("%s:%d: there is no test %s: write it, or name the one that shows this", doc, i+1, name))
				}
			}
		}
	}
	return complaints
}

const (
	guarantees = "docs/guarantees.md"
	promises   = 10
)

// numbered matches the line that opens a promise: a heading, a list item or
// a row of a table, none of them indented, that starts with its number.
var numbered = regexp.MustCompile(`^(?:#+ +|\| *)?\**(\d+)[.)| *]`)

// promisesAreTested wants the promises 1 to 10 in order, each with a test
// between its number and the next one. A README without the document is a
// promise without proof.
func promisesAreTested(t tree) []string {
	text, found := t.documents[guarantees]
	if !found {
		if _, published := t.documents["README.md"]; published {
			return []string{guarantees + " is missing: it numbers the promises and names the test of each"}
		}
		return nil
	}
	tested := make([]int, promises+2) // tests by promise; what stands outside counts for 0
	seen := 0
	for line := range strings.SplitSeq(text, "\n") {
		if m := numbered.FindStringSubmatch(line); m != nil && m[1] == fmt.Sprint(seen+1) && seen < promises {
			seen++
		} else if strings.HasPrefix(line, "## ") && seen == promises {
			break // what follows the last promise
		}
		tested[seen] += len(testName.FindAllString(line, -1))
	}
	var complaints []string
	for n := 1; n <= promises; n++ {
		switch {
		case n > seen:
			complaints = append(complaints, fmt.Sprintf("%s has no promise %d: open a line with \"%[2]d.\"", guarantees, n))
		case tested[n] == 0:
			complaints = append(complaints, fmt.Sprintf("%s: promise %d names no test: name the one that would fail if it were false", guarantees, n))
		}
	}
	return complaints
}

// outcomes is the part of the document whose tables say what happens when
// something fails.
const outcomes = "## What we assume of disks and what happens when they fail"

// unproven is a row of a table that names no test, but its head and the line
// below that.
var unproven = regexp.MustCompile(`^\|(?:[^-|][^|]*\|)+$`)

// rowsAreTested wants a test in each row of the tables of outcomes; F stands
// for the one that the text above the table names.
func rowsAreTested(t tree) []string {
	_, text, found := strings.Cut(t.documents[guarantees], "\n"+outcomes+"\n")
	if !found {
		return nil
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var complaints []string
	head := true
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			head = true
			continue
		}
		if !head && unproven.MatchString(line) && !testName.MatchString(line) && !strings.Contains(line, "| F") {
			complaints = append(complaints, fmt.Sprintf("%s: the row %q names no test", guarantees, line))
		}
		head = false
	}
	return complaints
}

func TestGuaranteeRulesProven(t *testing.T) {
	const test = "package a\nfunc TestA() {}\nfunc FuzzB() {}\n"
	const ok = ""
	prove(t, namedTestsExist,
		proof{"a test that exists", map[string]string{"a_test.go": test, "README.md": "see `TestA/sub`, FuzzB\n"}, ok},
		proof{"a test that does not", map[string]string{"a_test.go": test, "docs/a.md": "\nsee TestC\n"}, "docs/a.md:2: there is no test TestC"},
		proof{"a longer name", map[string]string{"a_test.go": test, "docs/decisions/a.md": "TestAB\n"}, "no test TestAB"},
		proof{"a function of that name that is no test", map[string]string{"a.go": test, "a.md": "FuzzB\n"}, "no test FuzzB"},
		proof{"other words", map[string]string{"a.md": "Testing, Tests, retinuetest, aTestA\n"}, ok},
	)
	all := func(format string, skip int) string {
		var b strings.Builder
		for n := 1; n <= promises; n++ {
			if n != skip {
				fmt.Fprintf(&b, format, n)
			}
		}
		return b.String()
	}
	doc := func(text string) map[string]string { return map[string]string{guarantees: text} }
	list := all("%d. Promise.\n   1. TestA\n", 0)
	prove(t, promisesAreTested,
		proof{"list", doc(list), ok},
		proof{"headings", doc(all("## %d. Promise\n\nTestA\n", 0)), ok},
		proof{"bold", doc(all("**%d. Promise.** TestA\n", 0)), ok},
		proof{"table", doc("| n | test |\n|---|---|\n" + all("| %d | TestA |\n", 0)), ok},
		proof{"a promise without test", doc(strings.Replace(list, "TestA", "", 1)), "promise 1 names no test"},
		proof{"the last promise without test", doc(all("%d. TestA\n", promises) + "10. Promise\n\n## More\n\nTestA\n"), "promise 10 names no test"},
		proof{"a promise left out", doc(all("%d. TestA\n", promises)), "no promise 10"},
		proof{"no document", map[string]string{"README.md": ""}, "is missing"},
		proof{"nothing yet", nil, ok},
	)
	table := func(row string) map[string]string {
		return doc("# A\n\n" + outcomes + "\n\n| fault | test |\n|---|---|\n" + row + "\n\n## More\n\n| a | b |\n|---|---|\n| c | d |\n")
	}
	prove(t, rowsAreTested,
		proof{"a row with its test", table("| torn | TestA |"), ok},
		proof{"a row of the test above", table("| torn | F, but for the wait |"), ok},
		proof{"a row without", table("| torn | TestA |\n| cut | nobody knows |"), "names no test"},
		proof{"no such tables", doc("## 1. TestA\n"), ok},
	)
}

func TestMarkdownLinksResolve(t *testing.T) {
	judge(t, linksResolve)
}

var (
	fence  = regexp.MustCompile("^ *(```|~~~)")
	inCode = regexp.MustCompile("`[^`]*`")
	target = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?: +"[^"]*")?\)|^ *\[[^\]]+\]: +(\S+)`)
	scheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

// linksResolve follows the relative links of every document, outside code.
func linksResolve(t tree) []string {
	var complaints []string
	for _, doc := range slices.Sorted(maps.Keys(t.documents)) {
		fenced := false
		for i, line := range strings.Split(t.documents[doc], "\n") {
			if fence.MatchString(line) {
				fenced = !fenced
			}
			if fenced {
				continue
			}
			for _, m := range target.FindAllStringSubmatch(inCode.ReplaceAllString(line, ""), -1) {
				link, _, _ := strings.Cut(m[1]+m[2], "#")
				if link == "" || scheme.MatchString(link) {
					continue
				}
				if !t.exists[path.Join(path.Dir(doc), link)] {
					complaints = append(complaints, fmt.Sprintf("%s:%d: %s leads nowhere: give the path of a file of the repository, relative to %s", doc, i+1, link, path.Dir(doc)))
				}
			}
		}
	}
	return complaints
}

func TestLinkRuleProven(t *testing.T) {
	doc := func(text string) map[string]string {
		return map[string]string{"docs/a.md": text, "docs/b.md": "", "c.go": "package c\n"}
	}
	const ok = ""
	prove(t, linksResolve,
		proof{"file beside it", doc("see [b](b.md) and [c](<../c.go> \"title\")"), ok},
		proof{"folder", doc("[docs](../docs/)"), ok},
		proof{"heading", doc("[b](b.md#x) [here](#y)"), ok},
		proof{"other site", doc("[x](https://example.com/z.md) [m](mailto:a@example.com)"), ok},
		proof{"missing", doc("text\n[x](x.md)"), "docs/a.md:2: x.md leads nowhere"},
		proof{"relative to the root", doc("[c](c.go)"), "c.go leads nowhere"},
		proof{"outside the repository", doc("[o](../../o.md)"), "leads nowhere"},
		proof{"missing, as a reference", doc("[x]: x.md"), "x.md leads nowhere"},
		proof{"image", doc("![x](x.png)"), "x.png leads nowhere"},
		proof{"code", doc("`a[i](x.md)`\n```\nf[T](x.md)\n```\n"), ok},
	)
}

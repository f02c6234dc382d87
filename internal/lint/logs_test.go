package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const logTable = "docs/metrics.md"

func TestWhatIsLoggedIsDocumented(t *testing.T) {
	judge(t, logsAreDocumented)
}

// logRow matches a row of the table: level, message, keys.
var logRow = regexp.MustCompile("(?m)^(\\| (?:Debug|Info|Warn|Error) \\| `[^`]+` \\|[^|]*\\|)")

// logsAreDocumented compares the rows of the table with the calls that log:
// programs match by message and key, so both are part of the API.
func logsAreDocumented(t tree) []string {
	logged := map[string]string{} // row -> where
	for _, s := range t.sources {
		if s.isTest() || s.nested || !slices.Contains([]string{".", "actors", "persistence"}, s.dir()) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if row := s.logged(call); row != "" {
					logged[row] = s.at(call.Pos(), "it is logged here")
				}
			}
			return true
		})
	}
	var complaints []string
	documented := logRow.FindAllString(t.documents[logTable], -1)
	for _, row := range slices.Sorted(maps.Keys(logged)) {
		if !slices.Contains(documented, row) {
			complaints = append(complaints, fmt.Sprintf("%s lacks the row %s: %s", logTable, row, logged[row]))
		}
	}
	for _, row := range documented {
		if logged[row] == "" {
			complaints = append(complaints, fmt.Sprintf("%s: nothing logs %s", logTable, row))
		}
	}
	return complaints
}

// logged returns the row of a call that has a message and attributes, else "".
func (s *source) logged(call *ast.CallExpr) string {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	level := strings.ToUpper(method.Sel.Name[:1]) + method.Sel.Name[1:]
	var message string
	var keys []string
	for _, arg := range call.Args {
		switch a := arg.(type) {
		case *ast.BasicLit:
			if a.Kind == token.STRING {
				message, _ = strconv.Unquote(a.Value)
			}
		case *ast.SelectorExpr:
			if name, found := strings.CutPrefix(a.Sel.Name, "Level"); found && s.names(a, "log/slog", a.Sel.Name) {
				level = name
			}
		case *ast.CallExpr:
			if f, ok := a.Fun.(*ast.SelectorExpr); ok && s.names(f, "log/slog", f.Sel.Name) && len(a.Args) == 2 {
				if key, ok := a.Args[0].(*ast.BasicLit); ok {
					keys = append(keys, "`"+strings.Trim(key.Value, `"`)+"`")
				}
			}
		}
	}
	if message == "" || len(keys) == 0 {
		return ""
	}
	if method.Sel.Name == "warn" || method.Sel.Name == "error" { // limited: see actors/log.go
		keys = append(keys, "`suppressed`")
	}
	return fmt.Sprintf("| %s | `%s` | %s |", level, message, strings.Join(keys, ", "))
}

func TestLogRuleProven(t *testing.T) {
	files := func(row, call string) map[string]string {
		return map[string]string{
			logTable:      "| level | message | keys | |\n|---|---|---|---|\n" + row + "\n",
			"actors/a.go": "package actors\nimport \"log/slog\"\nfunc f() {\n" + call + "\n}\n",
		}
	}
	const ok = ""
	row := "| Warn | `trim failed` | `error` | the next pass tries again |"
	prove(t, logsAreDocumented,
		proof{"documented", files(row, `l.Warn("trim failed", slog.Any("error", err))`), ok},
		proof{"limited", files("| Warn | `a` | `b`, `suppressed` | c |", `e.warn(&l, "a", slog.Int("b", 1))`), ok},
		proof{"with a level", files("| Error | `a` | `b` | c |", `l.LogAttrs(ctx, slog.LevelError, "a", slog.Int("b", 1))`), ok},
		proof{"no logging", files("", `f("a", g("b", c))`), ok},
		proof{"not documented", files("", `l.Warn("trim failed", slog.Any("error", err))`), "lacks the row | Warn | `trim failed` | `error` |: actors/a.go:4"},
		proof{"not logged", files(row, ""), "nothing logs | Warn | `trim failed`"},
	)
}

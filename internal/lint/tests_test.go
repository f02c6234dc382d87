package lint

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

func TestNoSleepOutsideABubble(t *testing.T) {
	judge(t, sleepsInBubbles)
}

// sleepsInBubbles lets a test call time.Sleep, or wait with a bare
// <-time.After, only where time is synctest's: in a function literal that is
// an argument of synctest.Test or of a test function inBubble that calls it,
// or in a function named …InBubble. The latter may be called in the same
// places only.
func sleepsInBubbles(t tree) []string {
	var complaints []string
	wrapped := t.wrapsBubble()
	for _, s := range t.sources {
		if !s.isTest() {
			continue
		}
		inspect(s.file, func(n ast.Node, above []ast.Node) {
			what := s.sleep(n, above)
			if what != "" && !s.inBubble(above, wrapped) {
				complaints = append(complaints, s.at(n.Pos(), "%s outside a bubble: wait for the event itself (Await, a channel, a ticket), or put the test in synctest.Test, where time costs nothing", what))
			}
		})
	}
	return complaints
}

// sleep names the way in which n lets time pass, "" if it does not.
func (s *source) sleep(n ast.Node, above []ast.Node) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if s.names(n, "time", "Sleep") {
			return "time.Sleep"
		}
	case *ast.ExprStmt:
		_, inSelect := above[len(above)-1].(*ast.CommClause)
		receive, ok := n.X.(*ast.UnaryExpr)
		if !ok || receive.Op != token.ARROW || inSelect && above[len(above)-1].(*ast.CommClause).Comm == n {
			return ""
		}
		if call, ok := receive.X.(*ast.CallExpr); ok && s.names(call.Fun, "time", "After") {
			return "<-time.After"
		}
	case *ast.CallExpr:
		if name := calledName(n); strings.HasSuffix(name, "InBubble") {
			return name
		}
	}
	return ""
}

// wrapsBubble reports whether every function inBubble calls synctest.Test, and
// there is one.
func (t tree) wrapsBubble() bool {
	found, all := false, true
	for _, s := range t.sources {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name != "inBubble" || f.Recv != nil {
				continue
			}
			calls := false
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				calls = calls || ok && s.names(call.Fun, "testing/synctest", "Test")
				return true
			})
			found, all = true, all && calls
		}
	}
	return found && all
}

func (s *source) inBubble(above []ast.Node, wrapped bool) bool {
	for i, n := range above {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if strings.HasSuffix(n.Name.Name, "InBubble") {
				return true
			}
		case *ast.FuncLit:
			call, ok := above[i-1].(*ast.CallExpr)
			if ok && (s.names(call.Fun, "testing/synctest", "Test") || wrapped && calledName(call) == "inBubble") {
				return true
			}
		}
	}
	return false
}

func calledName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// inspect calls visit for each node below root with the nodes above it, the
// outermost first.
func inspect(root ast.Node, visit func(n ast.Node, above []ast.Node)) {
	var above []ast.Node
	ast.Inspect(root, func(n ast.Node) bool {
		if n == nil {
			above = above[:len(above)-1]
			return true
		}
		visit(n, above)
		above = append(above, n)
		return true
	})
}

func TestSleepRuleProven(t *testing.T) {
	p := func(body string) map[string]string {
		return map[string]string{"a_test.go": "package a\nimport (\n\"testing\"\n\"testing/synctest\"\n\"time\"\n)\n" + body}
	}
	const ok = ""
	prove(t, sleepsInBubbles,
		proof{"sleep", p("func TestA(t *testing.T) { time.Sleep(1) }\n"), "a_test.go:7: time.Sleep outside a bubble"},
		proof{"sleep in a bubble", p("func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { go func() { time.Sleep(1) }() }) }\n"), ok},
		proof{"sleep in another function literal", p("func TestA(t *testing.T) { t.Run(\"a\", func(t *testing.T) { time.Sleep(1) }) }\n"), "time.Sleep outside a bubble"},
		proof{"sleep in a wrapped bubble", p("func inBubble(t *testing.T, f func(*testing.T)) { synctest.Test(t, f) }\nfunc TestA(t *testing.T) { inBubble(t, func(t *testing.T) { time.Sleep(1) }) }\n"), ok},
		proof{"sleep in a wrapper of nothing", p("func inBubble(t *testing.T, f func(*testing.T)) { f(t) }\nfunc TestA(t *testing.T) { inBubble(t, func(t *testing.T) { time.Sleep(1) }) }\n"), "time.Sleep outside a bubble"},
		proof{"sleep behind the bubble", p("func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) {}); time.Sleep(1) }\n"), "time.Sleep outside a bubble"},
		proof{"sleep under another name", map[string]string{"a_test.go": "package a\nimport clock \"time\"\nvar nap = clock.Sleep\n"}, "time.Sleep outside a bubble"},
		proof{"Sleep of another package", map[string]string{"a_test.go": "package a\nimport \"time\"\nvar _ time.Time\nfunc f(a bed) { a.Sleep(1) }\n"}, ok},
		proof{"sleep in no test", map[string]string{"a.go": "package a\nimport \"time\"\nfunc f() { time.Sleep(1) }\n"}, ok},
		proof{"bare receive from After", p("func TestA(t *testing.T) { <-time.After(1) }\n"), "<-time.After outside a bubble"},
		proof{"bare receive from After inside a case", p("func f(c chan int) { select { case <-c: <-time.After(1) } }\n"), "<-time.After outside a bubble"},
		proof{"After as the limit of a select", p("func f(c chan int) { select { case <-c: case <-time.After(1): } }\n"), ok},
		proof{"helper", p("func napInBubble() { time.Sleep(1) }\nfunc TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { napInBubble() }) }\n"), ok},
		proof{"helper outside a bubble", p("func napInBubble() { time.Sleep(1) }\nfunc TestA(t *testing.T) { napInBubble() }\n"), "napInBubble outside a bubble"},
	)
}

func TestNoSkips(t *testing.T) {
	judge(t, skipsOnlyWhenShort)
}

// skipsOnlyWhenShort lets a test skip itself only in the body of an if whose
// condition is testing.Short(), alone or as one side of &&.
func skipsOnlyWhenShort(t tree) []string {
	var complaints []string
	for _, s := range t.sources {
		if !s.isTest() {
			continue
		}
		inspect(s.file, func(n ast.Node, above []ast.Node) {
			if call, ok := n.(*ast.CallExpr); ok && s.skips(call, above) && !s.whenShort(call, above) {
				complaints = append(complaints, s.at(n.Pos(), "a test that skips itself checks nothing: make what it needs, or skip only if testing.Short()"))
			}
		})
	}
	return complaints
}

// skips reports whether call is Skip, Skipf or SkipNow of a parameter whose
// type is one of package testing.
func (s *source) skips(call *ast.CallExpr, above []ast.Node) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Skip" && sel.Sel.Name != "Skipf" && sel.Sel.Name != "SkipNow" {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return false
	}
	isTest := false
	for _, n := range above {
		var params *ast.FieldList
		switch n := n.(type) {
		case *ast.FuncDecl:
			params = n.Type.Params
		case *ast.FuncLit:
			params = n.Type.Params
		default:
			continue
		}
		for _, p := range params.List {
			for _, name := range p.Names {
				if name.Name == x.Name {
					isTest = s.isTesting(p.Type)
				}
			}
		}
	}
	return isTest
}

func (s *source) isTesting(e ast.Expr) bool {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	for _, name := range []string{"T", "B", "F", "TB"} {
		if s.names(e, "testing", name) {
			return true
		}
	}
	return false
}

func (s *source) whenShort(call *ast.CallExpr, above []ast.Node) bool {
	for _, n := range above {
		branch, ok := n.(*ast.IfStmt)
		if ok && s.isShort(branch.Cond) && branch.Body.Pos() <= call.Pos() && call.End() <= branch.Body.End() {
			return true
		}
	}
	return false
}

func (s *source) isShort(cond ast.Expr) bool {
	switch c := cond.(type) {
	case *ast.ParenExpr:
		return s.isShort(c.X)
	case *ast.BinaryExpr:
		return c.Op == token.LAND && (s.isShort(c.X) || s.isShort(c.Y))
	case *ast.CallExpr:
		return s.names(c.Fun, "testing", "Short")
	}
	return false
}

func TestSkipRuleProven(t *testing.T) {
	p := func(body string) map[string]string {
		return map[string]string{"a_test.go": "package a\nimport \"testing\"\nfunc TestA(t *testing.T) { " + body + " }\n"}
	}
	const ok = ""
	prove(t, skipsOnlyWhenShort,
		proof{"skip", p("t.Skip()"), "a_test.go:3: a test that skips itself"},
		proof{"skip on a condition", p("if x { t.Skipf(\"x\") }"), "skips itself"},
		proof{"skip when short", p("if testing.Short() { t.Skip() }"), ok},
		proof{"skip when short and more", p("if x && testing.Short() { t.SkipNow() }"), ok},
		proof{"skip when short or else", p("if x || testing.Short() { t.Skip() }"), "skips itself"},
		proof{"skip when not short", p("if !testing.Short() { t.Skip() }"), "skips itself"},
		proof{"skip in the else branch", p("if testing.Short() { } else { t.Skip() }"), "skips itself"},
		proof{"skip in a subtest", p("t.Run(\"\", func(t *testing.T) { t.Skip() })"), "skips itself"},
		proof{"skip of another type", p("rapid.Check(t, func(t *rapid.T) { t.Skip() }); followers.Skip()"), ok},
	)
}

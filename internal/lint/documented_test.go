package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"testing"
)

func TestEveryExportedIdentifierIsDocumented(t *testing.T) {
	judge(t, exportedIsDocumented)
}

// exportedIsDocumented asks for comments on what a user of the module sees:
//
//   - each package has a package comment;
//   - each exported type and function has its own;
//   - so has each exported method of an exported type, but those whose meaning
//     their interface gives (Error, String, MarshalJSON and the like);
//   - a const or var has its own, or one on its group;
//   - a field or an interface's method has its own, or shares the one of the
//     lines right above it (no empty line between), or is spoken of in the
//     comment of its type, in whatever case, singular or plural. Embedded
//     types speak for themselves.
func exportedIsDocumented(t tree) []string {
	var complaints []string
	packages := map[string]string{} // folder -> name
	explained := map[string]bool{}
	for _, s := range t.sources {
		if s.nested || s.isTest() || s.isMain() || s.below("internal") {
			continue
		}
		packages[s.dir()] = s.file.Name.Name
		explained[s.dir()] = explained[s.dir()] || s.file.Doc != nil
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				complaints = append(complaints, s.undocumentedFunc(d)...)
			case *ast.GenDecl:
				complaints = append(complaints, s.undocumentedDecl(d)...)
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if !explained[dir] {
			complaints = append(complaints, fmt.Sprintf("%s: package %s has no comment: say in its doc.go what it is and its smallest use", dir, packages[dir]))
		}
	}
	return complaints
}

// selfEvident are methods that an interface of the standard library explains.
var selfEvident = regexp.MustCompile(`^(Error|Is|As|Unwrap|String|GoString|LogValue|(Marshal|Unmarshal|Append)(JSON|Text|Binary))$`)

func (s *source) undocumentedFunc(d *ast.FuncDecl) []string {
	name := d.Name.Name
	if d.Doc != nil || !d.Name.IsExported() {
		return nil
	}
	if d.Recv != nil {
		receiver := receiverName(d.Recv.List[0].Type)
		if !ast.IsExported(receiver) || selfEvident.MatchString(name) {
			return nil
		}
		name = receiver + "." + name
	}
	return []string{s.at(d.Pos(), "%s has no comment: say what it does and which errors it returns, by name", name)}
}

func receiverName(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

func (s *source) undocumentedDecl(d *ast.GenDecl) []string {
	var complaints []string
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			doc := spec.Doc
			if doc == nil && !d.Lparen.IsValid() {
				doc = d.Doc
			}
			if doc == nil {
				complaints = append(complaints, s.at(spec.Pos(), "type %s has no comment: say what it is, who owns it and who may call it at once", spec.Name.Name))
			}
			complaints = append(complaints, s.undocumentedMembers(spec, doc)...)
		case *ast.ValueSpec:
			if d.Doc != nil || spec.Doc != nil || spec.Comment != nil {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					complaints = append(complaints, s.at(name.Pos(), "%s %s has no comment: give it one, or one to its group", d.Tok, name.Name))
				}
			}
		}
	}
	return complaints
}

// undocumentedMembers complains about fields of structs and methods of
// interfaces.
func (s *source) undocumentedMembers(spec *ast.TypeSpec, doc *ast.CommentGroup) []string {
	var members *ast.FieldList
	switch t := spec.Type.(type) {
	case *ast.StructType:
		members = t.Fields
	case *ast.InterfaceType:
		members = t.Methods
	default:
		return nil
	}
	var complaints []string
	line := func(p token.Pos) int { return s.fset.Position(p).Line }
	shared := -1 // the line up to which the last comment counts
	for _, m := range members.List {
		if m.Doc != nil || m.Comment != nil || line(m.Pos()) == shared+1 {
			shared = line(m.End())
			continue
		}
		for _, name := range m.Names {
			if name.IsExported() && !mentions(doc, name.Name) {
				complaints = append(complaints, s.at(name.Pos(), "%s.%s has no comment: say units, range and what zero means, there or in the comment of %[1]s", spec.Name.Name, name.Name))
			}
		}
	}
	return complaints
}

func mentions(doc *ast.CommentGroup, name string) bool {
	return doc != nil && regexp.MustCompile(`(?i)\b`+regexp.QuoteMeta(name)+`s?\b`).MatchString(doc.Text())
}

func TestDocumentationRuleProven(t *testing.T) {
	p := func(body string) map[string]string {
		return map[string]string{"a/a.go": "// Package a is a.\npackage a\n\n" + body}
	}
	const ok = ""
	prove(t, exportedIsDocumented,
		proof{"package", map[string]string{"a/a.go": "package a\n"}, "package a has no comment"},
		proof{"package, explained in another file", map[string]string{"a/a.go": "package a\n", "a/doc.go": "// Package a is a.\npackage a\n"}, ok},
		proof{"program", map[string]string{"cmd/a/main.go": "package main\nfunc F() {}\n"}, ok},
		proof{"internal", map[string]string{"internal/a/a.go": "package a\nfunc F() {}\n"}, ok},
		proof{"test", map[string]string{"a/a_test.go": "package a\nfunc TestF() {}\n"}, ok},
		proof{"func", p("func F() {}\n"), "a/a.go:4: F has no comment"},
		proof{"func, with comment", p("// F is f.\nfunc F() {}\n"), ok},
		proof{"func, not exported", p("func f() {}\n"), ok},
		proof{"method", p("// T is t.\ntype T[E any] int\nfunc (*T[E]) M() {}\n"), "T.M has no comment"},
		proof{"method of a hidden type", p("type t int\nfunc (t) M() {}\n"), ok},
		proof{"method of an interface that explains it", p("// T is t.\ntype T int\nfunc (T) Error() string { return \"\" }\nfunc (T) MarshalText() {}\n"), ok},
		proof{"type", p("type T int\n"), "type T has no comment"},
		proof{"type in a group with a comment", p("// Things.\ntype (\n\tT int\n)\n"), "type T has no comment"},
		proof{"const", p("const C = 1\n"), "const C has no comment"},
		proof{"const in a group with a comment", p("// Numbers.\nconst (\n\tC = 1\n\tD = 2\n)\n"), ok},
		proof{"var with a comment behind it", p("var (\n\tV = 1 // V is v.\n)\n"), ok},
		proof{"field", p("// T is t.\ntype T struct {\n\tA int\n}\n"), "T.A has no comment"},
		proof{"field that the type's comment names", p("// T has A.\ntype T struct {\n\tA int\n}\n"), ok},
		proof{"field that the type's comment speaks of", p("// T has a key and values.\ntype T struct {\n\tKey, Value int\n}\n"), ok},
		proof{"field whose name is a part of a word there", p("// T has Ab.\ntype T struct {\n\tA int\n}\n"), "T.A has no comment"},
		proof{"field, not exported or embedded", p("// T is t.\ntype T struct {\n\ta int\n\terror\n}\n"), ok},
		proof{"fields that share a comment", p("// T is t.\ntype T struct {\n\t// A and B are ints.\n\tA int\n\tB int\n}\n"), ok},
		proof{"field behind an empty line", p("// T is t.\ntype T struct {\n\t// A is a.\n\tA int\n\n\tB int\n}\n"), "T.B has no comment"},
		proof{"method of an interface", p("// T is t.\ntype T interface {\n\tM()\n}\n"), "T.M has no comment"},
	)
}

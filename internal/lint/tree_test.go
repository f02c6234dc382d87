package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/retinue-go/retinue"

// tree is a parsed repository. All paths are relative to its root, with
// slashes.
type tree struct {
	sources   []*source
	documents map[string]string // path of each *.md -> its text
	exists    map[string]bool   // every file and directory
}

type source struct {
	path   string
	lines  int
	nested bool // in a module of its own
	fset   *token.FileSet
	file   *ast.File
}

func (s *source) dir() string  { return path.Dir(s.path) }
func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }
func (s *source) isMain() bool { return s.file.Name.Name == "main" }
func (s *source) below(dir string) bool {
	return dir == "." || s.path == dir || strings.HasPrefix(s.path, dir+"/")
}

// at prefixes a complaint with file and line.
func (s *source) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.path, s.fset.Position(pos).Line, fmt.Sprintf(format, args...))
}

// imported returns the paths that s imports.
func (s *source) imported() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// nameOf returns the name under which s knows the package at importPath, ""
// if it does not import it. Its own name must be the path's last element.
func (s *source) nameOf(importPath string) string {
	for _, spec := range s.file.Imports {
		if p, _ := strconv.Unquote(spec.Path.Value); p != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

// names reports whether e is pkg.name, for the package at importPath.
func (s *source) names(e ast.Node, importPath, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == s.nameOf(importPath)
}

// repository is the tree that this package stands in.
var repository = sync.OnceValues(func() (tree, error) {
	files := map[string]string{}
	t := tree{exists: map[string]bool{}}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.Name() == ".git" { // a file, in a linked worktree
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		t.exists[rel] = true
		if !d.IsDir() && readable(rel) {
			text, err := os.ReadFile(name)
			files[rel] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		return tree{}, err
	}
	err = t.parse(files)
	return t, err
})

// readable leaves out what is no part of the program or its documents.
func readable(p string) bool {
	for part := range strings.SplitSeq(path.Dir(p), "/") {
		if part == "testdata" || part == "vendor" {
			return false
		}
	}
	return path.Ext(p) == ".go" || path.Ext(p) == ".md" || path.Base(p) == "go.mod"
}

// parse fills t from texts by path.
func (t *tree) parse(files map[string]string) error {
	t.documents = map[string]string{}
	var modules []string
	for p := range files {
		if path.Base(p) == "go.mod" && p != "go.mod" {
			modules = append(modules, path.Dir(p))
		}
	}
	for p, text := range files {
		switch path.Ext(p) {
		case ".md":
			t.documents[p] = text
		case ".go":
			s := &source{path: p, lines: strings.Count(text, "\n"), fset: token.NewFileSet()}
			s.nested = slices.ContainsFunc(modules, s.below)
			var err error
			if s.file, err = parser.ParseFile(s.fset, p, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
				return err
			}
			t.sources = append(t.sources, s)
		}
	}
	slices.SortFunc(t.sources, func(a, b *source) int { return strings.Compare(a.path, b.path) })
	return nil
}

type rule func(tree) []string

// judge fails t for each complaint of r about the repository.
func judge(t *testing.T, r rule) {
	t.Helper()
	repo, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	for _, complaint := range r(repo) {
		t.Error(complaint)
	}
}

// proof is a small repository and what a rule has to say about it: a part of
// its one complaint, or nothing.
type proof struct {
	name  string
	files map[string]string
	want  string
}

// prove fails t unless r says just what each proof wants. A rule needs both
// kinds: one that it passes and one that it does not.
func prove(t *testing.T, r rule, proofs ...proof) {
	t.Helper()
	for _, p := range proofs {
		small := tree{exists: map[string]bool{".": true}}
		for name := range p.files {
			for ; name != "."; name = path.Dir(name) {
				small.exists[name] = true
			}
		}
		if err := small.parse(p.files); err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		got := r(small)
		switch {
		case p.want == "" && len(got) > 0:
			t.Errorf("%s: want no complaint, got %q", p.name, got)
		case p.want != "" && (len(got) != 1 || !strings.Contains(got[0], p.want)):
			t.Errorf("%s: want one complaint with %q, got %q", p.name, p.want, got)
		}
	}
}

package lint

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

const (
	pebble     = "github.com/cockroachdb/pebble/v2"
	protoactor = "github.com/asynkron/protoactor-go"
	prometheus = "github.com/prometheus/client_golang"
	// sketches is why docs/decisions/0016-sketches.md was written.
	sketches = "github.com/DataDog/sketches-go/ddsketch"
	// docs/decisions/0020-cobra.md tells why these are there, and why no other.
	cobra     = "github.com/spf13/cobra"
	pflag     = "github.com/spf13/pflag"
	plots     = "github.com/guptarohit/asciigraph"
	progress  = "github.com/schollz/progressbar/v3"
	terminal  = "golang.org/x/term"
	telemetry = "go.opentelemetry.io/otel"
	// histograms is how Pebble hands out its own: docs/decisions/0018-metrics.md.
	histograms = "github.com/prometheus/client_model/go"
)

// room is a folder and what its files may import besides the standard
// library: paths of packages, each with all below it.
type room struct {
	dir string
	may []string
}

var (
	words    = module + "/messages"
	bytes    = module + "/persistence"
	nouns    = module + "/followers"
	running  = module + "/actors"
	reading  = module + "/queries"
	counters = module + "/metrics"
	remote   = module + "/admin"
	clocks   = module + "/internal/wallclock"
)

// rooms is the picture of DESIGN: messages <- persistence, followers <-
// actors <- retinue <- the rest. The module's own path stands for the root
// package alone. A file belongs to the last room whose folder holds it.
var rooms = []room{
	{".", []string{words, bytes, nouns, running, clocks, protoactor}},
	{"messages", nil},
	{"persistence", []string{words, pebble, histograms}},
	{"followers", []string{words}},
	{"actors", []string{words, bytes, nouns, protoactor}},
	{"queries", []string{module, words, bytes, nouns}},
	{"queries/join", []string{module, words, nouns}},
	{"queries/summary", []string{reading, sketches}},
	{"metrics", []string{module, words, bytes, nouns, prometheus}},
	{"tracing", []string{module, words, telemetry}},
	{"retinuetest", []string{module, words, bytes, nouns, pebble + "/vfs", protoactor + "/actor"}},
	{"admin", []string{module, words}},
	{"cmd", []string{module, words, bytes, nouns, reading, counters, remote, cobra, pflag, plots, progress, terminal}},
	{"examples", []string{module, words, nouns, reading, counters, protoactor}},
	{"examples/embed", []string{module, words, bytes, nouns, pebble, protoactor}},
	{"internal", []string{module, words, bytes, nouns, running, protoactor}},
	{"internal/wallclock", nil},
	{"internal/sim", []string{module, words, bytes, nouns, running, clocks, pebble, protoactor}},
}

// nameEngine are the files of the root that name Pebble's types.
var nameEngine = []string{"options.go", "stage.go"}

func TestImportsRunOneWay(t *testing.T) {
	judge(t, importsRunOneWay)
}

func importsRunOneWay(t tree) []string {
	var complaints []string
	for _, s := range t.sources {
		if s.nested {
			continue
		}
		for _, p := range s.imported() {
			if c := s.mayImport(p); c != "" {
				complaints = append(complaints, fmt.Sprintf("%s imports %s: %s", s.path, p, c))
			}
		}
	}
	return complaints
}

// mayImport returns why s may not import p, "" if it may. Test files may
// import what they like but protoactor's persistence.
func (s *source) mayImport(p string) string {
	if within(p, protoactor+"/persistence") {
		return "nothing is stored by protoactor; use the persistence package"
	}
	if s.isTest() || isStandard(p) {
		return ""
	}
	home, known := s.room()
	if !known {
		return fmt.Sprintf("its folder has no room; say in internal/lint/imports_test.go what %s may import", s.dir())
	}
	may := home.may
	if slices.Contains(nameEngine, s.path) {
		may = append(slices.Clip(may), pebble)
	}
	if home.dir == "followers" && declaresField(s.file, "Props") {
		may = append(slices.Clip(may), protoactor+"/actor")
	}
	allowed := func(prefix string) bool {
		return p == prefix || prefix != module && within(p, prefix)
	}
	switch {
	case slices.ContainsFunc(may, allowed):
		return ""
	case within(p, pebble):
		return "only persistence calls Pebble (the root names its types in options.go and stage.go, retinuetest names vfs); ask the persistence package"
	case within(p, protoactor) && home.dir == "followers":
		return "followers knows protoactor only in the file that declares the field Props; what runs belongs to actors"
	case within(p, module):
		return fmt.Sprintf("%s may import only the standard library and %s; move the code to the room that it speaks of", home.dir, list(may))
	}
	return fmt.Sprintf("%s may import only the standard library and %s; a new dependency needs a page in docs/decisions", home.dir, list(may))
}

// room returns the innermost room that holds s.
func (s *source) room() (home room, known bool) {
	for _, r := range rooms {
		if s.dir() == r.dir || r.dir != "." && s.below(r.dir) {
			home, known = r, true
		}
	}
	return home, known
}

func within(p, prefix string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }

func isStandard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".")
}

// list names the module's own packages shortly.
func list(may []string) string {
	if len(may) == 0 {
		return "nothing else"
	}
	return strings.ReplaceAll(strings.Join(may, ", "), module+"/", "")
}

func declaresField(f *ast.File, name string) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if st, ok := n.(*ast.StructType); ok {
			for _, field := range st.Fields.List {
				found = found || slices.ContainsFunc(field.Names, func(id *ast.Ident) bool { return id.Name == name })
			}
		}
		return !found
	})
	return found
}

func TestImportRuleProven(t *testing.T) {
	file := func(p, imports string) map[string]string {
		text := "package x\n"
		for line := range strings.FieldsSeq(imports) {
			text += fmt.Sprintf("import _ %q\n", line)
		}
		return map[string]string{p: text}
	}
	props := "package followers\nimport \"" + protoactor + "/actor\"\ntype F struct{ Props *actor.Props }\n"
	const ok = ""
	prove(t, importsRunOneWay,
		proof{"messages: standard library", file("messages/a.go", "encoding/json time"), ok},
		proof{"messages: another room", file("messages/a.go", bytes), "messages may import only the standard library and nothing else; move"},
		proof{"messages: a library", file("messages/a.go", "golang.org/x/text/width"), "docs/decisions"},
		proof{"persistence: words and engine", file("persistence/a.go", words+" "+pebble+" "+pebble+"/vfs"), ok},
		proof{"persistence: followers", file("persistence/a.go", nouns), "persistence may import"},
		proof{"persistence: actors", file("persistence/a.go", running), "persistence may import"},
		proof{"persistence: root", file("persistence/a.go", module), "persistence may import"},
		proof{"persistence: protoactor", file("persistence/a.go", protoactor+"/actor"), "persistence may import"},
		proof{"followers: persistence", file("followers/a.go", bytes), "followers may import"},
		proof{"followers: protoactor", file("followers/a.go", protoactor+"/actor"), "declares the field Props"},
		proof{"followers: protoactor for Props", map[string]string{"followers/a.go": props}, ok},
		proof{"actors: all below", file("actors/a.go", words+" "+bytes+" "+nouns+" "+protoactor+"/actor"), ok},
		proof{"actors: another part of its module", file("actors/a.go", "golang.org/x/sync/errgroup"), "docs/decisions"},
		proof{"actors: engine", file("actors/a.go", pebble), "only persistence calls Pebble"},
		proof{"actors: engine in a test", file("actors/a_test.go", pebble), ok},
		proof{"actors: root", file("actors/a.go", module), "actors may import"},
		proof{"root: engine in options", file("options.go", pebble+" "+pebble+"/vfs"), ok},
		proof{"root: engine elsewhere", file("bus.go", pebble), "only persistence calls Pebble"},
		proof{"options.go elsewhere", file("actors/options.go", pebble), "only persistence calls Pebble"},
		proof{"root: queries", file("bus.go", reading), "move the code"},
		proof{"queries: root", file("queries/a.go", module), ok},
		proof{"queries: actors", file("queries/a.go", running), "queries may import"},
		proof{"metrics: prometheus", file("metrics/a.go", module+" "+prometheus+"/prometheus"), ok},
		proof{"tracing: telemetry", file("tracing/a.go", module+" "+telemetry+"/trace"), ok},
		proof{"actors: telemetry", file("actors/a.go", telemetry+"/trace"), "docs/decisions"},
		proof{"persistence: a histogram of Pebble's", file("persistence/a.go", histograms), ok},
		proof{"queries: prometheus", file("queries/a.go", prometheus+"/prometheus"), "docs/decisions"},
		proof{"join: a behaviour", file("queries/join/a.go", module+" "+protoactor+"/actor"), "docs/decisions"},
		proof{"summary: sketches", file("queries/summary/a.go", reading+"/join "+sketches+"/store"), ok},
		proof{"queries: sketches", file("queries/a.go", sketches), "docs/decisions"},
		proof{"retinuetest: file system", file("retinuetest/a.go", pebble+"/vfs"), ok},
		proof{"retinuetest: engine", file("retinuetest/a.go", pebble), "only persistence calls Pebble"},
		proof{"examples: protoactor", file("examples/behavior/main.go", module+" "+protoactor+"/actor"), ok},
		proof{"examples: engine", file("examples/hello/main.go", pebble), "only persistence calls Pebble"},
		proof{"admin: root", file("admin/a.go", module+" "+words), ok},
		proof{"root: admin", file("bus.go", remote), "move the code"},
		proof{"cmd: its libraries", file("cmd/retinue/a.go", remote+" "+cobra+" "+terminal), ok},
		proof{"root: command line", file("bus.go", cobra), "docs/decisions"},
		proof{"embed: engine", file("examples/embed/main.go", pebble), ok},
		proof{"protoactor's persistence in a test", file("actors/a_test.go", protoactor+"/persistence"), "use the persistence package"},
		proof{"a folder without room", file("util/a.go", words), "has no room"},
		proof{"another module", map[string]string{"bench/go.mod": "module b", "bench/a.go": "package b\nimport _ \"" + pebble + "\"\n"}, ok},
	)
}

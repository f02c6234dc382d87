package retinuetest

import (
	"fmt"
	"strings"

	"github.com/retinue-go/retinue"
)

// Tree renders the bus's actors as they are now, one a line: name, number of
// the incarnation, state.
//
//	retinue-store #1 running
//	├─ writer #1 running
//	├─ trimmer #1 running
//	└─ followers #1 running
//	   └─ balance #1 backing off
//
// A follower's supervisor stands in for the follower; its host, which is
// missing between two incarnations, counts them. Outside a bubble a follower
// may be caught on its way to idle.
func Tree(bus *retinue.Bus) string {
	root := bus.Status().Tree
	nodes, leads := append(root.Children[:0:0], root), []string{""}
	branches := []string{""}
	var b strings.Builder
	for len(nodes) > 0 {
		last := len(nodes) - 1
		n, lead, branch := nodes[last], leads[last], branches[last]
		nodes, leads, branches = nodes[:last], leads[:last], branches[:last]
		fmt.Fprintf(&b, "%s%s%s #%d %s\n", lead, branch, n.Name, n.Incarnation, n.State)
		switch branch {
		case "├─ ":
			lead += "│  "
		case "└─ ":
			lead += "   "
		}
		for i := len(n.Children) - 1; i >= 0; i-- {
			branch = "├─ "
			if i == len(n.Children)-1 {
				branch = "└─ "
			}
			nodes, leads, branches = append(nodes, n.Children[i]), append(leads, lead), append(branches, branch)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// WantTree compares [Tree] with what it must be, where lines may be indented
// alike, and empty ones at the ends do not count.
func WantTree(t TB, bus *retinue.Bus, want string) {
	t.Helper()
	got := Tree(bus)
	if want = unindent(want); got != want {
		t.Errorf("the tree is\n%s\nwant\n%s", got, want)
	}
}

// unindent takes the first line's indentation off every line.
func unindent(text string) string {
	lines := strings.Split(strings.TrimRight(strings.TrimLeft(text, "\n"), " \t\n"), "\n")
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " \t"))]
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], indent)
	}
	return strings.Join(lines, "\n")
}

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
)

func statsVerb() *cobra.Command {
	var f storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stats STORE",
		Short: "Print heads, sizes and the tree of actors",
		Example: `  retinue stats wallet.db
  retinue stats wallet.db --json | jq .permanent.head`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				status, err := s.Status(cmd.Context())
				if err != nil {
					return err
				}
				return show(cmd.Context(), func(out *screen) error {
					if asJSON {
						return out.line(status)
					}
					printStats(out, status, s.live)
					return nil
				})
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "the whole status, in JSON")
	return cmd
}

func printStats(out *screen, s retinue.Status, live bool) {
	field := func(name, value string) {
		fmt.Fprintf(out, "%s %s\n", out.paint(dim, fmt.Sprintf("%-10s", name)), value)
	}
	state := "closed"
	switch {
	case s.Failed != nil:
		state = out.paint(red, "failed: "+clean(s.Failed.Error()))
	case s.Closing:
		state = "closing"
	case live:
		state = out.paint(green, "live")
	}
	field("store", s.Store.String())
	field("state", state)
	logs := out.table("LOG", "ENTRIES", "FIRST", "LAST", "ON DISK")
	for _, l := range []struct {
		name string
		retinue.LogStatus
	}{{"permanent", s.Permanent}, {"trimmable", s.Trimmable}} {
		first, last := "-", "-"
		if l.Entries > 0 {
			first, last = count(l.Horizon), count(l.Head-1)
		}
		logs.row(plain, l.name, count(l.Entries), first, last, size(l.Bytes))
	}
	fmt.Fprintln(out)
	logs.end()
	fmt.Fprintln(out)
	field("followers", count(len(s.Followers)))
	if s.ClockOffset >= time.Second {
		field("clock", span(s.ClockOffset)+" ahead of the wall clock")
	}
	if s.Staged > 0 {
		field("staged", plural(s.Staged, "call", "calls")+" that the next Open will order")
	}
	if !s.Guarded && live {
		field("guard", out.paint(yellow, "none: a failing disk ends the process"))
	}
	if live {
		fmt.Fprintln(out)
		tree(out, s.Tree, 0, func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) })
	}
}

// tree prints actors, children indented.
func tree(out *screen, n retinue.Node, depth int, line func(string, ...any)) {
	starts := ""
	if n.Incarnation > 1 {
		starts = fmt.Sprintf(", start %d", n.Incarnation)
	}
	line("%s%s  %s%s", strings.Repeat("  ", depth), clean(n.Name), out.paint(stateColour(n.State), n.State), starts)
	for _, c := range n.Children {
		tree(out, c, depth+1, line)
	}
}

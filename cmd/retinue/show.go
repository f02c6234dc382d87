package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries"
)

// enough effects to see what an entry led to.
const enough = 50

func showVerb() *cobra.Command {
	var f storeFlags
	var log messages.Log
	var asJSON bool
	var effects int
	cmd := &cobra.Command{
		Use:   "show STORE ID",
		Short: "Show an entry, what caused it, and what came of it",
		Long: `Show an entry with all its fields, the chain of entries that caused it, and
what reactions appended because of it, which is searched up to the head.`,
		Example: `  retinue show wallet.db 42
  retinue show wallet.db 1042 --log trimmable
  retinue show wallet.db 42 --json | jq .effects`,
		Args: wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := parsePosition(log, args[1])
			if err == nil && effects < 0 {
				err = usagef("--effects %d is below 0", effects)
			}
			if err != nil {
				return err
			}
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				story, err := tellStory(cmd.Context(), s, at, effects)
				if err != nil {
					return err
				}
				return show(cmd.Context(), func(out *screen) error {
					if asJSON {
						return out.line(story)
					}
					story.print(out)
					return nil
				})
			})
		},
	}
	f.add(cmd)
	addLog(cmd.Flags(), &log)
	cmd.Flags().IntVar(&effects, "effects", enough, "at most this many `entries` that came of it; 0 looks for none")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// story is an entry with what lies before and behind it.
type story struct {
	Entry   messages.Entry `json:"entry"`
	Causes  []link         `json:"causes"`
	Effects []link         `json:"effects"`
	// More: there are more effects than were asked for.
	More bool `json:"more,omitempty"`
}

// link is an entry of a story, or what is known of one that was trimmed.
type link struct {
	Depth   int                  `json:"depth"`
	Entry   *messages.Entry      `json:"entry,omitempty"`
	Trimmed messages.TrimmableID `json:"trimmed,omitempty"`
}

func tellStory(ctx context.Context, s *store, at messages.Position, effects int) (*story, error) {
	t := &story{Causes: []link{}, Effects: []link{}}
	for l, err := range queries.Why(ctx, s, at) {
		switch {
		case err != nil:
			return nil, err
		case l.Depth == 0:
			t.Entry = l.Entry
		default:
			t.Causes = append(t.Causes, linkOf(l))
		}
	}
	if effects <= 0 {
		return t, nil
	}
	for l, err := range queries.Effects(ctx, s, at, retinue.Query{Limit: effects + 1}) {
		if err != nil {
			return nil, err
		}
		if t.More = len(t.Effects) == effects; !t.More {
			t.Effects = append(t.Effects, linkOf(l))
		}
	}
	return t, nil
}

func linkOf(l queries.Link) link {
	if l.Trimmed {
		return link{Depth: l.Depth, Trimmed: l.Entry.TrimmableID}
	}
	return link{Depth: l.Depth, Entry: &l.Entry}
}

func (t *story) print(out *screen) {
	e := t.Entry
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%s %s\n", out.paint(dim, fmt.Sprintf("%-12s", name)), value)
		}
	}
	if e.ID != 0 {
		field("id", e.ID.String())
	}
	field("trimmable id", e.TrimmableID.String())
	field("type", out.paint(cyan, clean(e.Type.String()))+fmt.Sprintf(", version %d, %v", e.Type.Version, e.Type.Persistence))
	field("instance", fmt.Sprint(e.Instance))
	field("ordered", stamp(e.Ordered))
	field("happened", stamp(e.Time)+earlier(e))
	field("correlation", clean(e.Correlation))
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		field("header", clean(name+": "+e.Headers[name]))
	}
	field("codec", clean(e.Codec))
	field("payload", indented(e))
	printLinks(out, "caused by", t.Causes)
	printLinks(out, "led to", t.Effects)
	if t.More {
		fmt.Fprintln(out, "  and more; see --effects")
	}
}

func earlier(e messages.Entry) string {
	if d := e.Ordered.Sub(e.Time); d > time.Second {
		return ", " + span(d) + " before it was ordered"
	}
	return ""
}

func indented(e messages.Entry) string {
	var b bytes.Buffer
	if json.Indent(&b, e.Payload, "", "  ") != nil {
		return payloadText(e)
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n             ")
}

func printLinks(out *screen, title string, links []link) {
	if len(links) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n", out.paint(bold, title))
	for _, l := range links {
		indent := strings.Repeat("  ", l.Depth)
		if l.Entry == nil {
			fmt.Fprintf(out, "%s%s\n", indent, out.paint(yellow, fmt.Sprintf("what was trimmed, up to trimmable id %d", l.Trimmed)))
			continue
		}
		id := l.Entry.ID.String()
		if l.Entry.ID == 0 {
			id = "t" + l.Entry.TrimmableID.String()
		}
		head := indent + id + "  "
		about := clean(l.Entry.Type.String())
		fmt.Fprintf(out, "%s%s  %s\n", out.paint(dim, head), out.paint(cyan, about), out.cut(payloadText(*l.Entry), len(head)+len(about)+2))
	}
}

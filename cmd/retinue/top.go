package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/retinue-go/retinue"
)

func topVerb() *cobra.Command {
	var f storeFlags
	var once, asJSON bool
	every := duration{time.Second}
	cmd := &cobra.Command{
		Use:   "top STORE",
		Short: "Watch a live bus: heads, rates, lag, restarts",
		Long: `Watch a live bus: heads, entries per second, the lag of each follower over the
last looks, and the tree of actors with its restarts. q or Ctrl-C ends it.`,
		Example: `  retinue top wallet.db
  retinue top wallet.db --once    # one look, for scripts
  retinue top wallet.db --json | jq -c '.followers[] | {name, lag}'`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if every.Duration < 100*time.Millisecond {
				return usagef("--every %v is under 100ms", every.Duration)
			}
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				t := &top{store: s, name: args[0], json: asJSON, lags: map[string][]uint64{}}
				out := newScreen(cmd.Context(), os.Stdout)
				if once || !s.live {
					if err := t.look(cmd.Context(), out); err != nil {
						return err
					}
					return out.Flush()
				}
				return t.watch(cmd.Context(), out, every.Duration)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&once, "once", false, "look once and end")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the whole status of each look, in JSON, a look a line")
	cmd.Flags().Var(&every, "every", "`duration` between two looks")
	return cmd
}

// looks that a sparkline shows.
const looks = 30

// top is what is remembered between looks.
type top struct {
	store *store
	name  string
	json  bool
	// watching: more looks follow.
	watching bool
	// last look, to tell rates.
	at   time.Time
	last retinue.Status
	// lags by follower, and rates of appends, the newest last.
	lags  map[string][]uint64
	rates []uint64
}

// The terminal's commands: another screen without a cursor, and back; home,
// with the rest of the line or the screen cleared.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearRest   = "\x1b[J"
	clearLine   = "\x1b[K"
)

// watch looks until ctx ends, and leaves the terminal as it was.
func (t *top) watch(ctx context.Context, out *screen, every time.Duration) error {
	t.watching = true
	tick := time.NewTicker(every)
	defer tick.Stop()
	var quit <-chan error
	if out.terminal && !t.json {
		fmt.Fprint(out, enterScreen)
		defer func() { fmt.Fprint(os.Stdout, leaveScreen) }()
		var restore func()
		quit, restore = keys()
		defer restore()
	}
	for {
		out.measure(os.Stdout)
		if err := t.look(ctx, out); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case err := <-quit:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keys listens for q, which ends a watch, and for Ctrl-C, which a terminal
// that shows no keys no longer makes a signal of. restore gives the terminal
// back as it was.
func keys() (quit <-chan error, restore func()) {
	in := int(os.Stdin.Fd())
	before, err := term.MakeRaw(in)
	if err != nil { // no terminal
		return nil, func() {}
	}
	ended := make(chan error, 1)
	go func() {
		for key := []byte{0}; ; {
			if _, err := os.Stdin.Read(key); err != nil {
				return
			}
			switch key[0] {
			case 'q', 'Q':
				ended <- nil
				return
			case 3: // Ctrl-C
				ended <- errInterrupted
				return
			}
		}
	}()
	return ended, func() { _ = term.Restore(in, before) }
}

// look prints the present.
func (t *top) look(ctx context.Context, out *screen) error {
	s, err := t.store.Status(ctx)
	if err != nil {
		return err
	}
	if t.json {
		return out.line(s)
	}
	now := time.Now()
	elapsed := now.Sub(t.at).Seconds()
	first := t.at.IsZero() // there is no rate yet
	appended := "-"
	if !first {
		rate := uint64(max(float64(s.Trimmable.Head)-float64(t.last.Trimmable.Head), 0)/elapsed + 0.5)
		t.rates = remember(t.rates, rate)
		appended = count(rate) + "/s  " + sparkline(t.rates)
	}
	var text strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	line("%s  %s  %s", out.paint(bold, clean(t.name)), s.Store, now.Format("15:04:05"))
	if s.Failed != nil {
		line("%s", out.paint(red, "failed: "+clean(s.Failed.Error())))
	}
	line("permanent  head %s", count(s.Permanent.Head))
	line("trimmable  head %s  horizon %s", count(s.Trimmable.Head), count(s.Trimmable.Horizon))
	line("appended   %s", appended)
	line("")
	t.followers(out, s, elapsed, line)
	line("")
	tree(out, s.Tree, 0, line)
	t.show(out, strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n"))
	t.at, t.last = now, s
	return nil
}

// show writes rows, those that fit where the terminal is all ours.
func (t *top) show(out *screen, rows []string) {
	if !t.watching || !out.terminal {
		fmt.Fprintln(out, strings.Join(rows, "\n"))
		return
	}
	if len(rows) >= out.height {
		rows = append(rows[:out.height-1:out.height-1], out.paint(dim, "…"))
	}
	for i, row := range rows {
		rows[i] = out.fit(row)
	}
	fmt.Fprint(out, home, strings.Join(rows, clearLine+"\r\n"), clearLine, clearRest)
}

func (t *top) followers(out *screen, s retinue.Status, elapsed float64, line func(string, ...any)) {
	name := len("FOLLOWER")
	for _, f := range s.Followers {
		name = max(name, len([]rune(f.Name)))
	}
	head := fmt.Sprintf("%-*s  %-13s %10s %9s %9s %8s  %s", name, "FOLLOWER", "STATE", "LAG", "BEHIND", "RATE", "RESTARTS", "LAG OVER TIME")
	line("%s", out.paint(bold, out.cut(head, 0)))
	for _, f := range s.Followers {
		t.lags[f.Name] = remember(t.lags[f.Name], f.Lag)
		rate := "-"
		if i := slices.IndexFunc(t.last.Followers, func(l retinue.FollowerStatus) bool { return l.Name == f.Name }); i >= 0 {
			rate = count(int64((float64(f.Cursor)-float64(t.last.Followers[i].Cursor))/elapsed)) + "/s"
		}
		row := fmt.Sprintf("%-*s  %-13s %10s %9s %9s %8d  %s", name, clean(f.Name), state(f), count(f.Lag), behind(f), rate, f.Restarts, sparkline(t.lags[f.Name]))
		line("%s", out.paint(followerColour(f), out.cut(row, 0)))
	}
}

func remember(past []uint64, n uint64) []uint64 {
	past = append(past, n)
	return past[max(0, len(past)-looks):]
}

// sparkline draws numbers between 0 and the highest.
func sparkline(past []uint64) string {
	const bars = "▁▂▃▄▅▆▇█"
	most := max(slices.Max(past), 1)
	var b strings.Builder
	for _, n := range past {
		b.WriteRune([]rune(bars)[int(float64(n)/float64(most)*7+0.5)])
	}
	return b.String()
}

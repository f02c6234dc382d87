package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/retinue-go/retinue/messages"
)

// colours of a terminal; see [screen.paint].
type colour string

const (
	plain  colour = ""
	bold   colour = "1"
	dim    colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	cyan   colour = "36"
)

// screen is where output goes: a terminal, or a file or pipe, which gets all of
// a line and no colours.
type screen struct {
	*bufio.Writer
	terminal bool
	colours  bool
	// width and height of a terminal, in cells.
	width, height int
}

func newScreen(ctx context.Context, f *os.File) *screen {
	s := &screen{Writer: bufio.NewWriterSize(patient{ctx, f}, 64<<10), terminal: term.IsTerminal(int(f.Fd()))}
	s.colours = s.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	s.measure(f)
	return s
}

// measure asks for the size of a terminal, which changes with its window.
func (s *screen) measure(f *os.File) {
	if !s.terminal {
		return
	}
	s.width, s.height = 80, 24
	if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
		s.width, s.height = w, h
	}
}

// patient writes to who may read late, and gives up when its context ends.
type patient struct {
	ctx  context.Context
	file *os.File
}

// Write implements [io.Writer].
func (p patient) Write(b []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	written := make(chan result, 1)
	go func() {
		n, err := p.file.Write(b)
		written <- result{n, err}
	}()
	select {
	case r := <-written:
		return r.n, r.err
	case <-p.ctx.Done():
		return 0, p.ctx.Err()
	}
}

// show calls do with standard output and flushes it.
func show(ctx context.Context, do func(*screen) error) error {
	s := newScreen(ctx, os.Stdout)
	err := errors.Join(do(s), s.Flush())
	if ctx.Err() != nil {
		s.abandon(os.Stdout)
	}
	return err
}

// patience is how long a terminal that takes nothing is waited for, unless
// somebody presses Ctrl-C once more.
const patience = 5 * time.Second

// abandon ends the colour that an interrupt has cut.
func (s *screen) abandon(f *os.File) {
	if s.colours {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, _ = patient{ctx, f}.Write([]byte(s.unpaint()))
	}
}

func (s *screen) paint(c colour, text string) string {
	if !s.colours || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// cut shortens text to what is left of a terminal's line of which used cells
// are taken.
func (s *screen) cut(text string, used int) string {
	room := s.width - used
	if !s.terminal || utf8.RuneCountInString(text) <= room {
		return text
	}
	if room < 8 {
		return ""
	}
	runes := []rune(text)
	return string(runes[:room-1]) + "…"
}

// fit cuts a line, which may be painted, at a terminal's edge.
func (s *screen) fit(line string) string {
	if !s.terminal {
		return line
	}
	room, command := s.width, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			command = true
		case command:
			command = r != 'm'
		case room == 0:
			return line[:i] + s.unpaint()
		default:
			room--
		}
	}
	return line
}

// unpaint ends a colour that was cut.
func (s *screen) unpaint() string {
	if !s.colours {
		return ""
	}
	return "\x1b[0m"
}

// line writes one JSON value.
func (s *screen) line(v any) error {
	marshal := func() ([]byte, error) { return json.Marshal(v) }
	if m, ok := v.(json.Marshaler); ok { // who is spared a second look
		marshal = m.MarshalJSON
	}
	data, err := marshal()
	if err == nil {
		_, err = s.Write(append(data, '\n'))
	}
	return err
}

// table aligns cells that are ended by tabs; a row is coloured as a whole.
type table struct {
	screen *screen
	text   strings.Builder
	tabs   *tabwriter.Writer
	rows   []colour
	// prose ends each row: it is cut at a terminal's edge, and figures are not.
	prose bool
}

func (s *screen) table(head ...string) *table {
	t := &table{screen: s}
	t.tabs = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	t.row(bold, head...)
	return t
}

func (t *table) row(c colour, cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.Map(printable, cell)
	}
	fmt.Fprintln(t.tabs, strings.Join(cells, "\t"))
	t.rows = append(t.rows, c)
}

func (t *table) end() error {
	if err := t.tabs.Flush(); err != nil {
		return err
	}
	for i, row := range strings.Split(strings.TrimSuffix(t.text.String(), "\n"), "\n") {
		row = strings.TrimRight(row, " ")
		if t.prose {
			row = t.screen.cut(row, 0)
		}
		if _, err := fmt.Fprintln(t.screen, t.screen.paint(t.rows[i], row)); err != nil {
			return err
		}
	}
	return nil
}

// printable keeps what a store holds from commanding the terminal.
func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return '·'
	}
	return r
}

func clean(text string) string { return strings.Map(printable, text) }

// tell reports a failure, without the prefix that every error of the library
// has.
func tell(err error) {
	s := newScreen(context.Background(), os.Stderr)
	text := strings.ReplaceAll(err.Error(), "retinue: ", "")
	fmt.Fprintf(s, "%s %s\n", s.paint(red, "retinue:"), text)
	s.Flush()
}

// note says something that is no output, on standard error.
func note(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// telling is how a command says what it has done: in words on standard error,
// or as JSON on standard output.
type telling struct{ json bool }

func (t *telling) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&t.json, "json", false, "say in JSON what was done, on standard output")
}

func (t *telling) result(ctx context.Context, v any, format string, args ...any) error {
	if !t.json {
		note(format, args...)
		return nil
	}
	return show(ctx, func(out *screen) error { return out.line(v) })
}

// confirm asks before something is done that cannot be taken back. Without a
// terminal nobody can answer.
func confirm(ctx context.Context, yes bool, what string) error {
	if yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return fmt.Errorf("%s\nNobody is there to say yes; --yes does", what)
	}
	fmt.Fprintf(os.Stderr, "%s Do it? [y/N] ", what)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		if a == "y" || a == "yes" {
			return nil
		}
		return errDeclined
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr)
		return ctx.Err()
	}
}

var errDeclined = errors.New("nothing was done")

// stamp is a moment as people read it, in the local time zone.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}

// span is a duration in about three figures.
func span(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	case d < 24*time.Hour:
		text := d.Round(time.Second).String()
		if short, ok := strings.CutSuffix(text, "m0s"); ok {
			return short + "m"
		}
		return text
	}
	day := 24 * time.Hour
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// size is a number of bytes in three figures.
func size(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, 0
	for ; f >= 1000 && unit < 3; unit++ {
		f /= 1024
	}
	return fmt.Sprintf("%.3g %ciB", f, "KMGT"[unit])
}

// count is a number with its thousands apart.
func count[N ~int | ~uint64 | ~int64](n N) string {
	sign, s := "", fmt.Sprint(n)
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plural is "1 entry", "2 entries".
func plural[N ~int | ~uint64 | ~int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// payloadText is a payload on one line.
func payloadText(e messages.Entry) string {
	switch {
	case json.Valid(e.Payload), utf8.Valid(e.Payload):
		return clean(string(e.Payload))
	}
	return fmt.Sprintf("%s, %d bytes: %.64x", e.Codec, len(e.Payload), e.Payload)
}

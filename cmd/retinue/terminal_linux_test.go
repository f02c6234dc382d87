package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/retinue-go/retinue/messages"
)

// terminal is a command in a terminal of 80 columns and 24 lines.
type terminal struct {
	t      testing.TB
	cmd    *exec.Cmd
	keys   *os.File // and what the command writes
	screen bytes.Buffer
}

// inTerminal starts the command.
func inTerminal(t testing.TB, env string, args ...string) *terminal {
	t.Helper()
	return inTerminalOf(t, 80, 24, env, args...)
}

// inTerminalOf is inTerminal of another size.
func inTerminalOf(t testing.TB, width, height uint16, env string, args ...string) *terminal {
	t.Helper()
	keys, tty := pair(t)
	resize(t, keys, width, height)
	c := command(t, args...)
	c.Env = append(c.Env, "TERM=xterm", "NO_COLOR=", env)
	c.Stdin, c.Stdout, c.Stderr = tty, tty, tty
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	return &terminal{t: t, cmd: c, keys: keys}
}

// pair opens a terminal: the side of its user and that of its programs.
func pair(t testing.TB) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	var number, unlocked int32
	control(t, user, syscall.TIOCGPTN, unsafe.Pointer(&number))
	control(t, user, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return user, program
}

func resize(t testing.TB, f *os.File, width, height uint16) {
	t.Helper()
	control(t, f, syscall.TIOCSWINSZ, unsafe.Pointer(&[4]uint16{height, width}))
}

func control(t testing.TB, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		t.Fatal(errno)
	}
}

// sees reads until text, which the screen has not shown before, is there.
func (c *terminal) sees(text string) {
	c.t.Helper()
	for !strings.Contains(c.screen.String(), text) {
		if !c.read() {
			c.t.Fatalf("no %q in\n%q", text, c.screen.String())
		}
	}
	_, rest, _ := strings.Cut(c.screen.String(), text)
	c.screen.Reset()
	c.screen.WriteString(rest)
}

// read takes what the command writes; false once it has ended.
func (c *terminal) read() bool {
	some := make([]byte, 4096)
	n, err := c.keys.Read(some)
	c.screen.Write(some[:n])
	return err == nil
}

// frame is the next whole one that top shows: what stands between two homes.
func (c *terminal) frame() string {
	c.t.Helper()
	c.sees(home)
	for !strings.Contains(c.screen.String(), home) {
		if !c.read() {
			c.t.Fatalf("it has ended behind\n%q", c.screen.String())
		}
	}
	frame, _, _ := strings.Cut(c.screen.String(), home)
	return frame
}

func (c *terminal) types(keys string) {
	c.t.Helper()
	if _, err := c.keys.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// ends waits for the end and returns the exit code and what was not seen yet.
func (c *terminal) ends() (code int, rest string) {
	c.t.Helper()
	for c.read() {
	}
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode(), c.screen.String()
}

func TestColoursAreForTerminalsAndCanBeTurnedOff(t *testing.T) {
	dir := shop(t)
	for _, try := range []struct {
		env     string
		colours bool
	}{{"", true}, {"NO_COLOR=1", false}, {"TERM=dumb", false}} {
		for _, args := range reads {
			code, out := inTerminal(t, try.env, on(dir, args)...).ends()
			if code != 0 {
				t.Fatalf("%v: exit %d\n%s", args, code, out)
			}
			if !try.colours && strings.Contains(out, "\x1b") {
				t.Errorf("%s, %v: %q", try.env, args, out)
			}
		}
		_, out := inTerminal(t, try.env, "log", dir).ends()
		if strings.Contains(out, "\x1b[36m") != try.colours {
			t.Errorf("%q: %q", try.env, out)
		}
	}
}

func TestALogFitsATerminalAndFiguresAreNotCut(t *testing.T) {
	dir := shop(t)
	for _, width := range []uint16{80, 40, 20} {
		_, out := inTerminalOf(t, width, 24, "", "log", dir).ends()
		for line := range strings.SplitSeq(strings.ReplaceAll(out, "\r", ""), "\n") {
			if n := len([]rune(uncoloured(line))); n > int(width) {
				t.Errorf("%d of %d columns: %q", n, width, line)
			}
		}
	}
	_, out := inTerminal(t, "NO_COLOR=1", "followers", dir).ends()
	if !strings.Contains(out, "RESTARTS") || strings.Contains(out, "…") {
		t.Errorf("followers are cut: %s", out)
	}
}

func TestAnInterruptLeavesNoColourBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop.db")
	bus := openShop(t, dir, nil, errBounced)
	for range 10 {
		if _, err := bus.Append(t.Context(), slices.Repeat([]messages.Event{started{Payment: "p"}}, 1000)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	colours := regexp.MustCompile(`\x1b\[\d+m`)
	for tries := range 20 {
		c := inTerminal(t, "", "log", dir)
		c.sees(fmt.Sprintf("  %d  ", 200+7*tries))
		c.types("\x03")
		code, rest := c.ends()
		if all := colours.FindAllString(rest, -1); code != 130 || len(all) > 0 && all[len(all)-1] != "\x1b[0m" {
			t.Errorf("exit %d, %q", code, rest[max(0, len(rest)-200):])
		}
	}
}

func TestATerminalIsAskedBeforeWhatCannotBeTakenBack(t *testing.T) {
	dir := shop(t)
	for _, answer := range []string{"\r", "n\r", "perhaps\r", "\x04"} {
		c := inTerminal(t, "", "seek", dir, "mail", "--to", "5")
		c.sees("reacts again to 29 entries. Do it? [y/N] ")
		c.types(answer)
		if code, rest := c.ends(); code != 1 || !strings.Contains(rest, "nothing was done") {
			t.Errorf("%q: exit %d, %q", answer, code, rest)
		}
	}
	c := inTerminal(t, "", "seek", dir, "mail", "--to", "5")
	c.sees("[y/N] ")
	c.types("\x03")
	if code, rest := c.ends(); code != 130 {
		t.Errorf("Ctrl-C: exit %d, %q", code, rest)
	}
	if at := follower(reopened(t, dir), "mail").Cursor; at != 34 {
		t.Errorf("it was moved to %d", at)
	}
	c = inTerminal(t, "", "seek", dir, "mail", "--to", "5")
	c.sees("[y/N] ")
	c.types("yes\r")
	if code, rest := c.ends(); code != 0 || !strings.Contains(rest, "reads entry 5") {
		t.Errorf("yes: exit %d, %q", code, rest)
	}
}

func TestTopGoesByTheTerminalAndGivesItBack(t *testing.T) {
	dir, bus := liveShop(t)
	for keys, want := range map[string]int{"q": 0, "\x03": 130} {
		c := inTerminal(t, "NO_COLOR=1", "top", dir, "--every", "100ms")
		c.sees("\x1b[?1049h")
		c.sees("permanent  head 34")
		c.sees("LAG OVER TIME")
		c.sees("host  idle")
		c.sees("0/s") // a second look knows rates
		if _, err := bus.Append(t.Context(), seen{"/"}); err != nil {
			t.Fatal(err)
		}
		c.sees(fmt.Sprintf("trimmable  head %d", bus.Status().Trimmable.Head))
		resize(t, c.keys, 50, 10)
		c.sees("\r\n…") // a row for those that no longer fit
		for row := range strings.SplitSeq(c.frame(), "\r\n") {
			if row = uncoloured(row); len([]rune(row)) > 50 {
				t.Errorf("%d columns: %s", len([]rune(row)), row)
			}
		}
		c.types(keys)
		code, rest := c.ends()
		if code != want || !strings.Contains(rest, "\x1b[?25h\x1b[?1049l") || strings.Contains(rest, "\x1b[?1049h") {
			t.Errorf("%q: exit %d, %q", keys, code, rest)
		}
	}
}

func TestTopFitsANarrowTerminal(t *testing.T) {
	dir, _ := liveShop(t)
	for _, env := range []string{"", "NO_COLOR=1"} {
		c := inTerminalOf(t, 40, 12, env, "top", dir, "--every", "100ms") // whose path alone is longer
		c.sees(home)
		c.sees(home)
		rows := strings.Split(uncoloured(c.frame()), "\r\n")
		if len(rows) != 12 {
			t.Errorf("%d rows: %q", len(rows), rows)
		}
		for _, row := range rows {
			if n := len([]rune(row)); n > 40 {
				t.Errorf("%d columns: %q", n, row)
			}
		}
		c.types("q")
		c.ends()
	}
}

// uncoloured is text without the commands to a terminal in it.
func uncoloured(text string) string {
	return regexp.MustCompile(`\x1b\[[^A-Za-z]*[A-Za-z]`).ReplaceAllString(text, "")
}

const home = "\x1b[H"

func TestALongJobShowsHowFarItIs(t *testing.T) {
	dir := shop(t)
	bus := openShop(t, dir, nil, errBounced)
	for range 400 { // a few megabytes
		if _, err := bus.Append(t.Context(), started{Payment: strings.Repeat("p", 10_000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "shop.jsonl")
	for _, args := range [][]string{{"export", dir, "-o", file}, {"import", filepath.Join(t.TempDir(), "copy.db"), file}} {
		code, out := inTerminal(t, "", args...).ends()
		if code != 0 || !regexp.MustCompile(`(ex|im)porting +\d+% .*\d+/445, \d+ entries/\w+\) \[\d+s:\d+s\]`).MatchString(out) {
			t.Errorf("%s: exit %d, %q", args[0], code, out)
		}
		if r := run(t, "verify", dir); strings.Contains(r.err, "%") {
			t.Errorf("a bar without a terminal: %s", r.err)
		}
	}
}

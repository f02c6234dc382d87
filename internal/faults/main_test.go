package faults

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// Environment of a child process: the part that it plays, and where.
const (
	partVariable  = "RETINUE_FAULTS_PART"
	dirVariable   = "RETINUE_FAULTS_DIR"
	roundVariable = "RETINUE_FAULTS_ROUND"
	// longVariable makes tests that have a long form run that: 200 kills, every
	// fault in every way, every truncation of a larger log.
	longVariable = "RETINUE_LONG"
)

var parts = map[string]func() error{}

func addPart(name string, f func() error) struct{} {
	parts[name] = f
	return struct{}{}
}

// TestMain runs the tests, or the part of a child process.
func TestMain(m *testing.M) {
	if part := os.Getenv(partVariable); part != "" {
		if err := parts[part](); err != nil {
			fmt.Println("wrong", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// long chooses between the two forms of a test; RETINUE_LONG may be another
// number than full.
func long(short, full int) int {
	n, err := strconv.Atoi(os.Getenv(longVariable))
	switch {
	case err != nil || n == 0:
		return short
	case n == 1:
		return full
	}
	return n
}

// childLimit is when a child counts as hung.
const childLimit = 2 * time.Minute

// child is a process that plays a part and tells of it line by line.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	errors bytes.Buffer
}

func startChild(t *testing.T, part, dir string, env ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	t.Cleanup(cancel)
	c := &child{t: t, cmd: exec.CommandContext(ctx, os.Args[0])}
	c.cmd.Env = append(append(os.Environ(), partVariable+"="+part, dirVariable+"="+dir), env...)
	c.cmd.Stderr = &c.errors
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	c.lines.Split(wholeLines)
	return c
}

// wholeLines splits into lines; what a child was killed in the middle of is
// none.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if !bytes.ContainsRune(data, '\n') {
		return 0, nil, nil
	}
	return bufio.ScanLines(data, atEOF)
}

// next returns the child's next line, false at its end.
func (c *child) next() (string, bool) {
	ok := c.lines.Scan()
	return c.lines.Text(), ok
}

// kill ends the child with SIGKILL. What it had said before is still to be
// read.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// killed waits for the end of a child that was killed.
func (c *child) killed() {
	c.t.Helper()
	_ = c.cmd.Wait()
	if code := c.cmd.ProcessState.ExitCode(); code != -1 {
		c.t.Errorf("the child ended by itself, with %d: %s", code, c.errors.String())
	}
}

// ended waits for the end of a child that ends by itself.
func (c *child) ended() {
	c.t.Helper()
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the child ended with %v: %s", err, c.errors.String())
	}
}

// word is an event of children: what it says is said once in the life of a
// store. aside is trimmable, echo is what a follower appends.
type (
	word  struct{ Text string }
	aside struct{ Text string }
	echo  struct{ Text string }
)

func (word) EventType() messages.Type { return messages.Type{Module: "fault", Kind: "word"} }

func (aside) EventType() messages.Type {
	return messages.Type{Module: "fault", Kind: "aside", Persistence: messages.Trimmable}
}

func (echo) EventType() messages.Type {
	return messages.Type{Module: "fault", Kind: "echo", Persistence: messages.Trimmable}
}

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/retinue-go/retinue"
)

// bar shows how far a long job is, with its rate and the time left, where
// standard error is a terminal and nothing else is written to it.
type bar struct {
	bar *progressbar.ProgressBar // nil shows nothing
}

func newBar(what string, wanted bool) *bar {
	if !wanted || !term.IsTerminal(int(os.Stderr.Fd())) {
		return &bar{}
	}
	return &bar{progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("entries"),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
	)}
}

// at moves the bar.
func (b *bar) at(p retinue.Progress) {
	if b.bar == nil {
		return
	}
	if p.Total > 0 && b.bar.GetMax64() != int64(p.Total) {
		b.bar.ChangeMax64(int64(p.Total))
	}
	b.bar.Set64(int64(p.Entries))
}

// end takes the bar from the terminal.
func (b *bar) end() {
	if b.bar != nil {
		b.bar.Clear()
		b.bar = nil
	}
}

// reading moves the bar by the lines of an export that are written to it.
func (b *bar) reading() io.Writer { return &counter{bar: b} }

// counter counts lines; the first one says how many entries there will be.
type counter struct {
	bar      *bar
	header   []byte
	told     bool
	progress retinue.Progress
}

// Write implements [io.Writer].
func (c *counter) Write(p []byte) (int, error) {
	if c.bar.bar == nil {
		return len(p), nil
	}
	if !c.told {
		c.header = append(c.header, p...)
		if first, _, whole := bytes.Cut(c.header, []byte("\n")); whole {
			var head struct{ Entries uint64 }
			_ = json.Unmarshal(first, &head) // without it there is no time left
			c.progress.Total, c.told, c.header = head.Entries, true, nil
		}
	}
	c.progress.Entries += uint64(bytes.Count(p, []byte("\n")))
	c.bar.at(c.progress)
	return len(p), nil
}

package persistence

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// An export is lines of JSON: a header, an entry a line in the order of the
// trimmable ids, cursors, and a trailer.
//
//	{"retinue_export":1,"store":...}    header
//	{"log":...}                         entries; a persistent one once, with both ids
//	{"follower":...}                    cursors, where they were asked for
//	{"end":true,...}                    trailer
//
// Two exports of the same entries differ in the header alone.
const exportFormat = 1

// header is the first line of an export.
type header struct {
	Format int    `json:"retinue_export"`
	Store  string `json:"store"`
	// Heads and horizon of the two logs.
	Permanent messages.EventID     `json:"permanent_head"`
	Trimmable messages.TrimmableID `json:"trimmable_head"`
	Horizon   messages.TrimmableID `json:"trimmable_horizon"`
	// Ordered is the last ordering time, Offset how far it ran ahead of the
	// wall clock, in nanoseconds.
	Ordered time.Time     `json:"ordered"`
	Offset  time.Duration `json:"clock_offset"`
	// Entries and Cursors are how many lines of them follow.
	Entries uint64 `json:"entries"`
	Cursors uint64 `json:"cursors"`
}

// trailer is the last line. SHA256 is in hexadecimal, of all lines between
// the first and the last, with the newlines.
type trailer struct {
	End     bool   `json:"end"`
	Entries uint64 `json:"entries"`
	Cursors uint64 `json:"cursors"`
	SHA256  string `json:"sha256"`
}

// cursorLine is where a follower stands.
type cursorLine struct {
	Follower string       `json:"follower"`
	Log      messages.Log `json:"log"`
	Next     uint64       `json:"cursor"`
	Started  string       `json:"started"`
	Attempts uint32       `json:"attempts"`
	Handled  uint64       `json:"handled"`
	Skipped  uint64       `json:"skipped"`
	Parked   uint64       `json:"parked"`
	Missed   uint64       `json:"missed"`
	Control  *controlLine `json:"control,omitempty"`
}

type controlLine struct {
	Paused bool      `json:"paused"`
	Parked bool      `json:"parked"`
	Why    string    `json:"why"`
	Since  time.Time `json:"since"`
}

var (
	cursorStart  = []byte(`{"follower":`)
	trailerStart = []byte(`{"end":`)
	newline      = []byte("\n")
)

// strictly reads one JSON value without unknown fields.
func strictly(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return messages.Invalid("line", "something follows the object")
	}
	return nil
}

// Progress of an export or an import.
type Progress struct {
	// Bytes of lines written or read.
	Bytes int64
	// Entries so far, of Total.
	Entries, Total uint64
}

// reportEvery is how many bytes pass between two reports of progress, and
// what a batch of an import holds.
const reportEvery = 1 << 20

// largestLine bounds a line: an append of the largest size, as base64.
const largestLine = 1<<31 - 1

// lineReader reads lines with their newlines; only a trailer may lack it.
type lineReader struct {
	r     *bufio.Reader
	n     uint64 // lines read
	bytes int64
	long  []byte
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 1<<18)} }

// next returns the next line, valid until the one after it. Errors: io.EOF
// also for one that is cut short, [messages.TooLargeError].
func (l *lineReader) next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		piece, err := l.r.ReadSlice('\n')
		l.bytes += int64(len(piece))
		if len(l.long)+len(piece) > largestLine {
			return nil, &messages.TooLargeError{What: "line", Size: len(l.long) + len(piece), Limit: largestLine}
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			l.long = append(l.long, piece...)
			continue
		}
		if len(l.long) > 0 {
			l.long = append(l.long, piece...)
			piece = l.long
		}
		if errors.Is(err, io.EOF) && bytes.HasPrefix(piece, trailerStart) {
			err = nil
		}
		if err == nil {
			l.n++
		}
		return piece, err
	}
}

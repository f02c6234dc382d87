package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

const faultVariable = "RETINUE_FAULTS_FAULT"

var _ = addPart("faulty", playFaulty)

// When a fault begins.
const (
	working = "at work"       // some appends after Open
	opening = "at open"       // before a store is opened again
	newborn = "at first open" // before a store is made
)

// fault is one way in which a disk fails.
type fault struct {
	when, file string
	kinds      []errorfs.OpKind
	match      func(base string) bool
	// bears is true where the bus works on once the disk heals, and waits for
	// space without end.
	bears bool
}

var (
	create = []errorfs.OpKind{errorfs.OpCreate}
	write  = []errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpFileWriteAt}
	syncs  = []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}
	rename = []errorfs.OpKind{errorfs.OpRename}
	list   = []errorfs.OpKind{errorfs.OpOpenDir, errorfs.OpList}
)

func isTable(base string) bool     { return strings.HasSuffix(base, ".sst") }
func isMarker(base string) bool    { return strings.HasPrefix(base, "marker.") }
func isDirectory(base string) bool { return base == "pebble" || base == "store" }
func isOptions(base string) bool   { return strings.HasSuffix(base, ".dbtmp") }
func isSentinel(base string) bool  { return strings.HasPrefix(base, "RETINUE") }
func isMark(base string) bool      { return strings.HasPrefix(base, "HEADS") }

var faults = []fault{
	{working, "log", write, isWAL, false},
	{working, "log", syncs, isWAL, false},
	{working, "log", create, isWAL, false},
	{working, "manifest", write, isManifest, false},
	{working, "manifest", syncs, isManifest, false},
	{working, "table", create, isTable, true},
	{working, "table", write, isTable, true},
	{working, "table", syncs, isTable, true},
	{working, "directory", syncs, isDirectory, false},
	{working, "mark", write, isMark, false},
	{working, "mark", syncs, isMark, false},
	{opening, "log", create, isWAL, false},
	{opening, "log", write, isWAL, false},
	{opening, "log", syncs, isWAL, false},
	{opening, "manifest", create, isManifest, false},
	{opening, "manifest", write, isManifest, false},
	{opening, "manifest", syncs, isManifest, false},
	{opening, "marker", create, isMarker, false},
	{opening, "table", create, isTable, true},
	{opening, "table", write, isTable, true},
	{opening, "table", syncs, isTable, true},
	{opening, "options", create, isOptions, false},
	{opening, "options", write, isOptions, false},
	{opening, "options", syncs, isOptions, false},
	{opening, "options", rename, isOptions, false},
	{opening, "directory", list, isDirectory, false},
	{opening, "directory", syncs, isDirectory, false},
	{newborn, "sentinel", create, isSentinel, false},
	{newborn, "sentinel", write, isSentinel, false},
	{newborn, "sentinel", syncs, isSentinel, false},
	{newborn, "sentinel", rename, isSentinel, false},
	{newborn, "mark", create, isMark, false},
	{newborn, "mark", rename, isMark, false},
	{newborn, "log", write, isWAL, false},
	{newborn, "log", syncs, isWAL, false},
	{newborn, "marker", create, isMarker, false},
	{newborn, "directory", syncs, isDirectory, false},
}

func (f fault) name() string {
	kind := map[errorfs.OpKind]string{
		errorfs.OpCreate: "create", errorfs.OpFileWrite: "write", errorfs.OpFileSync: "sync",
		errorfs.OpRename: "rename", errorfs.OpOpenDir: "open",
	}[f.kinds[0]]
	return fmt.Sprintf("%s, %s of %s", f.when, kind, f.file)
}

// disk fails times times once it is on; below 0 for ever.
type disk struct {
	fault
	err   syscall.Errno
	on    atomic.Bool
	times atomic.Int64
	hits  atomic.Int64
}

func (d *disk) String() string { return d.name() }

func (d *disk) MaybeError(op errorfs.Op) error {
	if !d.on.Load() || !slices.Contains(d.kinds, op.Kind) || !d.match(filepath.Base(op.Path)) {
		return nil
	}
	if d.times.Load() >= 0 && d.times.Add(-1) < 0 {
		d.times.Store(0)
		return nil
	}
	d.hits.Add(1)
	return &fs.PathError{Op: "fault", Path: op.Path, Err: d.err}
}

// Each fault is met by a process of its own, which must live and end by
// itself; the disk heals, and what was acknowledged is there.
func TestEveryFaultOfADiskLeavesTheProcessAliveAndWhatWasAcknowledged(t *testing.T) {
	ways := []struct {
		err   syscall.Errno
		times int64
	}{{syscall.EIO, -1}, {syscall.ENOSPC, 2}, {syscall.EIO, 1}, {syscall.ENOSPC, -1}}
	for i, f := range faults {
		for j, way := range ways {
			if long(0, 1) == 0 && j != i%2 {
				continue
			}
			t.Run(fmt.Sprintf("%s: %s %d", f.name(), way.err, way.times), func(t *testing.T) {
				t.Parallel()
				meetFault(t, i, way.err, way.times)
			})
		}
	}
}

func meetFault(t *testing.T, number int, err syscall.Errno, times int64) {
	dir := filepath.Join(t.TempDir(), "store")
	c := startChild(t, "faulty", dir, fmt.Sprintf("%s=%d %d %d", faultVariable, number, int(err), times))
	var acknowledged []string
	hits, outcome := 0, ""
	for {
		line, ok := c.next()
		if !ok {
			break
		}
		what, rest, _ := strings.Cut(line, " ")
		switch what {
		case "ack":
			_, text := entryLine(t, rest)
			acknowledged = append(acknowledged, text)
		case "hits":
			hits, _ = strconv.Atoi(rest)
		case "outcome":
			outcome = rest
		default:
			t.Errorf("the child said %q", line)
		}
	}
	c.ended()
	f := faults[number]
	if hits == 0 {
		t.Errorf("the fault was not met")
	}
	if works := f.bears && (times > 0 || f.when == working && err == syscall.ENOSPC); works != (outcome == "works") {
		t.Errorf("outcome is %q, the bus has to work on: %v", outcome, works)
	}
	wantAcknowledged(t, dir, acknowledged)
}

// wantAcknowledged opens a store on the healed disk, and works with it.
func wantAcknowledged(t *testing.T, dir string, acknowledged []string) {
	t.Helper()
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		t.Fatalf("open on the healed disk: %v", err)
	}
	defer bus.Close()
	texts, err := firstWords(bus)
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) < len(acknowledged) || !slices.Equal(texts[:len(acknowledged)], acknowledged) {
		t.Errorf("%d entries, %d were acknowledged", len(texts), len(acknowledged))
	}
	if _, err := bus.Append(t.Context(), word{"again"}); err != nil {
		t.Error(err)
	}
	report, err := bus.Verify(t.Context())
	if err = errors.Join(err, report.Err()); err != nil {
		t.Error(err)
	}
}

// firstWords reads the permanent log: the first word of each text.
func firstWords(bus *retinue.Bus) ([]string, error) {
	var texts []string
	for e, err := range bus.Entries(context.Background(), retinue.Query{}) {
		if err != nil {
			return texts, err
		}
		w, err := messages.Decode[word](e)
		if err != nil {
			return texts, err
		}
		text, _, _ := strings.Cut(w.Text, " ")
		texts = append(texts, text)
	}
	return texts, nil
}

// player is a child that meets a fault.
type player struct {
	disk
	bus  *retinue.Bus
	said int
}

func playFaulty() error {
	var number, errno int
	var times int64
	if _, err := fmt.Sscan(os.Getenv(faultVariable), &number, &errno, &times); err != nil {
		return err
	}
	p := &player{disk: disk{fault: faults[number], err: syscall.Errno(errno)}}
	p.times.Store(times)
	outcome, err := p.play()
	fmt.Println("hits", p.hits.Load())
	fmt.Println("outcome", outcome)
	return err
}

// play returns "works", "fails" or "refused".
func (p *player) play() (outcome string, err error) {
	p.on.Store(p.when == newborn)
	dir := os.Getenv(dirVariable)
	first := dir
	if p.when == opening {
		first += ".running"
	}
	if err := p.open(first); err != nil {
		return "refused", p.expect(err)
	}
	if err := p.append(20, 100); err != nil {
		return "fails", p.failed(err)
	}
	if p.when == opening {
		// What is there now is what a killed process would leave: a log to replay.
		if err := errors.Join(os.CopyFS(dir, os.DirFS(first)), p.bus.Close()); err != nil {
			return "", err
		}
		p.on.Store(true)
		if err := p.open(dir); err != nil {
			return "refused", p.expect(err)
		}
	}
	p.on.Store(true)
	err = p.append(120, 64<<10)
	for err == nil && p.spoiled() { // until memory for what is not in tables runs out
		err = p.append(1, 64<<10)
	}
	for n := 0; err == nil && p.file == "mark" && n < 1_000_000; n++ { // it is written once a second
		err = p.append(1, 1)
	}
	if err != nil {
		return "fails", p.failed(err)
	}
	return "works", p.bus.Close()
}

// spoiled reports whether the disk never takes a table again, for another
// reason than want of space.
func (d *disk) spoiled() bool { return d.bears && d.times.Load() < 0 && d.err != syscall.ENOSPC }

func (p *player) open(dir string) (err error) {
	p.bus, err = retinue.Open(dir, &retinue.Options{FS: errorfs.Wrap(vfs.Default, &p.disk)})
	return err
}

func (p *player) append(n, size int) error {
	for range n {
		text := strconv.Itoa(p.said)
		r, err := p.bus.Append(context.Background(), word{text + " " + strings.Repeat("x", size)})
		if err != nil {
			return err
		}
		p.said++
		acknowledge(r.FirstTrimmable, text)
	}
	return nil
}

// expect wants an error to be the disk's.
func (p *player) expect(err error) error {
	if !errors.Is(err, p.err) {
		return fmt.Errorf("got %v, want the disk's error", err)
	}
	return nil
}

// failed wants a bus that has failed and can be read.
func (p *player) failed(err error) error {
	if !errors.Is(err, messages.ErrFailed) {
		return fmt.Errorf("got %v, want ErrFailed", err)
	}
	if err := p.expect(err); err != nil {
		return err
	}
	if err := p.bus.Status().Failed; !errors.Is(err, messages.ErrFailed) {
		return fmt.Errorf("status says %v", err)
	}
	texts, err := firstWords(p.bus)
	if err != nil || len(texts) != p.said {
		return fmt.Errorf("%d of %d acknowledged are readable: %w", len(texts), p.said, err)
	}
	if err := p.bus.Close(); !errors.Is(err, messages.ErrFailed) {
		return fmt.Errorf("close said %v", err)
	}
	return nil
}

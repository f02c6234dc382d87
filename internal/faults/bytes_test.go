package faults

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

var _ = addPart("cut", playCut)

// image is the store of a process that was killed.
type image struct {
	files map[string][]byte
	// words are what was acknowledged; marked of them lie below the mark of the
	// heads, the rest came after it.
	words  []string
	marked int
}

// killedImage has a child write a store with tables, a log and a mark in the
// middle of it, and kills it.
func killedImage(t *testing.T) image {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	c := startChild(t, "cut", dir)
	var img image
	for {
		line, ok := c.next()
		if !ok {
			break
		}
		what, rest, _ := strings.Cut(line, " ")
		switch what {
		case "ack":
			_, text := entryLine(t, rest)
			img.words = append(img.words, text)
		case "all":
			c.kill()
		default:
			t.Fatalf("the child said %q", line)
		}
	}
	c.killed()
	img.files = map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		img.files[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	img.marked = int(markedHead(img.files["HEADS"])) - 1
	if img.marked <= cutBefore || img.marked >= len(img.words) {
		t.Fatalf("the mark stands behind %d of %d entries", img.marked, len(img.words))
	}
	return img
}

// markedHead reads the head of the permanent log from the newer slot of the
// mark; docs/format.md draws it.
func markedHead(mark []byte) (head uint64) {
	for slot := range slices.Chunk(mark, 64) {
		head = max(head, binary.BigEndian.Uint64(slot[32:]))
	}
	return head
}

const (
	cutBefore = 12 // entries of the first epoch
	cutAround = 2  // entries before the mark is written, and after it
)

// playCut writes some entries and closes; opens again, writes, waits for the
// mark of the heads, holds it up, writes on, and waits for its end.
func playCut() error {
	dir := os.Getenv(dirVariable)
	var held atomic.Bool
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if held.Load() && op.Kind == errorfs.OpFileWriteAt && isMark(filepath.Base(op.Path)) {
			select {}
		}
		return nil
	}))
	for epoch := range 2 {
		bus, err := retinue.Open(dir, &retinue.Options{FS: fs})
		if err != nil {
			return err
		}
		err = bus.Follow(followers.Follower{Name: "every", Every: func(t *followers.Turn) error {
			return t.Set(reactionKey(t.Entry().TrimmableID), []byte("1"))
		}})
		if err != nil {
			return err
		}
		if epoch == 0 {
			if err := saySome(bus, "first", cutBefore); err != nil {
				return err
			}
			if err := bus.Close(); err != nil {
				return err
			}
			continue
		}
		if err := saySome(bus, "second", cutAround); err != nil {
			return err
		}
		if err := awaitMark(dir, cutBefore+cutAround+1); err != nil {
			return err
		}
		held.Store(true)
		if err := saySome(bus, "third", cutAround); err != nil {
			return err
		}
	}
	fmt.Println("all")
	select {}
}

func saySome(bus *retinue.Bus, what string, n int) error {
	var last messages.Receipt
	for i := range n {
		text := fmt.Sprint(what, i)
		r, err := bus.Append(context.Background(), word{text}, aside{text + "+"})
		if err != nil {
			return err
		}
		acknowledge(r.FirstTrimmable, text)
		last = r
	}
	return bus.Await(context.Background(), "every", last.LastEvent)
}

func awaitMark(dir string, head uint64) error {
	for range time.Tick(10 * time.Millisecond) {
		mark, err := os.ReadFile(filepath.Join(dir, "HEADS"))
		if err != nil || markedHead(mark) >= head {
			return err
		}
	}
	return nil
}

// open opens what is left of an image and returns how many of its entries are
// there, or an error that names the damage. Anything else fails the test.
func (img image) open(t *testing.T, what string, files map[string][]byte) (int, error) {
	t.Helper()
	mem := vfs.NewMem()
	if err := fill(mem, files); err != nil {
		t.Error(err)
	}
	n, err := img.read(mem)
	if err != nil && !names(err) {
		t.Errorf("%s: %v names no damage", what, err)
	}
	if err == nil && n < img.marked {
		t.Errorf("%s: opened without a word, with %d entries, the mark stands behind %d", what, n, img.marked)
	}
	return n, err
}

func fill(mem vfs.FS, files map[string][]byte) error {
	if err := mem.MkdirAll("store/pebble", 0o700); err != nil {
		return err
	}
	for name, content := range files {
		f, err := mem.Create("store/"+name, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		_, err = f.Write(bytes.Clone(content)) // which the file may spoil
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// names reports whether an error says that the store is damaged.
func names(err error) bool {
	return errors.Is(err, messages.ErrDamaged) || errors.Is(err, messages.ErrCorrupt) ||
		errors.Is(err, messages.ErrNotStore) || errors.Is(err, messages.ErrNewerFormat)
}

func (img image) read(mem vfs.FS) (n int, err error) {
	bus, err := retinue.Open("store", &retinue.Options{FS: mem})
	if err != nil {
		report, closed := retinue.Verify(context.Background(), "store", &retinue.Options{FS: mem})
		if closed = errors.Join(closed, report.Err()); !names(closed) {
			return 0, fmt.Errorf("open said %v, Verify %v", err, closed)
		}
		return 0, err
	}
	defer func() {
		if closing := bus.Close(); err == nil {
			err = closing
		}
	}()
	report, err := bus.Verify(context.Background())
	if err = errors.Join(err, report.Err()); err != nil {
		return 0, err
	}
	for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
		n = 0
		for e, err := range bus.Entries(context.Background(), retinue.Query{Log: log}) {
			if err != nil {
				return 0, err
			}
			want := img.words[n/(1+int(log))]
			if e.Type.Kind == "aside" {
				want += "+"
			}
			if text, err := textOf(e); err != nil || text != want {
				return 0, fmt.Errorf("entry %v reads %q, want %q: %w", e.TrimmableID, text, want, err)
			}
			n++
		}
	}
	if n%2 != 0 {
		return 0, fmt.Errorf("%d entries: half of an append", n)
	}
	return n / 2, nil
}

func (img image) with(name string, content []byte) map[string][]byte {
	files := maps.Clone(img.files)
	files[name] = content
	return files
}

func (img image) lastLog() string {
	var logs []string
	for name := range img.files {
		if isWAL(name) {
			logs = append(logs, name)
		}
	}
	return slices.Max(logs)
}

// truncations are all lengths up to the last record and into the zeros that the
// log is kept ahead of itself by; of those further on a sample, in the long form
// all.
func truncations(log []byte) (sizes []int) {
	records := len(bytes.TrimRight(log, "\x00"))
	for size := 0; size < len(log); size++ {
		sizes = append(sizes, size)
		if size >= records+64 && long(0, 1) == 0 {
			size += 500
		}
	}
	return sizes
}

func TestEveryTruncationOfTheLastLogIsAPrefixOrDamage(t *testing.T) {
	img := killedImage(t)
	name := img.lastLog()
	log := img.files[name]
	if n, err := img.open(t, "whole", img.files); err != nil || n != len(img.words) {
		t.Fatalf("the whole store has %d of %d entries, %v", n, len(img.words), err)
	}
	sizes := truncations(log)
	found := make([]int, len(sizes)) // entries, -1 for damage
	var work sync.WaitGroup
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(sizes)); i = next.Add(1) - 1 {
				what := fmt.Sprintf("%s of %d bytes, cut to %d", name, len(log), sizes[i])
				n, err := img.open(t, what, img.with(name, log[:sizes[i]]))
				if found[i] = n; err != nil {
					found[i] = -1
				}
			}
		})
	}
	work.Wait()
	opened, damaged, last := 0, 0, 0
	for i, n := range found {
		switch size := sizes[i]; {
		case n < 0 && last > 0:
			t.Errorf("cut to %d bytes it is damaged, shorter it had %d entries", size, last)
		case n < 0:
			damaged++
		case n < last:
			t.Errorf("cut to %d bytes it has %d entries, shorter it had %d", size, n, last)
		default:
			opened, last = opened+1, n
		}
	}
	t.Logf("%d truncations of %d bytes: %d opened, %d damaged", len(sizes), len(log), opened, damaged)
	if opened == 0 || damaged == 0 {
		t.Errorf("%d opened, %d damaged", opened, damaged)
	}
}

func TestAFlippedBitIsAPrefixOrDamage(t *testing.T) {
	img := killedImage(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	total, opened := 0, 0
	for _, name := range slices.Sorted(maps.Keys(img.files)) {
		content := img.files[name]
		step := max(1, len(content)/long(40, 2_000))
		for at := random.IntN(step); at < len(content); at += step {
			flipped := bytes.Clone(content)
			bit := random.IntN(8)
			flipped[at] ^= 1 << bit
			_, err := img.open(t, fmt.Sprintf("bit %d of byte %d of %s", bit, at, name), img.with(name, flipped))
			if total++; err == nil {
				opened++
			}
		}
	}
	t.Logf("seed %d, %d flips: %d opened", seed, total, opened)
	if opened == 0 || opened == total {
		t.Errorf("%d of %d opened", opened, total)
	}
}

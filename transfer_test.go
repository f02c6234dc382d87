package retinue_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// blob is an event whose payload is its bytes.
type (
	blob     struct{ Bytes []byte }
	hintBlob struct{ blob }
)

func (blob) EventType() messages.Type {
	return messages.Type{Module: "m <&> \"\u2028", Kind: "blob", Version: 7}
}
func (hintBlob) EventType() messages.Type {
	return messages.Type{Kind: "hint blob", Persistence: messages.Trimmable}
}
func (blob) EventCodec() messages.Codec { return blobCodec{} }

type blobCodec struct{}

func (blobCodec) Name() string { return "blob's" }
func (blobCodec) Append(dst []byte, event any) ([]byte, error) {
	switch b := event.(type) {
	case blob:
		return append(dst, b.Bytes...), nil
	case hintBlob:
		return append(dst, b.Bytes...), nil
	}
	return nil, fmt.Errorf("%T is no blob", event)
}
func (blobCodec) Decode(payload []byte, into any) error {
	into.(*blob).Bytes = bytes.Clone(payload)
	return nil
}

// exported returns the lines of an export.
func exported(t testing.TB, bus *retinue.Bus) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := bus.Export(t.Context(), &out, retinue.ExportOptions{Cursors: true}); err != nil {
		t.Fatalf("export: %v", err)
	}
	return out.Bytes()
}

// body is an export without its first line, which names the store.
func body(export []byte) string {
	_, rest, _ := bytes.Cut(export, []byte("\n"))
	return string(rest)
}

func importInto(t testing.TB, fs vfs.FS, export []byte) (retinue.ImportReport, error) {
	t.Helper()
	return retinue.Import(t.Context(), "imported", bytes.NewReader(export), &retinue.Options{FS: fs}, retinue.ImportOptions{Cursors: true})
}

// wantImported reads what was imported and compares it with the export.
func wantImported(t testing.TB, fs vfs.FS, export []byte) {
	t.Helper()
	bus := readOnly(t, fs, "imported")
	defer closeBus(t, bus)
	if r, err := bus.Verify(t.Context()); err != nil || r.Err() != nil {
		t.Errorf("verify: %v, %v", err, r.Err())
	}
	if got := exported(t, bus); body(got) != body(export) {
		t.Errorf("exported again:\n%s\nwant\n%s", got, export)
	}
}

// mixed is a small store with something of everything, and its export.
func mixed(t testing.TB) (*retinue.Bus, []byte) {
	t.Helper()
	b := openTrimming(t, retinue.Trim{MinEntries: 2, MinAge: -1})
	put(t, b.Bus, hint{"goes"}, note{"a"}, hint{"goes too"})
	put(t, b.Bus, messages.Draft{
		Event: note{"b"}, Instance: 3, Time: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), Correlation: "c\"<\u2028",
		Headers: map[string]string{"a": "", "}": "\x00\\", "{\"log\":": "\n"},
	}, hint{"stays"}, signal{"never written"})
	put(t, b.Bus, blob{[]byte{0, 0xff, '\n'}}, hintBlob{blob{[]byte(`{"a":1}`)}}, blob{nil})
	mustFollow(t, b.Bus, counter())
	if err := b.Await(t.Context(), "counter", messages.EventID(4)); err != nil {
		t.Fatal(err)
	}
	if err := b.Pause(t.Context(), "counter"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.Bus, exported(t, b.Bus)
}

func TestAnExportIsImportedAndExportedAlike(t *testing.T) {
	bus, export := mixed(t)
	fs := vfs.NewMem()
	r, err := importInto(t, fs, export)
	if err != nil {
		t.Fatal(err)
	}
	s := bus.Status()
	if r.From != bus.StoreID() || r.Store == bus.StoreID() || r.Cursors != 1 || r.Resumed != 0 {
		t.Errorf("report = %+v", r)
	}
	wantImported(t, fs, export)
	imported := readOnly(t, fs, "imported")
	if got := imported.Status(); imported.StoreID() != r.Store || got.Permanent.Head != s.Permanent.Head ||
		got.Trimmable.Head != s.Trimmable.Head || got.Trimmable.Horizon != s.Trimmable.Horizon || s.Trimmable.Horizon == 1 {
		t.Errorf("status = %+v, want that of %+v", got, s)
	}
	if f := imported.Status().Followers; len(f) != 1 || f[0].Cursor != 5 || f[0].State != "paused" || f[0].Handled != s.Followers[0].Handled {
		t.Errorf("followers = %+v", f)
	}
	wantKeys(t, imported, "counter") // keys do not travel
}

func TestWithoutCursorsFollowersBeginAnew(t *testing.T) {
	bus, export := mixed(t)
	fs := vfs.NewMem()
	r, err := retinue.Import(t.Context(), "imported", bytes.NewReader(export), &retinue.Options{FS: fs}, retinue.ImportOptions{})
	if err != nil || r.Cursors != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if f := readOnly(t, fs, "imported").Status().Followers; len(f) != 0 {
		t.Errorf("followers = %+v", f)
	}
	var out bytes.Buffer
	if r, err := bus.Export(t.Context(), &out, retinue.ExportOptions{}); err != nil || r.Cursors != 0 || strings.Contains(out.String(), `{"follower":`) {
		t.Errorf("%+v, %v: %s", r, err, out.String())
	}
}

func TestAnImportedStoreGoesOnWhereTheOtherWas(t *testing.T) {
	bus, export := mixed(t)
	want := bus.Status()
	opts := inMemory()
	if _, err := importInto(t, opts.FS, export); err != nil {
		t.Fatal(err)
	}
	imported, err := retinue.Open("imported", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer closeBus(t, imported)
	receipt := put(t, imported, note{"next"})
	if uint64(receipt.FirstEvent) != want.Permanent.Head || uint64(receipt.FirstTrimmable) != want.Trimmable.Head {
		t.Errorf("receipt = %+v, want %+v", receipt, want)
	}
	if r, err := imported.Verify(t.Context()); err != nil || r.Err() != nil {
		t.Errorf("verify: %v, %v", err, r.Err())
	}
}

func TestAnEmptyAndAWhollyTrimmedStoreTravel(t *testing.T) {
	empty := exported(t, openBus(t, inMemory()))
	b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: -1})
	b.fill(t, 5)
	put(t, b.Bus, note{"stays"})
	if _, err := b.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, export := range map[string][]byte{"empty": empty, "trimmed": exported(t, b.Bus)} {
		fs := vfs.NewMem()
		if _, err := importInto(t, fs, export); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		wantImported(t, fs, export)
	}
}

// closed makes an export whole again: heads and counts of the first line stay,
// the last line tells of the lines between.
func TestProgressComesToTheEnd(t *testing.T) {
	bus := openBus(t, inMemory())
	for range 40 {
		put(t, bus, note{strings.Repeat("x", 100_000)})
	}
	var out bytes.Buffer
	var told []retinue.Progress
	tell := func(p retinue.Progress) { told = append(told, p) }
	if _, err := bus.Export(t.Context(), &out, retinue.ExportOptions{Progress: tell}); err != nil {
		t.Fatal(err)
	}
	wantProgress(t, told, int64(out.Len()))
	told = nil
	size := int64(out.Len())
	if _, err := retinue.Import(t.Context(), "imported", &out, inMemory(), retinue.ImportOptions{Progress: tell}); err != nil {
		t.Fatal(err)
	}
	wantProgress(t, told, size)
}

func wantProgress(t *testing.T, told []retinue.Progress, size int64) {
	t.Helper()
	if len(told) < 4 {
		t.Fatalf("told %v", told)
	}
	for i, p := range told[1:] {
		if p.Bytes < told[i].Bytes || p.Entries < told[i].Entries || p.Total != 40 {
			t.Errorf("%+v after %+v", p, told[i])
		}
	}
	if last := told[len(told)-1]; last.Bytes != size || last.Entries != 40 {
		t.Errorf("the last is %+v of %d bytes", last, size)
	}
}

func TestTransfersEndWithTheirContext(t *testing.T) {
	bus, export := mixed(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := bus.Export(ctx, io.Discard, retinue.ExportOptions{})
	wantError(t, err, context.Canceled)
	fs := vfs.NewMem()
	_, err = retinue.Import(ctx, "imported", bytes.NewReader(export), &retinue.Options{FS: fs}, retinue.ImportOptions{})
	wantError(t, err, context.Canceled)
	if _, err := importInto(t, fs, export); err != nil {
		t.Error(err)
	}
}

func TestAnExportTellsWhatItsWriterSaid(t *testing.T) {
	bus, _ := mixed(t)
	_, err := bus.Export(t.Context(), failingWriter{}, retinue.ExportOptions{})
	wantError(t, err, io.ErrShortWrite)
}

// Wherever the disk of the writer is full, the export says so, and a bus with
// a disk of its own works on.
func TestAFullDiskDuringAnExportIsToldAndTheBusWorksOn(t *testing.T) {
	bus, export := mixed(t)
	for room := 0; room < len(export); room += 1 + room/2 {
		full := &fullDisk{room: room}
		_, err := bus.Export(t.Context(), full, retinue.ExportOptions{Cursors: true})
		wantError(t, err, messages.ErrNoSpace)
		if !bytes.HasPrefix(export, full.written.Bytes()) {
			t.Errorf("with room for %d: %q, want the beginning of %q", room, full.written.Bytes(), export)
		}
	}
	put(t, bus, note{"and on"})
	if _, err := importInto(t, vfs.NewMem(), exported(t, bus)); err != nil {
		t.Error(err)
	}
}

// fullDisk has room for some bytes.
type fullDisk struct {
	room    int
	written bytes.Buffer
}

func (d *fullDisk) Write(p []byte) (int, error) {
	n, _ := d.written.Write(p[:min(len(p), d.room)])
	if d.room -= n; n < len(p) {
		return n, &os.PathError{Op: "write", Path: "export", Err: syscall.ENOSPC}
	}
	return n, nil
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// Whatever was appended, trimmed and followed: what is exported, imported and
// exported again are the same lines.
func TestExportImportExportGivesTheSameLines(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		opts := &retinue.Options{FS: vfs.NewMem(), Trim: retinue.Trim{MinEntries: rapid.IntRange(1, 5).Draw(r, "keep"), MinAge: -1, Off: true}}
		bus, err := retinue.Open("store", opts)
		if err != nil {
			r.Fatal(err)
		}
		defer bus.Close()
		if err := bus.Follow(followers.Follower{Name: rapid.StringN(1, 20, 200).Draw(r, "follower"), Log: messages.TrimmableLog,
			Trimmed: followers.Jump, Every: func(*followers.Turn) error { return nil }}); err != nil {
			r.Fatal(err)
		}
		for range rapid.IntRange(0, 12).Draw(r, "appends") {
			if _, err := bus.Append(t.Context(), drawEvents(r)...); err != nil {
				r.Fatal(err)
			}
			if rapid.IntRange(0, 3).Draw(r, "trim") == 0 {
				if _, err := bus.Trim(t.Context()); err != nil {
					r.Fatal(err)
				}
			}
		}
		if err := bus.Unfollow(t.Context(), bus.Status().Followers[0].Name); err != nil {
			r.Fatal(err)
		}
		export := exported(t, bus)
		fs := vfs.NewMem()
		if _, err := importInto(t, fs, export); err != nil {
			r.Fatalf("%v\n%s", err, export)
		}
		wantImported(t, fs, export)
		for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
			compareLogs(r, t, bus, fs, log)
		}
	})
}

func compareLogs(r *rapid.T, t *testing.T, bus *retinue.Bus, fs vfs.FS, log messages.Log) {
	imported, err := retinue.Open("imported", &retinue.Options{FS: fs, ReadOnly: true})
	if err != nil {
		r.Fatal(err)
	}
	defer imported.Close()
	want, got := read(t, bus, log), read(t, imported, log)
	if fmt.Sprintf("%+v", want) != fmt.Sprintf("%+v", got) {
		r.Errorf("%v log: %+v, want %+v", log, got, want)
	}
}

func drawEvents(r *rapid.T) []messages.Event {
	name := rapid.StringN(0, 20, messages.MaxName)
	return rapid.SliceOfN(rapid.Custom(func(r *rapid.T) messages.Event {
		payload := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Just([]byte(`{"a":[1,"<"]}`))).Draw(r, "payload")
		d := messages.Draft{
			Event: note{string(payload)}, Instance: rapid.Uint32().Draw(r, "instance"), Correlation: name.Draw(r, "correlation"),
		}
		switch rapid.IntRange(0, 3).Draw(r, "type") {
		case 0:
			d.Event = hint{string(payload)}
		case 1:
			d.Event = blob{payload}
		case 2:
			d.Event = hintBlob{blob{payload}}
		}
		if rapid.Bool().Draw(r, "timed") {
			d.Time = time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(r, "s"), rapid.Int64Range(1, 999_999_999).Draw(r, "ns"))
		}
		d.Headers = rapid.MapOfN(rapid.StringN(1, -1, -1), rapid.String(), 0, 4).Draw(r, "headers")
		return d
	}), 1, 5).Draw(r, "events")
}

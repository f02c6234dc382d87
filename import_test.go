package retinue_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func TestAnImportIntoASharedDatabase(t *testing.T) {
	_, export := mixed(t)
	db := openDatabase(t, vfs.NewMem())
	opts := &retinue.Options{DB: db, Prefix: []byte("p")}
	if _, err := retinue.Import(t.Context(), "", bytes.NewReader(export), opts, retinue.ImportOptions{Cursors: true}); err != nil {
		t.Fatal(err)
	}
	if got := exported(t, sharedBus(t, db, "p")); body(got) != body(export) {
		t.Errorf("exported again:\n%s\nwant\n%s", got, export)
	}
}

func TestOnlyAnEmptyStoreIsImportedInto(t *testing.T) {
	_, export := mixed(t)
	for name, prepare := range map[string]func(*retinue.Bus) error{
		"an entry": func(b *retinue.Bus) error { _, err := b.Append(t.Context(), note{}); return err },
		"a key": func(b *retinue.Bus) error {
			_, err := b.Update(t.Context(), func(tx *retinue.Tx) error { return tx.Set([]byte("k"), nil) })
			return err
		},
		"a follower": func(b *retinue.Bus) error { return b.Follow(counter()) },
	} {
		opts := inMemory()
		bus, err := retinue.Open("imported", opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := prepare(bus); err != nil {
			t.Fatal(err)
		}
		_, err = importInto(t, opts.FS, export)
		wantError(t, err, messages.ErrInUse)
		closeBus(t, bus)
		_, err = importInto(t, opts.FS, export)
		if !errors.Is(err, messages.ErrExists) {
			t.Errorf("a store with %s: %v", name, err)
		}
	}
	opts := inMemory()
	bus, err := retinue.Open("imported", opts)
	if err != nil {
		t.Fatal(err)
	}
	closeBus(t, bus)
	if _, err := importInto(t, opts.FS, export); err != nil {
		t.Errorf("a store that was only opened: %v", err)
	}
	_, err = importInto(t, opts.FS, export)
	wantError(t, err, messages.ErrExists)
	_, err = retinue.Import(t.Context(), "imported", bytes.NewReader(export), &retinue.Options{FS: opts.FS, ReadOnly: true}, retinue.ImportOptions{})
	wantError(t, err, messages.ErrReadOnly)
}

func closed(export []byte) []byte {
	lines := bytes.SplitAfter(bytes.TrimSuffix(export, []byte("\n")), []byte("\n"))
	entries, cursors, sum := 0, 0, sha256.New()
	for _, line := range lines[1 : len(lines)-1] {
		sum.Write(line)
		if bytes.HasPrefix(line, []byte(`{"follower":`)) {
			cursors++
		} else {
			entries++
		}
	}
	last := fmt.Sprintf(`{"end":true,"entries":%d,"cursors":%d,"sha256":"%s"}`+"\n", entries, cursors, hex.EncodeToString(sum.Sum(nil)))
	return append(bytes.Join(lines[:len(lines)-1], nil), last...)
}

func TestALineThatCannotBeImportedIsNamedAndItsRepairGoesOn(t *testing.T) {
	_, export := mixed(t)
	replace := func(n int, old, new string) func([]string) []string {
		return func(lines []string) []string {
			if !strings.Contains(lines[n], old) {
				t.Fatalf("no %q in line %d: %s", old, n+1, lines[n])
			}
			lines[n] = strings.Replace(lines[n], old, new, 1)
			return lines
		}
	}
	count := bytes.Count(export, []byte("\n"))
	for _, test := range []struct {
		line uint64
		is   error
		harm func([]string) []string
	}{
		{1, nil, replace(0, "retinue_export", "other_export")},
		{1, messages.ErrNewerFormat, replace(0, `"retinue_export":1`, `"retinue_export":2`)},
		{1, nil, replace(0, `"store":"`, `"store":"0`)},
		{1, nil, replace(0, `"permanent_head":5`, `"permanent_head":0`)},
		{1, nil, replace(0, `"trimmable_horizon":`, `"trimmable_horizon":9`)},
		{1, nil, replace(0, `"clock_offset":`, `"clock_offset":-1`)},
		{1, nil, replace(0, `"ordered":"2026`, `"ordered":"1926`)},
		{2, nil, replace(1, `"id":1,`, `"id":2,`)},
		{2, nil, replace(1, `"trimmable_id":2`, `"trimmable_id":20`)},
		{2, messages.ErrInvalid, replace(1, `"log":"permanent",`, ``)},
		{2, messages.ErrInvalid, replace(1, `"kind":"note"`, `"kind":""`)},
		{2, nil, replace(1, `"kind":"note"`, `"kind":"`+strings.Repeat("n", 256)+`"`)},
		{2, nil, replace(1, `"persistence":"persistent"`, `"persistence":"trimmable"`)},
		{2, nil, replace(1, `"payload"`, `"codec":"","payload"`)},
		{3, nil, replace(2, `"headers":{`, `"headers":{"":"x",`)},
		{3, nil, replace(2, `"ordered":"2026`, `"ordered":"2025`)},
		{3, nil, replace(2, `"ordered":"2026`, `"ordered":"2126`)},
		{3, nil, replace(2, `"0001-01-01T00:00:00.000000001Z"`, `"0001-01-01T00:00:00Z"`)},
		{3, nil, replace(2, "\n", "garbage\n")},
		{3, nil, replace(2, `{`, ` `)},
		{3, nil, func(l []string) []string { l[2] = "\n"; return l }},
		{4, nil, func(l []string) []string { return append(l[:3:3], l[4:]...) }},
		{uint64(count) - 1, nil, replace(count-2, `"cursor":`, `"cursor":9`)},
		{uint64(count) - 1, nil, replace(count-2, `"counter"`, `""`)},
		{uint64(count), nil, func(l []string) []string { return append(l[:count-1:count-1], l[count-2], l[count-1]) }},
		{uint64(count), nil, replace(count-1, `"sha256":"`, `"sha256":"0`)},
		{uint64(count), nil, replace(count-1, `"entries":`, `"entries":1`)},
		{uint64(count) + 1, nil, func(l []string) []string { return append(l, "{}\n") }},
		{uint64(count), io.ErrUnexpectedEOF, func(l []string) []string { return l[:count-1] }},
	} {
		lines := strings.SplitAfter(string(export), "\n")
		broken := strings.Join(test.harm(lines[:count]), "")
		fs := vfs.NewMem()
		_, err := importInto(t, fs, []byte(broken))
		var named *messages.ImportError
		if !errors.As(err, &named) || named.Line != test.line || !errors.Is(err, messages.ErrImport) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("line %d (%v): error = %v", test.line, test.is, err)
			continue
		}
		if test.line == 1 {
			if _, err := fs.Stat("imported"); err == nil {
				t.Errorf("%v made a store", err)
			}
			continue
		}
		_, err = retinue.Open("imported", &retinue.Options{FS: fs})
		wantError(t, err, messages.ErrUnfinishedImport)
		_, err = retinue.Verify(t.Context(), "imported", &retinue.Options{FS: fs})
		wantError(t, err, messages.ErrUnfinishedImport)
		if r, err := importInto(t, fs, export); err != nil || r.Resumed == 0 && test.line > 2 {
			t.Errorf("line %d repaired: %+v, %v", test.line, r, err)
			continue
		}
		wantImported(t, fs, export)
	}
}

func TestAHeaderThatEndsBeforeItsEntriesSaysSo(t *testing.T) {
	_, export := mixed(t)
	_, err := importInto(t, vfs.NewMem(), bytes.Replace(export, []byte(`"ordered":"2026`), []byte(`"ordered":"2025`), 1))
	var named *messages.ImportError
	if !errors.As(err, &named) || named.Line != 2 || !strings.Contains(err.Error(), "the header says that the last was at 2025") {
		t.Errorf("error = %v", err)
	}
}

func TestTwoCursorsOfAFollowerAreRefused(t *testing.T) {
	_, export := mixed(t)
	lines := strings.SplitAfter(string(export), "\n")
	n := len(lines) - 3 // the cursor
	twice := strings.Join(append(append([]string{}, lines[:n+1]...), lines[n:]...), "")
	_, err := importInto(t, vfs.NewMem(), closed([]byte(twice)))
	var named *messages.ImportError
	if !errors.As(err, &named) || named.Line != uint64(n)+2 {
		t.Errorf("error = %v", err)
	}
}

func TestAnExportThatIsCutAnywhereIsNoticedAndGoesOn(t *testing.T) {
	_, export := mixed(t)
	for n := 0; n < len(export)-1; n += 3 {
		fs := vfs.NewMem()
		_, err := importInto(t, fs, export[:n])
		wantError(t, err, messages.ErrImport)
		if n%21 != 0 { // each kind of place is met
			continue
		}
		if _, err := importInto(t, fs, export); err != nil {
			t.Errorf("cut at %d, then whole: %v", n, err)
		}
	}
}

func TestAnImportIsNotMixedWithAnother(t *testing.T) {
	_, export := mixed(t)
	_, other := mixed(t)
	fs := vfs.NewMem()
	reader := io.MultiReader(bytes.NewReader(export[:len(export)-200]), iotest.ErrReader(io.ErrClosedPipe))
	_, err := retinue.Import(t.Context(), "imported", reader, &retinue.Options{FS: fs}, retinue.ImportOptions{Cursors: true})
	wantError(t, err, io.ErrClosedPipe)
	_, err = importInto(t, fs, other)
	wantError(t, err, messages.ErrUnfinishedImport)
	changed := closed(bytes.Replace(export, []byte(`{"Text":"a"}`), []byte(`{"Text":"A"}`), 1))
	_, err = importInto(t, fs, changed)
	wantError(t, err, messages.ErrUnfinishedImport)
	if _, err := importInto(t, fs, export); err != nil {
		t.Error(err)
	}
	wantImported(t, fs, export)
}

func TestAnImportGoesOnAfterAPowerCutAnywhere(t *testing.T) {
	_, export := mixed(t)
	disk := vfs.NewCrashableMem()
	crashes := &cuts{disk: disk}
	recording := onWrite(disk, func(string) bool { return true }, crashes.take)
	if _, err := importInto(t, recording, export); err != nil {
		t.Fatal(err)
	}
	clones := crashes.all()
	done := 0
	for i, fs := range clones {
		_, err := importInto(t, fs, export)
		if errors.Is(err, messages.ErrExists) {
			done++
		} else if err != nil {
			t.Errorf("crash %d: %v", i, err)
			continue
		}
		wantImported(t, fs, export)
	}
	if done == 0 || done == len(clones) {
		t.Errorf("%d of %d crashes left all of it", done, len(clones))
	}
}

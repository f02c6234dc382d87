package retinue_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Whatever the lines say, they are imported into a sound store, which exports
// what it holds, or refused by an error that names a line. The last line is
// made to fit, so that the others are looked at.
func FuzzImport(f *testing.F) {
	_, export := mixed(f)
	f.Add(export)
	f.Add(exported(f, openBus(f, inMemory())))
	f.Fuzz(func(t *testing.T, export []byte) {
		if bytes.Count(export, []byte("\n")) >= 2 {
			export = closed(export)
		}
		fs := vfs.NewMem()
		_, err := importInto(t, fs, export)
		if err != nil {
			if !errors.Is(err, messages.ErrImport) {
				t.Errorf("error = %v", err)
			}
			if _, err := retinue.Open("imported", &retinue.Options{FS: fs, ReadOnly: true}); err == nil {
				t.Error("an unfinished import opens")
			}
			return
		}
		bus := readOnly(t, fs, "imported")
		if r, err := bus.Verify(t.Context()); err != nil || r.Err() != nil {
			t.Errorf("verify: %v, %v", err, r.Err())
		}
		again, second := exported(t, bus), vfs.NewMem()
		if _, err := importInto(t, second, again); err != nil {
			t.Fatalf("what was exported is not imported: %v\n%s", err, again)
		}
		wantImported(t, second, again)
	})
}

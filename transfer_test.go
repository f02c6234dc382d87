package retinue_test

import (
	"bytes"
	"testing"

	"github.com/retinue-go/retinue"
)

func TestSmoke(t *testing.T) {
	opts := inMemory()
	bus := openBus(t, opts)
	for i := range 100 {
		put(t, bus, note{"n"}, hint{"h"})
		_ = i
	}
	if err := bus.Backup(t.Context(), "backup"); err != nil {
		t.Fatal(err)
	}
	names, _ := opts.FS.List("backup")
	t.Log(names)
	names, _ = opts.FS.List("")
	t.Log(names)
	if err := retinue.Restore(t.Context(), "backup", "restored", opts); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r, err := bus.Export(t.Context(), &out, retinue.ExportOptions{Cursors: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v\n%s", r, out.String()[:900])
	ir, err := retinue.Import(t.Context(), "imported", bytes.NewReader(out.Bytes()), opts, retinue.ImportOptions{Cursors: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", ir)
	for _, dir := range []string{"backup", "restored", "imported"} {
		o := *opts
		o.ReadOnly = true
		b, err := retinue.Open(dir, &o)
		if err != nil {
			t.Fatal(dir, err)
		}
		t.Log(b.StoreID())
		wantHeads(t, b, 101, 201)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

package persistence

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue/messages"
)

// While Pebble works the MANIFEST names a log that is there, and where that is
// lost, the next one does not begin with the batch after the last flush.
func TestTheFirstNeededLogIsMissedWhenItIsLost(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var full atomic.Bool
	s := mustOpenOn(t, errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	})))
	defer func() {
		full.Store(false)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	placeEntries(t, s, 1, 10)
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	placeEntries(t, s, 11, 10)
	full.Store(true)
	if _, err := s.db.AsyncFlush(); err != nil {
		t.Fatal(err)
	}
	placeEntries(t, s, 21, 10)

	left := disk.CrashClone(vfs.CrashCloneCfg{})
	found, err := pebble.Peek("store/pebble", left)
	if err != nil {
		t.Fatal(err)
	}
	r, err := readManifest(left, found.ManifestFilename)
	if err != nil || r.given == 0 {
		t.Fatalf("manifest says %+v, %v", r, err)
	}
	if err := left.Remove(fmt.Sprintf("store/pebble/%06d.log", r.min)); err != nil {
		t.Fatalf("the log that the manifest names: %v", err)
	}
	var damaged *messages.DamagedError
	if _, err := Open(Config{Dir: "store", FS: left}); !errors.As(err, &damaged) {
		t.Errorf("open said %v, want a DamagedError", err)
	}
	whole := mustOpenOn(t, disk.CrashClone(vfs.CrashCloneCfg{}))
	if heads := whole.Opened().Heads; heads.Event != 31 {
		t.Errorf("with all its logs the head is %v, want 31", heads.Event)
	}
	if err := whole.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnEditThatRaisesTheFirstLogSaysWhatWasGiven(t *testing.T) {
	r := replay{min: 7, given: 9}
	for _, c := range []struct {
		edit string
		want replay
	}{
		{"", replay{7, 9}},
		{"\x03\x09\x04\x20\x06\x00\x05", replay{7, 9}},                                  // a compaction
		{"\x02\x0c\x03\x10\x04\x90\x03", replay{12, 400}},                               // a flush
		{"\x02\x0d\x09\x01\x03\x10\x6a\x05\x69\x05\x80\x01\x04\x07\x07", replay{13, 7}}, // with all there may be before
		{"\x01\x01c\x02\x0e\x03\x09\x04\x00\x67", replay{14, 0}},                        // a snapshot
		{"\x02", replay{14, 0}},                                                         // cut
	} {
		if r.apply([]byte(c.edit)); r != c.want {
			t.Errorf("%x: %+v, want %+v", c.edit, r, c.want)
		}
	}
}

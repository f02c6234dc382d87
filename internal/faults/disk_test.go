package faults

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// errDisk is what the failing disk says.
var errDisk = errors.New("input/output error")

type filler []byte

func (filler) EventType() messages.Type   { return messages.Type{Module: "fault", Kind: "filler"} }
func (filler) EventCodec() messages.Codec { return messages.Raw }

// failing makes operations of a kind on files fail once it is switched on.
type failing struct {
	on   atomic.Bool
	kind errorfs.OpKind
	file func(base string) bool
	hit  atomic.Int64
}

func (f *failing) String() string { return "failing disk" }

func (f *failing) MaybeError(op errorfs.Op) error {
	if !f.on.Load() || op.Kind != f.kind || !f.file(vfs.Default.PathBase(op.Path)) {
		return nil
	}
	f.hit.Add(1)
	return errDisk
}

func isWAL(base string) bool      { return strings.HasSuffix(base, ".log") }
func isManifest(base string) bool { return strings.HasPrefix(base, "MANIFEST") }

// alarms is a handler that keeps the messages of errors.
type alarms chan string

func (a alarms) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (a alarms) WithAttrs([]slog.Attr) slog.Handler               { return a }
func (a alarms) WithGroup(string) slog.Handler                    { return a }

func (a alarms) Handle(_ context.Context, r slog.Record) error {
	select {
	case a <- r.Message:
	default:
	}
	return nil
}

// count takes what was logged so far, and counts a message in it.
func (a alarms) count(message string) (n int) {
	for range len(a) {
		if <-a == message {
			n++
		}
	}
	return n
}

func TestFailingDiskTurnsIntoErrorsAndLosesNothingAcknowledged(t *testing.T) {
	for _, c := range []struct {
		name string
		kind errorfs.OpKind
		file func(string) bool
	}{
		{"write to the log", errorfs.OpFileWrite, isWAL},
		{"sync of the log", errorfs.OpFileSyncData, isWAL},
		{"create of the log", errorfs.OpCreate, isWAL},
		{"write to the manifest", errorfs.OpFileWrite, isManifest},
		{"sync of the manifest", errorfs.OpFileSync, isManifest},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := vfs.NewCrashableMem()
			fault := &failing{kind: c.kind, file: c.file}
			told, heard := make(chan error, 2), make(alarms, 100)
			bus, err := retinue.Open("store", &retinue.Options{
				FS: errorfs.Wrap(disk, fault), OnFailure: func(err error) { told <- err }, Logger: slog.New(heard),
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			var last messages.Receipt
			for i := range 10_000 {
				if i == 20 {
					fault.on.Store(true)
				}
				at, err := bus.Append(ctx, filler(make([]byte, 4096)))
				if err != nil {
					if !errors.Is(err, messages.ErrFailed) || !errors.Is(err, errDisk) {
						t.Fatalf("append said %v, want ErrFailed with the disk's error", err)
					}
					break
				}
				last = at
			}
			if bus.Status().Failed == nil {
				t.Fatalf("the bus works on after %d hits", fault.hit.Load())
			}
			if err := <-told; !errors.Is(err, messages.ErrFailed) || !errors.Is(err, errDisk) {
				t.Errorf("OnFailure was told %v, want ErrFailed with the disk's error", err)
			}
			if n := heard.count("bus failed"); n != 1 {
				t.Errorf("the failure was logged %d times, want once", n)
			}
			if m := bus.Metrics(); m.Database.Known || m.Persistent < uint64(last.LastEvent) {
				t.Errorf("metrics of %d events and %+v, want at least %d and nothing of the database", m.Persistent, m.Database, last.LastEvent)
			}
			n := 0
			for _, err := range bus.Entries(ctx, retinue.Query{}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != int(last.LastEvent) {
				t.Errorf("%d entries are readable, want the %d that were acknowledged", n, last.LastEvent)
			}
			if err := bus.Close(); !errors.Is(err, messages.ErrFailed) {
				t.Errorf("Close said %v, want ErrFailed", err)
			}
			again, err := retinue.Open("store", &retinue.Options{FS: disk.CrashClone(vfs.CrashCloneCfg{})})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if head := again.Status().Permanent.Head; head <= uint64(last.LastEvent) {
				t.Errorf("head is %d after the crash, %v was acknowledged", head, last.LastEvent)
			}
		})
	}
}

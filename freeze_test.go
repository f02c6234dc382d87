package retinue_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// frozenMark has writes to the second mark of the heads wait for thaw.
type frozenMark struct {
	kind    errorfs.OpKind
	reached chan struct{} // has room for the first that waits
	thaw    chan struct{}
}

func (*frozenMark) String() string { return "frozen mark" }

func (f *frozenMark) MaybeError(op errorfs.Op) error {
	if op.Kind != f.kind || !strings.HasSuffix(op.Path, "HEADS") {
		return nil
	}
	select {
	case f.reached <- struct{}{}:
	default:
	}
	<-f.thaw
	return nil
}

// Shutdown ends with its context, and goes on where it was when called again.
func TestShutdownDoesNotWaitForADiskThatDoesNotAnswer(t *testing.T) {
	for name, kind := range map[string]errorfs.OpKind{"write": errorfs.OpFileWriteAt, "sync": errorfs.OpFileSync} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := &frozenMark{kind: kind, reached: make(chan struct{}, 1), thaw: make(chan struct{})}
				fs := vfs.NewMem()
				bus := openBus(t, &retinue.Options{FS: errorfs.Wrap(fs, f)})
				put(t, bus, note{"a"})
				<-f.reached
				put(t, bus, note{"b"})
				for range 2 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					before := time.Now()
					wantError(t, bus.Shutdown(ctx), messages.ErrStuck, context.DeadlineExceeded)
					if d := time.Since(before); d != time.Minute {
						t.Errorf("Shutdown took %v, want its minute", d)
					}
					cancel()
				}
				wantError(t, bus.Follow(noting("f", &journal{})), messages.ErrClosed)
				close(f.thaw)
				closeBus(t, bus)
				wantTexts(t, openBus(t, &retinue.Options{FS: fs}), messages.Permanent, "a", "b")
			})
		})
	}
}

// The mark lies off the path of appends, whatever its file does.
func TestAMarkFileThatDoesNotAnswerStallsNoAppend(t *testing.T) {
	for name, kind := range map[string]errorfs.OpKind{"write": errorfs.OpFileWriteAt, "sync": errorfs.OpFileSync} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := &frozenMark{kind: kind, reached: make(chan struct{}, 1), thaw: make(chan struct{})}
				fs := vfs.NewMem()
				bus := openBus(t, &retinue.Options{FS: errorfs.Wrap(fs, f)})
				var j journal
				mustFollow(t, bus, noting("f", &j))
				put(t, bus, note{"a"})
				<-f.reached
				before := time.Now()
				reached(t, bus, "f", putTexts(t, bus, "b", "c"))
				if d := time.Since(before); d != 0 {
					t.Errorf("appends took %v", d)
				}
				j.want(t, "a", "b", "c")
				close(f.thaw)
				closeBus(t, bus)
				wantTexts(t, openBus(t, &retinue.Options{FS: fs}), messages.Permanent, "a", "b", "c")
			})
		})
	}
}

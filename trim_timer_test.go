package retinue_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func TestTrimmerWorksOnATimerTrap8(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), Trim: retinue.Trim{Every: time.Hour, MinEntries: 10, MinAge: -1, MaxPerPass: 5}})
		horizon := func() uint64 { return bus.Status().Trimmable.Horizon }
		for range 18 {
			put(t, bus, hint{"x"})
		}
		time.Sleep(time.Hour - time.Second)
		if got := horizon(); got != 1 {
			t.Errorf("horizon %d within the first interval after Open", got)
		}
		for _, want := range []uint64{6, 9, 9} {
			time.Sleep(time.Minute)
			if got := horizon(); got != want {
				t.Errorf("horizon %d, want %d", got, want)
			}
			time.Sleep(59 * time.Minute)
		}
	})
}

func TestTimedPassesDoNotPileUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{
			FS: vfs.NewMem(), UpdateTimeout: 100 * time.Hour,
			Trim: retinue.Trim{Every: time.Hour, MinEntries: -1, MinAge: -1, MaxPerPass: 1},
		})
		for range 20 {
			put(t, bus, hint{"x"})
		}
		release := holdWriter(t, bus)
		time.Sleep(10*time.Hour + time.Minute)
		release()
		time.Sleep(time.Minute)
		if got := bus.Status().Trimmable.Horizon; got != 2 {
			t.Errorf("horizon %d after the writer was busy for ten intervals, want one pass", got)
		}
		time.Sleep(time.Hour)
		if got := bus.Status().Trimmable.Horizon; got != 3 {
			t.Errorf("horizon %d an interval later, want one more pass", got)
		}
	})
}

func TestTrimmerThatIsOffTrimsByHandOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), Trim: retinue.Trim{Every: time.Minute, Off: true, MinEntries: -1, MinAge: -1}})
		put(t, bus, hint{"x"})
		time.Sleep(48 * time.Hour)
		wantTexts(t, bus, messages.TrimmableLog, "x")
		if got, err := bus.Trim(t.Context()); err != nil || got.Entries != 1 {
			t.Errorf("by hand: %+v, %v", got, err)
		}
	})
}

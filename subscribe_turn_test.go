package retinue_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
)

func TestTransientEventsOfATurnAreHeardOnceTheTurnIsDurable(t *testing.T) {
	for name, durability := range map[string]retinue.Durability{"synced": {}, "interval": retinue.Interval(time.Second)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				fs := vfs.NewCrashableMem()
				bus := openBus(t, &retinue.Options{FS: fs, Durability: durability})
				heard := bus.Subscribe(t.Context(), retinue.Subscription{})
				if err := bus.Follow(followers.Follower{Name: "f", Reactions: []followers.Reaction{
					followers.On(func(turn *followers.Turn, n note) error { return turn.Append(signal(n)) }),
				}}); err != nil {
					t.Fatal(err)
				}
				put(t, bus, note{"a"})
				for _, err := range heard {
					if err != nil {
						t.Fatal(err)
					}
					break
				}
				cut := openBus(t, &retinue.Options{FS: powerCut(fs)})
				if f := statusOf(t, cut, "f"); f.Cursor != 2 || f.Handled != 1 {
					t.Errorf("a power cut takes the turn back: cursor %d, handled %d", f.Cursor, f.Handled)
				}
				closeBus(t, cut)
			})
		})
	}
}

package retinue_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// wantSmallCommits looks at the largest commit that the bus has made.
func wantSmallCommits(t *testing.T, bus *retinue.Bus) {
	t.Helper()
	if largest := bus.Metrics().RoundBytes.Quantile(1); largest > 2<<20 {
		t.Errorf("a commit took up to %d bytes, want at most 2 MiB", largest)
	}
}

func TestWhatIsParkedBehindAnEntryIsCommittedBitByBit(t *testing.T) {
	for name, batch := range map[string]bool{"every": false, "batch": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				putHints(t, bus, "bad x")
				for range 24 {
					putHints(t, bus, strings.Repeat("a", 128<<10)+"x")
				}
				var j journal
				f := picky("f", &j, new(atomic.Bool))
				f.Key = byLetter
				if every := f.Every; batch {
					f.Every = nil
					f.Batch = func(turn *followers.Turn, _ []messages.Entry) error { return every(turn) }
				}
				mustFollow(t, bus, f)
				caughtUp(t, bus, "f")
				if n := len(parkedIDs(t, bus, "f")); n != 25 {
					t.Errorf("%d entries are parked, want all 25", n)
				}
				wantSmallCommits(t, bus)
			})
		})
	}
}

func TestTheBatchesOfTurnsAreCommittedBitByBitAndAreLimited(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db, err := pebble.Open("db", &pebble.Options{FS: vfs.NewMem(), FormatMajorVersion: pebble.FormatNewest})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		bus := openBus(t, &retinue.Options{DB: db, Prefix: []byte("r"), MaxAppendSize: 2 << 20})
		events := make([]messages.Event, 33)
		for i := range events {
			events[i] = note{"small"}
		}
		events[32] = note{"large"}
		put(t, bus, events...)
		mustFollow(t, bus, followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 1},
			Every: func(turn *followers.Turn) error {
				batch, err := retinue.TurnBatch(turn)
				if err != nil {
					return err
				}
				size := 256 << 10
				if turn.Entry().ID == 33 {
					size = 3 << 20
				}
				return batch.Set([]byte("own "+turn.Entry().ID.String()), make([]byte, size), nil)
			}})
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f", 33)
		if f := statusOf(t, bus, "f"); f.LastEntry != 33 {
			t.Errorf("entry %d failed, want 33", f.LastEntry)
		} else {
			wantError(t, f.LastError, messages.ErrTooLarge)
		}
		wantSmallCommits(t, bus)
	})
}

package retinue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// The first failure of a parked entry is that of its first attempt, which
// other incarnations and another process have made.
func TestAParkedEntryTellsWhenItsFirstAttemptFailed(t *testing.T) {
	for name, again := range map[string]func(*vfs.MemFS, *retinue.Bus) *vfs.MemFS{
		"closed": func(disk *vfs.MemFS, bus *retinue.Bus) *vfs.MemFS {
			closeBus(t, bus)
			return disk
		},
		"power cut": func(disk *vfs.MemFS, bus *retinue.Bus) *vfs.MemFS {
			left := powerCut(disk)
			closeBus(t, bus)
			return left
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				disk := vfs.NewCrashableMem()
				bus := openBus(t, &retinue.Options{FS: disk})
				f := followers.Follower{Name: "f",
					Restart: followers.Restart{Initial: time.Hour, Max: time.Hour},
					Poison:  followers.Poison{Action: followers.Park, After: 2},
					Every:   func(*followers.Turn) error { return errRefused }}
				mustFollow(t, bus, f)
				first := time.Now().UTC()
				at := putTexts(t, bus, "a")
				time.Sleep(time.Minute)
				synctest.Wait()
				if s := statusOf(t, bus, "f"); s.Attempts != 1 {
					t.Fatalf("%d attempts, the test needs one", s.Attempts)
				}

				bus = openBus(t, &retinue.Options{FS: again(disk, bus)})
				time.Sleep(time.Minute)
				last := time.Now().UTC()
				mustFollow(t, bus, f)
				wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)
				wantTimes(t, bus, 2, first, last)

				time.Sleep(time.Minute)
				wantError(t, replay(t.Context(), bus, "f", at), errRefused)
				wantTimes(t, bus, 3, first, time.Now().UTC())
			})
		})
	}
}

// Another entry's attempts have a first of their own.
func TestTheFirstFailureIsTheEntrysOwn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, followers.Follower{Name: "f",
			Restart: followers.Restart{Initial: time.Minute},
			Poison:  followers.Poison{Action: followers.Park, After: 2},
			Every: func(turn *followers.Turn) error {
				if turn.Entry().ID == 1 && turn.Attempt() == 2 {
					return nil
				}
				return errRefused
			}})
		reached(t, bus, "f", putTexts(t, bus, "fails once"))
		time.Sleep(5 * time.Minute)
		first := time.Now().UTC()
		wantError(t, bus.Await(t.Context(), "f", putTexts(t, bus, "fails")), messages.ErrParked)
		wantTimes(t, bus, 2, first, time.Now().UTC())
	})
}

// wantTimes compares what the one parked entry of "f" tells of its attempts.
func wantTimes(t *testing.T, bus *retinue.Bus, attempts int, first, last time.Time) {
	t.Helper()
	n := 0
	for p, err := range bus.Parked("f") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if p.Attempts != attempts || !p.First.Equal(first) || !p.Last.Equal(last) {
			t.Errorf("%d attempts, first %v, last %v; want %d, %v, %v", p.Attempts, p.First, p.Last, attempts, first, last)
		}
	}
	if n != 1 {
		t.Errorf("%d entries are parked, want 1", n)
	}
}

package retinue_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// followUntil follows with a reaction to notes that fails until its attempt of
// an entry is succeeds, and parks the entry after parkAfter.
func followUntil(t *testing.T, bus *retinue.Bus, succeeds, parkAfter int, attempts *[]int) {
	t.Helper()
	err := bus.Follow(followers.Follower{
		Name:    "f",
		Restart: followers.Restart{Initial: time.Minute},
		Poison:  followers.Poison{Action: followers.Park, After: parkAfter},
		Reactions: []followers.Reaction{followers.On(func(t *followers.Turn, _ note) error {
			*attempts = append(*attempts, t.Attempt())
			if t.Attempt() < succeeds {
				return errors.New("not yet")
			}
			return nil
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplayCountsTheAttemptsBeforeTheEntryWasParked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		at := retinuetest.Append(t, bus, note{"a"})
		var attempts []int
		followUntil(t, bus, 4, 2, &attempts)
		wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)

		if err := replay(t.Context(), bus, "f", at); err == nil {
			t.Error("the third attempt succeeded, want the fourth")
		}
		if err := replay(t.Context(), bus, "f", at); err != nil {
			t.Error(err)
		}
		if want := []int{1, 2, 3, 4}; !slices.Equal(attempts, want) {
			t.Errorf("attempts %v, want %v", attempts, want)
		}
		if err := bus.Await(t.Context(), "f", at); err != nil {
			t.Errorf("await after the replay: %v", err)
		}
	})
}

func TestReplayBetweenTwoIncarnationsWaitsForTheNext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		first := retinuetest.Append(t, bus, note{"parked"})
		var attempts []int
		followUntil(t, bus, 2, 1, &attempts)
		wantError(t, bus.Await(t.Context(), "f", first), messages.ErrParked)
		if err := replay(t.Context(), bus, "f", first); err != nil {
			t.Errorf("replay at once after the entry was parked: %v", err)
		}
	})
}

func TestReplayDuringABackoffEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		first, second := retinuetest.Append(t, bus, note{"parked"}), retinuetest.Append(t, bus, hint{"x"}, note{"fails"})
		failures := 0
		err := bus.Follow(followers.Follower{
			Name:    "f",
			Restart: followers.Restart{Initial: time.Hour, Max: time.Hour},
			Poison:  followers.Poison{Action: followers.Park, After: 2},
			Reactions: []followers.Reaction{followers.On(func(t *followers.Turn, _ note) error {
				if failures++; failures <= 3 {
					return errors.New("not yet")
				}
				return nil
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, bus.Await(t.Context(), "f", first), messages.ErrParked)

		time.Sleep(time.Minute) // the second note has failed once: an hour of backoff
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantError(t, replay(ctx, bus, "f", first), context.DeadlineExceeded)
		if err := replay(t.Context(), bus, "f", first); err != nil {
			t.Errorf("replay until the end of the backoff: %v", err)
		}
		if err := bus.Await(t.Context(), "f", second); err != nil {
			t.Error(err)
		}
	})
}

func TestAReplayHasTheTimeOfATurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		f := refusing("f", followers.Poison{Action: followers.Park, After: 1})
		f.Timeout = time.Second
		retinuetest.Follow(t, bus, f)
		at := putTexts(t, bus, "bad")
		retinuetest.RunUntilIdle(t, bus)
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "f", Do: retinuetest.Stall})
		before := time.Now()
		wantFollowerError(t, replay(t.Context(), bus, "f", at), "f", 1, messages.ErrTimeout)
		if d := time.Since(before); d != time.Second {
			t.Errorf("the replay took %v, want the second that a turn has", d)
		}
		wantParked(t, bus, "f", 1)
	})
}

func TestAwaitNamesTheTypeOfAParkedEntry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		at := retinuetest.Append(t, bus, note{"a"})
		var attempts []int
		followUntil(t, bus, 2, 1, &attempts)
		var fault *messages.FollowerError
		if err := bus.Await(t.Context(), "f", at); !errors.As(err, &fault) {
			t.Fatalf("await = %v, want a FollowerError", err)
		}
		if want := (note{}).EventType(); fault.Type != want {
			t.Errorf("type %v, want %v", fault.Type, want)
		}
	})
}

func TestASeekBackOutlastsAReplay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		fails := true
		retinuetest.Follow(t, bus, followers.Follower{
			Name: "f", Poison: followers.Poison{Action: followers.Park, After: 1},
			Every: func(turn *followers.Turn) error {
				if turn.Entry().ID == 1 && fails {
					return errors.New("not yet")
				}
				return increment(turn, turn.Entry().ID.String())
			},
		})
		putTexts(t, bus, "a", "b", "c")
		retinuetest.RunUntilIdle(t, bus)
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if err := bus.Seek(t.Context(), "f", messages.EventID(4), messages.EventID(2)); err != nil {
			t.Fatal(err)
		}
		fails = false
		if _, err := bus.Replay(t.Context(), "f", retinue.Replay{At: []messages.Position{messages.EventID(1)}}); err != nil {
			t.Fatal(err)
		}
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		retinuetest.Await(t, bus, "f", putTexts(t, bus, "d"))
		wantKeys(t, bus, "f", "1=1", "2=2", "3=2", "4=1")
	})
}

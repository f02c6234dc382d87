package retinue_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestStartCountsAtTheFirstStartOnlyAndIsRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		putTexts(t, bus, "1", "2")
		time.Sleep(time.Minute)
		since := time.Now()
		middle := putTexts(t, bus, "3")
		putTexts(t, bus, "4")
		starts := []struct {
			name   string
			start  followers.Start
			cursor uint64
			record string
		}{
			{"earliest", followers.Earliest(), 1, "earliest"},
			{"latest", followers.Latest(), 5, "latest"},
			{"at", followers.At(middle), 3, "at 3"},
			{"head", followers.At(messages.EventID(5)), 5, "at 5"},
			{"since", followers.Since(since), 3, "since " + since.UTC().Format(time.RFC3339Nano)},
			{"future", followers.Since(since.Add(time.Hour)), 5, "since " + since.Add(time.Hour).UTC().Format(time.RFC3339Nano)},
		}
		for _, s := range starts {
			var j, later journal
			f := noting(s.name, &j)
			f.Start = s.start
			mustFollow(t, bus, f)
			if err := bus.CaughtUp(t.Context(), s.name); err != nil {
				t.Fatal(err)
			}
			var want []string
			for id := s.cursor; id < 5; id++ {
				want = append(want, fmt.Sprint(id))
			}
			j.want(t, want...)
			if err := bus.Unfollow(t.Context(), s.name); err != nil {
				t.Fatal(err)
			}
			f = noting(s.name, &later)
			f.Start = followers.At(messages.EventID(1))
			mustFollow(t, bus, f)
			if err := bus.CaughtUp(t.Context(), s.name); err != nil {
				t.Fatal(err)
			}
			later.want(t)
			if got := statusOf(t, bus, s.name); got.Started != s.record || got.Cursor != 5 {
				t.Errorf("%s: started %q at cursor %d, want %q at 5", s.name, got.Started, got.Cursor, s.record)
			}
		}
	})
}

func TestAStartThatIsNoPlaceOfTheLogIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		putTexts(t, bus, "1")
		var j journal
		f := noting("far", &j)
		f.Start = followers.At(messages.EventID(3))
		wantError(t, bus.Follow(f), messages.ErrOutOfRange)
		f.Start = followers.At(messages.TrimmableID(1))
		wantError(t, bus.Follow(f), messages.ErrInvalid, messages.ErrNotInLog)
		f.Start = followers.Earliest()
		mustFollow(t, bus, f)
		wantError(t, bus.Follow(f), messages.ErrDuplicateFollower)
		if err := bus.Unfollow(t.Context(), "far"); err != nil {
			t.Fatal(err)
		}
		f.Log = messages.TrimmableLog
		wantError(t, bus.Follow(f), messages.ErrOtherLog)
	})
}

func TestTurnsAreLiveOnceCaughtUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		putTexts(t, bus, "a", "b")
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "f", Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, n note) error { j.add("%s %v", n.Text, t.Live()); return nil }),
		}})
		if err := bus.CaughtUp(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		at := putTexts(t, bus, "c", "d")
		reached(t, bus, "f", at)
		if !statusOf(t, bus, "f").CaughtUp {
			t.Error("the status does not say that it has caught up")
		}
		j.want(t, "a false", "b false", "c true", "d true")
	})
}

func TestTurnsAreNotLiveAfterAPauseOrASeekBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "f", Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, n note) error { j.add("%s %v", n.Text, t.Live()); return nil }),
		}})
		synctest.Wait()
		at := putTexts(t, bus, "a")
		reached(t, bus, "f", at)
		if err := bus.Seek(t.Context(), "f", messages.EventID(2), messages.EventID(1)); err != nil {
			t.Fatal(err)
		}
		reached(t, bus, "f", at)
		synctest.Wait()
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		at = putTexts(t, bus, "b")
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		reached(t, bus, "f", at)
		synctest.Wait()
		reached(t, bus, "f", putTexts(t, bus, "c"))
		j.want(t, "a true", "a false", "b false", "c true")
	})
}

// TestAReactionUsesItsTurnAcrossWaiting is trap 5 of the reference: there, a
// handler could not use its transaction across an await, nor learn the id.
func TestAReactionUsesItsTurnAcrossWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "slow", Every: func(t *followers.Turn) error {
			if err := t.Set([]byte("before"), []byte("x")); err != nil {
				return err
			}
			select {
			case <-time.After(time.Minute):
			case <-t.Context().Done():
				return t.Context().Err()
			}
			j.add("%d", t.Entry().ID)
			return t.Set([]byte("after"), []byte("x"))
		}})
		reached(t, bus, "slow", putTexts(t, bus, "a"))
		j.want(t, "1")
		wantKeys(t, bus, "slow", "after=x", "before=x")
	})
}

// TestTwoFollowersKeepTheirOwnCursors is trap 20: the built-in tracker was one
// key, and two users overwrote each other.
func TestTwoFollowersKeepTheirOwnCursors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		var one, two journal
		mustFollow(t, bus, noting("one", &one))
		reached(t, bus, "one", putTexts(t, bus, "a", "b"))
		if err := bus.Unfollow(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		mustFollow(t, bus, noting("two", &two))
		reached(t, bus, "two", putTexts(t, bus, "c"))
		closeBus(t, bus)
		bus = openBus(t, opts)
		wantCursor(t, bus, "one", 3)
		wantCursor(t, bus, "two", 4)
		mustFollow(t, bus, noting("one", &one))
		reached(t, bus, "one", messages.EventID(3))
		one.want(t, "a", "b", "c")
		two.want(t, "a", "b", "c")
	})
}

// TestAFollowerMissesNothingWhileTheBusIsClosed is trap 21: listeners started
// at the head with a cursor in memory, and read one page per signal.
func TestAFollowerMissesNothingWhileTheBusIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		var j journal
		mustFollow(t, bus, noting("f", &j))
		reached(t, bus, "f", putTexts(t, bus, "a"))
		closeBus(t, bus)
		bus = openBus(t, opts)
		events := make([]messages.Event, 1000)
		for i := range events {
			events[i] = note{fmt.Sprint(i)}
		}
		at := put(t, bus, events...)
		mustFollow(t, bus, noting("f", &j))
		reached(t, bus, "f", at)
		if got := j.all(); len(got) != 1001 || got[1000] != "999" {
			t.Errorf("%d of 1001 entries came, the last is %q", len(got), got[len(got)-1])
		}
	})
}

// TestASlowReactionHoldsUpItselfOnly is the other half of trap 21: head-of-line
// blocking.
func TestASlowReactionHoldsUpItselfOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "slow", Every: func(t *followers.Turn) error {
			<-t.Context().Done()
			return t.Context().Err()
		}})
		mustFollow(t, bus, noting("quick", &j))
		before := time.Now()
		reached(t, bus, "quick", putTexts(t, bus, "a", "b"))
		if d := time.Since(before); d != 0 {
			t.Errorf("the quick one took %v", d)
		}
		j.want(t, "a", "b")
	})
}

func TestATurnThatTakesTooLongFailsWithErrTimeout(t *testing.T) {
	for name, returns := range map[string]func(context.Context) error{
		"and returns its context's error": context.Context.Err,
		"and returns nil":                 func(context.Context) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				at := putTexts(t, bus, "a")
				mustFollow(t, bus, followers.Follower{Name: "f", Timeout: time.Second,
					Poison: followers.Poison{Action: followers.Park, After: 2},
					Every: func(t *followers.Turn) error {
						<-t.Context().Done()
						return returns(t.Context())
					}})
				before := time.Now()
				wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)
				if d := time.Since(before); d < 2*time.Second || d > 2200*time.Millisecond {
					t.Errorf("two attempts of a second took %v", d)
				}
				wantError(t, statusOf(t, bus, "f").LastError, messages.ErrTimeout)
			})
		})
	}
}

package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// parkedIDs are the entries that a follower has put aside.
func parkedIDs(t testing.TB, bus *retinue.Bus, name string) []uint64 {
	t.Helper()
	var ids []uint64
	for p, err := range bus.Parked(name) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.ID)
	}
	return ids
}

// replay gives entries to a follower once more.
func replay(ctx context.Context, bus *retinue.Bus, name string, at ...messages.Position) error {
	_, err := bus.Replay(ctx, name, retinue.Replay{At: at})
	return err
}

func wantParked(t testing.TB, bus *retinue.Bus, name string, want ...uint64) {
	t.Helper()
	if got := parkedIDs(t, bus, name); !slices.Equal(got, want) {
		t.Errorf("%q has put aside %v, want %v", name, got, want)
	}
}

// picky is a follower that parks, at the first failure, every text that starts
// with "bad" until it is healed, and journals what it has handled.
func picky(name string, j *journal, healed *atomic.Bool) followers.Follower {
	return followers.Follower{Name: name, Log: messages.TrimmableLog,
		Poison: followers.Poison{Action: followers.Park, After: 1},
		Every: func(turn *followers.Turn) error {
			h, err := messages.Decode[hint](turn.Entry())
			if err != nil {
				return err
			}
			if err := turn.Append(note(h)); err != nil {
				return err
			}
			if err := turn.Set([]byte(h.Text), []byte("done")); err != nil {
				return err
			}
			if strings.HasPrefix(h.Text, "bad") && !healed.Load() {
				return errRefused
			}
			j.add("%s %d", h.Text, turn.Attempt())
			return nil
		},
		Filter: messages.Filter{Kinds: []string{"hint"}}}
}

func putHints(t testing.TB, bus *retinue.Bus, texts ...string) {
	t.Helper()
	events := make([]messages.Event, len(texts))
	for i, text := range texts {
		events[i] = hint{text}
	}
	retinuetest.Append(t, bus, events...)
}

func caughtUp(t testing.TB, bus *retinue.Bus, names ...string) {
	t.Helper()
	if err := bus.CaughtUp(t.Context(), names...); err != nil {
		t.Fatalf("caught up: %v", err)
	}
}

func TestAReplayIsATurnThatDeletesTheParkedRecord(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		var healed atomic.Bool
		retinuetest.Follow(t, bus, picky("f", &j, &healed))
		putHints(t, bus, "a", "bad1", "b", "bad2")
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f", 2, 4)
		cursor := retinuetest.StatusOf(t, bus, "f").Cursor

		err := replay(t.Context(), bus, "f", messages.TrimmableID(4), messages.TrimmableID(2))
		wantFollowerError(t, err, "f", 2, errRefused)
		for p := range bus.Parked("f") {
			if p.Attempts != 2 || p.Last.Before(p.First) {
				t.Errorf("entry %d: %d attempts, want both tried again", p.ID, p.Attempts)
			}
		}
		wantKeys(t, bus, "f", "a=done", "b=done")

		healed.Store(true)
		if err := replay(t.Context(), bus, "f", messages.TrimmableID(2)); err != nil {
			t.Fatal(err)
		}
		j.want(t, "a 1", "b 1", "bad1 3")
		wantKeys(t, bus, "f", "a=done", "b=done", "bad1=done")
		wantParked(t, bus, "f", 4)
		wantTexts(t, bus, messages.Permanent, "a", "b", "bad1")
		retinuetest.Await(t, bus, "f", messages.TrimmableID(2))
		if at := read(t, bus, messages.Permanent)[2].Cause.TrimmableID; at != 2 {
			t.Errorf("the replay's event names entry %d as its cause, want 2", at)
		}
		wantError(t, replay(t.Context(), bus, "f", messages.TrimmableID(2)), messages.ErrOutOfRange)
		if got := retinuetest.StatusOf(t, bus, "f").Cursor; got < cursor || got > cursor+1 {
			t.Errorf("the replay has moved the cursor from %d to %d", cursor, got)
		}
		if err := bus.Unfollow(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}

		bus = retinuetest.Reopen(t, bus)
		wantParked(t, bus, "f", 4)
		wantError(t, replay(t.Context(), bus, "f", messages.TrimmableID(4)), messages.ErrUnknownFollower)
		retinuetest.Follow(t, bus, picky("f", &j, &healed))
		if err := replay(t.Context(), bus, "f", messages.TrimmableID(4)); err != nil {
			t.Fatal(err)
		}
		wantParked(t, bus, "f")
		wantTexts(t, bus, messages.Permanent, "a", "b", "bad1", "bad2")
	})
}

func TestReplayOfEveryFormAndFault(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				var healed atomic.Bool
				handle := func(turn *followers.Turn) error {
					if err := turn.Set([]byte("k"), []byte("v")); err != nil || healed.Load() {
						return err
					}
					return fault()
				}
				policy := followers.Poison{Action: followers.Park, After: 1}
				retinuetest.Follow(t, bus, followers.Follower{Name: "every", Poison: policy, Every: handle})
				retinuetest.Follow(t, bus, followers.Follower{Name: "batch", Poison: policy,
					Batch: func(turn *followers.Turn, entries []messages.Entry) error { return handle(turn) }})
				f := raw("raw", func(_ rawContext, d *followers.Deliver) error { return handle(d.Turn) })
				f.Poison = policy
				retinuetest.Follow(t, bus, f)
				at := retinuetest.Append(t, bus, note{"a"})
				forms := []string{"every", "batch", "raw"}
				for _, form := range forms {
					wantError(t, bus.Await(t.Context(), form, at), messages.ErrParked)
					if err := replay(t.Context(), bus, form, at); err == nil {
						t.Errorf("%s: the replay has not failed", form)
					}
					wantKeys(t, bus, form)
					for p := range bus.Parked(form) {
						if p.ID != 1 || p.Attempts != 2 {
							t.Errorf("%s: parked = %+v, want the second attempt recorded", form, p)
						}
					}
				}
				healed.Store(true)
				for _, form := range forms {
					if err := replay(t.Context(), bus, form, at); err != nil {
						t.Errorf("%s: %v", form, err)
					}
					wantKeys(t, bus, form, "k=v")
					wantParked(t, bus, form)
					retinuetest.Await(t, bus, form, retinuetest.Append(t, bus, note{"b"}))
				}
			})
		})
	}
}

func TestDropDeletesTheRecord(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		var healed atomic.Bool
		f := picky("f", &j, &healed)
		f.Key = byLetter
		retinuetest.Follow(t, bus, f)
		putHints(t, bus, "bad x", "x")
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f", 1, 2)
		wantError(t, bus.Drop(t.Context(), "f", messages.TrimmableID(3)), messages.ErrOutOfRange)
		wantError(t, bus.Drop(t.Context(), "f", messages.EventID(1)), messages.ErrNotInLog)
		if err := bus.Drop(t.Context(), "f", messages.TrimmableID(1)); err != nil {
			t.Fatal(err)
		}
		wantParked(t, bus, "f", 2)
		if err := replay(t.Context(), bus, "f", messages.TrimmableID(2)); err != nil {
			t.Fatal(err)
		}
		putHints(t, bus, "more x")
		caughtUp(t, bus, "f")
		j.want(t, "x 1", "more x 1")
	})
}

func TestAParkedEntrySurvivesTrimming(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, &retinue.Options{Trim: retinue.Trim{MinEntries: 1, MinAge: time.Nanosecond, Hold: time.Nanosecond}})
		var j journal
		var healed atomic.Bool
		retinuetest.Follow(t, bus, picky("f", &j, &healed))
		retinuetest.Append(t, bus, messages.Draft{Event: hint{"bad"}, Instance: 9, Correlation: "c"})
		putHints(t, bus, "a", "b", "c")
		caughtUp(t, bus, "f")
		time.Sleep(time.Minute)
		if _, err := bus.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h := bus.Status().Trimmable.Horizon; h < 2 {
			t.Fatalf("horizon = %d, the test needs entry 1 trimmed", h)
		}
		wantFollowerError(t, bus.Await(t.Context(), "f", messages.TrimmableID(1)), "f", 1, messages.ErrParked)
		for p := range bus.Parked("f") {
			if e := p.Entry; e == nil || e.TrimmableID != 1 || e.Instance != 9 || e.Correlation != "c" || text(t, *e) != "bad" {
				t.Errorf("parked entry = %+v", e)
			}
		}
		healed.Store(true)
		if err := replay(t.Context(), bus, "f", messages.TrimmableID(1)); err != nil {
			t.Fatal(err)
		}
		wantParked(t, bus, "f")
		if got := followerKeys(t, bus, "f"); !slices.Contains(got, "bad=done") {
			t.Errorf("keys = %q, want the replayed one", got)
		}
	})
}

func TestReplayWaitsOutABackoffAndIsRefusedWhenParked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		f := refusing("f", followers.Poison{Action: followers.Park, After: 2})
		retinuetest.Follow(t, bus, f)
		putTexts(t, bus, "bad", "a")
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f", 1)
		putTexts(t, bus, "bad")
		synctest.Wait()
		if s := retinuetest.StatusOf(t, bus, "f"); s.State != "backing off" {
			t.Fatalf("state = %s, the test needs a backoff", s.State)
		}
		wantFollowerError(t, replay(t.Context(), bus, "f", messages.EventID(1)), "f", 1, errRefused)
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		wantFollowerError(t, replay(t.Context(), bus, "f", messages.EventID(1)), "f", 1, errRefused)
	})
}

func TestPauseAndCloseInterruptAReplay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		inside := make(chan struct{}, 1)
		retinuetest.Follow(t, bus, followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 1},
			Every: func(turn *followers.Turn) error {
				if turn.Attempt() == 1 {
					return errRefused
				}
				inside <- struct{}{}
				<-turn.Context().Done()
				return turn.Context().Err()
			}})
		at := retinuetest.Append(t, bus, note{"a"})
		wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)
		replayed := make(chan error, 1)
		again := func() { replayed <- replay(t.Context(), bus, "f", at) }
		go again()
		<-inside
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		wantError(t, <-replayed, context.Canceled)
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		for p := range bus.Parked("f") {
			if p.Attempts != 1 {
				t.Errorf("%d attempts, an interruption is none", p.Attempts)
			}
		}
		go again()
		<-inside
		closeBus(t, bus)
		if err := <-replayed; !errors.Is(err, context.Canceled) && !errors.Is(err, messages.ErrClosed) {
			t.Errorf("replay = %v", err)
		}
	})
}

func TestParkedOfAnUnknownFollower(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var errs []error
		for _, err := range bus.Parked("nobody") {
			errs = append(errs, err)
		}
		if len(errs) != 1 || !errors.Is(errs[0], messages.ErrUnknownFollower) {
			t.Errorf("errors = %v", errs)
		}
		wantError(t, replay(t.Context(), bus, "nobody", messages.EventID(1)), messages.ErrUnknownFollower)
		wantError(t, bus.Drop(t.Context(), "nobody", messages.EventID(1)), messages.ErrUnknownFollower)
	})
}

// The loop held an iterator of the database, for which Close waited for ever.
func TestCloseFromALoopOverParkedEntriesReturns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, refusing("f", followers.Poison{Action: followers.Park, After: 1}))
		putTexts(t, bus, "bad", "bad", "bad")
		if err := bus.CaughtUp(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for p, err := range bus.Parked("f") {
			if err != nil {
				wantError(t, err, messages.ErrClosed)
				break
			}
			if seen++; p.ID != uint64(seen) {
				t.Errorf("parked entry %d, want %d", p.ID, seen)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := bus.Shutdown(ctx); err != nil {
				t.Fatalf("close: %v", err)
			}
			cancel()
		}
		if seen == 0 {
			t.Error("nothing is parked")
		}
	})
}

func TestManyParkedEntriesAreListedInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Follow(t, bus, followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 1},
			Every: func(*followers.Turn) error { return errRefused }})
		var want []uint64
		for i := range 50 {
			retinuetest.Append(t, bus, note{fmt.Sprint(i)})
			want = append(want, uint64(i+1))
		}
		caughtUp(t, bus, "f")
		wantParked(t, bus, "f", want...)
	})
}

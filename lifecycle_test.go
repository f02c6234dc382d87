package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestCloseLetsATurnFinishOrRollBack(t *testing.T) {
	for name, c := range map[string]struct {
		returns func(context.Context) error
		keys    []string
	}{
		"finish":    {func(context.Context) error { return nil }, []string{"k=v"}},
		"roll back": {context.Context.Err, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				opts := inMemory()
				bus := openBus(t, opts)
				mustFollow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
					if err := turn.Set([]byte("k"), []byte("v")); err != nil {
						return err
					}
					<-turn.Context().Done()
					time.Sleep(time.Second)
					return c.returns(turn.Context())
				}})
				put(t, bus, note{"a"})
				synctest.Wait()
				before := time.Now()
				closeBus(t, bus)
				if d := time.Since(before); d != time.Second {
					t.Errorf("close took %v, want it to wait for the reaction", d)
				}
				bus = openBus(t, opts)
				wantKeys(t, bus, "f", c.keys...)
				wantCursor(t, bus, "f", uint64(1+len(c.keys)))
				if s := statusOf(t, bus, "f"); s.Attempts != 0 {
					t.Errorf("%d attempts: an interruption is none", s.Attempts)
				}
			})
		})
	}
}

func TestShutdownNamesWhoIsStuckAndMayBeCalledAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		release := make(chan struct{})
		var j, other journal
		mustFollow(t, bus, blocking("stuck", &j, release))
		mustFollow(t, bus, noting("other", &other))
		put(t, bus, note{"a"})
		synctest.Wait()
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := bus.Shutdown(ctx)
			cancel()
			wantError(t, err, messages.ErrStuck, context.DeadlineExceeded)
			var stuck *messages.StuckError
			if !errors.As(err, &stuck) || fmt.Sprint(stuck.Names) != "[stuck]" {
				t.Errorf("error = %v, want it to name the follower", err)
			}
		}
		_, err := bus.Append(t.Context(), note{"b"})
		wantError(t, err, messages.ErrClosed)
		if s := statusOf(t, bus, "stuck"); s.State != "stuck" || !bus.Status().Closing {
			t.Errorf("state = %s, closing %v", s.State, bus.Status().Closing)
		}
		close(release)
		time.Sleep(time.Minute)
		j.want(t, "in 1 attempt 1", "out")
		if err := bus.Shutdown(t.Context()); err != nil {
			t.Errorf("the second shutdown: %v", err)
		}
		if err := bus.Close(); err != nil {
			t.Errorf("close of a closed bus: %v", err)
		}
	})
}

func TestCloseDuringABackoffDoesNotWaitForIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		put(t, bus, note{"bad"})
		time.Sleep(30 * time.Second)
		if s := statusOf(t, bus, "f"); s.State != "backing off" {
			t.Fatalf("state = %s, the test needs a backoff", s.State)
		}
		before := time.Now()
		closeBus(t, bus)
		if d := time.Since(before); d != 0 {
			t.Errorf("close took %v", d)
		}
	})
}

func TestEveryCallOnAClosedBusSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, noting("f", &j))
		reached(t, bus, "f", put(t, bus, note{"a"}))
		closeBus(t, bus)
		ctx, at := t.Context(), messages.EventID(1)
		for name, call := range map[string]func() error{
			"Follow":   func() error { return bus.Follow(noting("g", &j)) },
			"Await":    func() error { return bus.Await(ctx, "f", at) },
			"CaughtUp": func() error { return bus.CaughtUp(ctx, "f") },
			"Pause":    func() error { return bus.Pause(ctx, "f") },
			"Resume":   func() error { return bus.Resume(ctx, "f") },
			"Seek":     func() error { return bus.Seek(ctx, "f", at, at) },
			"Unfollow": func() error { return bus.Unfollow(ctx, "f") },
			"Forget":   func() error { return bus.Forget(ctx, "f") },
			"Replay":   func() error { return replay(ctx, bus, "f", at) },
			"Drop":     func() error { return bus.Drop(ctx, "f", at) },
			"Parked": func() error {
				for _, err := range bus.Parked("f") {
					return err
				}
				return nil
			},
		} {
			if err := call(); !errors.Is(err, messages.ErrClosed) {
				t.Errorf("%s = %v, want %v", name, err, messages.ErrClosed)
			}
		}
		if s := bus.Status(); !s.Closing || len(s.Followers) != 1 || s.Followers[0].Cursor != 2 {
			t.Errorf("status of a closed bus = %+v", s)
		}
	})
}

// Commands that pass the door while the bus closes are answered or refused;
// none hangs, and no reaction runs once Close has returned.
func TestCommandsThatRaceWithCloseReturn(t *testing.T) {
	for range 20 {
		inBubble(t, func(t *testing.T) {
			bus := openBus(t, &retinue.Options{FS: vfs.NewMem()})
			var mu sync.Mutex
			closed := false
			f := func(name string) followers.Follower {
				return followers.Follower{Name: name, Poison: followers.Poison{Action: followers.Park, After: 1},
					Every: func(turn *followers.Turn) error {
						mu.Lock()
						defer mu.Unlock()
						if closed {
							t.Error("a reaction runs after Close")
						}
						if turn.Entry().ID%2 == 0 && turn.Attempt() == 1 {
							return errRefused
						}
						return nil
					}}
			}
			mustFollow(t, bus, f("f"))
			putTexts(t, bus, "a", "b", "c", "d")
			ctx := t.Context()
			var wg sync.WaitGroup
			for _, call := range []func(){
				func() { _ = bus.Follow(f("g")) },
				func() { _ = bus.Await(ctx, "f", messages.EventID(4)) },
				func() { _ = bus.Pause(ctx, "f") },
				func() { _ = bus.Resume(ctx, "f") },
				func() { _ = bus.Seek(ctx, "f", messages.EventID(5), messages.EventID(1)) },
				func() { _ = replay(ctx, bus, "f", messages.EventID(2)) },
				func() { _ = bus.Drop(ctx, "f", messages.EventID(4)) },
				func() { _ = bus.Unfollow(ctx, "f") },
				func() { _ = bus.Forget(ctx, "f") },
			} {
				wg.Go(call)
			}
			closeBus(t, bus)
			mu.Lock()
			closed = true
			mu.Unlock()
			wg.Wait()
		})
	}
}

package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestAFollowerIsToldWhenItHasCaughtUp(t *testing.T) {
	for log, position := range map[messages.Log]string{messages.Permanent: "messages.EventID", messages.TrimmableLog: "messages.TrimmableID"} {
		inBubble(t, func(t *testing.T) {
			bus := openBus(t, inMemory())
			putTexts(t, bus, "a", "b")
			var j journal
			f := noting("f", &j)
			f.Log = log
			f.CaughtUp = func(_ context.Context, at messages.Position) error {
				j.add("caught up at %T %v", at, at)
				return nil
			}
			mustFollow(t, bus, f)
			synctest.Wait()
			putTexts(t, bus, "c")
			synctest.Wait()
			j.want(t, "a", "b", fmt.Sprintf("caught up at %s 3", position), "c")

			if err := bus.Pause(t.Context(), "f"); err != nil {
				t.Fatal(err)
			}
			putTexts(t, bus, "d")
			if err := bus.Resume(t.Context(), "f"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			j.want(t, "a", "b", fmt.Sprintf("caught up at %s 3", position), "c", "d", fmt.Sprintf("caught up at %s 5", position))
		})
	}
}

func TestWhatCaughtUpReadsIsCommitted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		putTexts(t, bus, "a", "b")
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "f",
			Every: func(turn *followers.Turn) error { return increment(turn, "n") },
			CaughtUp: func(context.Context, messages.Position) error {
				return bus.View(func(v *retinue.View) error {
					keys, err := v.Follower("f")
					if err != nil {
						return err
					}
					n, err := keys.Get([]byte("n"))
					j.add("n=%s", n)
					return err
				})
			}})
		synctest.Wait()
		j.want(t, "n=2")
	})
}

func TestAFailureInCaughtUpStartsTheFollowerAnewAndBlamesNoEntry(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error":  func() error { return errors.New("not yet") },
		"panic":  func() error { panic("not yet") },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				putTexts(t, bus, "a")
				var j journal
				f := noting("f", &j)
				f.Poison = followers.Poison{Action: followers.Skip, After: 1}
				calls := 0
				f.CaughtUp = func(context.Context, messages.Position) error {
					calls++
					if calls == 1 {
						return fail()
					}
					j.add("caught up")
					return nil
				}
				mustFollow(t, bus, f)
				synctest.Wait()
				if s := statusOf(t, bus, "f"); s.LastError == nil || s.LastEntry != 0 || s.State != retinue.BackingOff {
					t.Errorf("status = %+v, want backing off with an error of no entry", s)
				}
				time.Sleep(time.Minute)
				putTexts(t, bus, "b")
				synctest.Wait()
				j.want(t, "a", "caught up", "b")
				if s := statusOf(t, bus, "f"); s.Handled != 2 || s.Skipped != 0 || s.Restarts != 1 {
					t.Errorf("status = %+v, want 2 entries handled, none skipped, one restart", s)
				}
			})
		})
	}
}

func TestTheContextOfCaughtUpEndsWithTheIncarnation(t *testing.T) {
	for name, end := range map[string]func(context.Context, *retinue.Bus) error{
		"unfollow": func(ctx context.Context, bus *retinue.Bus) error { return bus.Unfollow(ctx, "f") },
		"close":    func(_ context.Context, bus *retinue.Bus) error { return bus.Close() },
		"failure": func(ctx context.Context, bus *retinue.Bus) error {
			_, err := bus.Append(ctx, note{"bad"})
			synctest.Wait()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				var told context.Context
				mustFollow(t, bus, followers.Follower{Name: "f",
					Every: func(*followers.Turn) error { return errRefused },
					CaughtUp: func(ctx context.Context, _ messages.Position) error {
						told = ctx
						return nil
					}})
				synctest.Wait()
				if told == nil || told.Err() != nil {
					t.Fatalf("context %v, want one that lives", told)
				}
				if err := end(t.Context(), bus); err != nil {
					t.Fatal(err)
				}
				if told.Err() == nil {
					t.Error("the context outlives its incarnation")
				}
			})
		})
	}
}

package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// escapes are the ways in which the user's code does not return.
var escapes = map[string]func(){
	"panic":  func() { panic("the user's code panics") },
	"Goexit": runtime.Goexit,
}

// countingInBubble is a follower that counts its turns per text in its own
// keys, and refuses "bad". Its sequence key is key.
func countingInBubble(j *journal, pause time.Duration, key func(text string) string) followers.Follower {
	say := func(e messages.Entry) string {
		n, _ := messages.Decode[note](e)
		return n.Text
	}
	return followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 2},
		Every: func(turn *followers.Turn) error {
			text := say(turn.Entry())
			j.add("%s", text)
			if text == "bad" {
				return errRefused
			}
			time.Sleep(pause)
			return increment(turn, text)
		},
		Key: func(e messages.Entry) string { return key(say(e)) },
	}
}

// The turns before it may have been committed already, or not.
func TestASequenceKeyThatDoesNotReturnLeavesTheTurnsBeforeItAlone(t *testing.T) {
	for name, escape := range escapes {
		for _, pause := range []time.Duration{0, time.Second} {
			t.Run(fmt.Sprintf("%s after turns of %v", name, pause), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := retinuetest.Open(t, nil)
					at := putTexts(t, bus, "bad", "a", "b", "c")
					var j journal
					var escaped atomic.Bool
					retinuetest.Follow(t, bus, countingInBubble(&j, pause, func(text string) string {
						if text == "c" && !escaped.Swap(true) {
							escape()
						}
						if text == "bad" {
							return "k"
						}
						return ""
					}))
					retinuetest.Await(t, bus, "f", at)
					j.want(t, "bad", "bad", "a", "b", "c")
					wantKeys(t, bus, "f", "a=1", "b=1", "c=1")
					wantParked(t, bus, "f", 1)
					if s := retinuetest.StatusOf(t, bus, "f"); !escaped.Load() || s.LastEntry != 4 || s.Handled != 3 || s.Parked != 1 {
						t.Errorf("status = %+v, want entry 4 to blame once", s)
					}
				})
			})
		}
	}
}

func TestAnEntryWhoseSequenceKeyDoesNotReturnIsParkedAlone(t *testing.T) {
	for name, escape := range escapes {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				at := putTexts(t, bus, "bad", "a")
				var j journal
				retinuetest.Follow(t, bus, countingInBubble(&j, 0, func(string) string { escape(); return "k" }))
				retinuetest.Await(t, bus, "f", at.LastEvent)
				j.want(t, "bad", "bad", "a")
				wantKeys(t, bus, "f", "a=1")
				wantParked(t, bus, "f", 1)
			})
		})
	}
}

func TestABatchWhoseSequenceKeyDoesNotReturnIsHandledOnce(t *testing.T) {
	for name, escape := range escapes {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				at := putTexts(t, bus, "bad", "a", "b", "c")
				var j journal
				f := countingInBubble(&j, 0, func(text string) string {
					switch text {
					case "bad":
						return "k"
					case "b":
						escape()
					}
					return ""
				})
				f.Every, f.Batch = nil, batches(t, func() error { return errRefused })
				retinuetest.Follow(t, bus, f)
				retinuetest.Await(t, bus, "f", at.LastEvent)
				wantKeys(t, bus, "f", "02=x", "04=x")
				wantParked(t, bus, "f", 1, 3)
			})
		})
	}
}

// nilError is an error whose nil pointer cannot say what is wrong.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func speechless() error { var e *nilError; return e }

func TestAnErrorThatPanicsWhenAskedHurtsItsFollowerOnly(t *testing.T) {
	for name, f := range map[string]followers.Follower{
		"skipped":      {Poison: followers.Poison{Action: followers.Skip, After: 1}},
		"parked":       {Poison: followers.Poison{Action: followers.Park, After: 1}},
		"budget spent": {Restart: followers.Restart{Budget: 1}},
		"retried":      {},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				f.Name, f.Every = "f", func(*followers.Turn) error { return speechless() }
				retinuetest.Follow(t, bus, f)
				at := retinuetest.Append(t, bus, note{"a"})
				time.Sleep(time.Minute)
				if err := bus.Status().Failed; err != nil {
					t.Fatalf("the bus has failed: %v", err)
				}
				want, id := "idle", []uint64{1}
				switch {
				case f.Restart.Budget > 0:
					want, id = "parked", nil
				case f.Poison.Action == followers.Halt:
					want, id = "backing off", nil
				}
				s := retinuetest.StatusOf(t, bus, "f")
				if string(s.State) != want || s.Why == "" {
					t.Errorf("state = %s, why %q, want %s and why", s.State, s.Why, want)
				}
				for p, err := range bus.Parked("f") {
					if err != nil || p.Error == "" {
						t.Errorf("parked = %+v, %v, want it to say something", p, err)
					}
				}
				wantParked(t, bus, "f", id...)
				var j journal
				retinuetest.Follow(t, bus, noting("sibling", &j))
				retinuetest.Await(t, bus, "sibling", at)
			})
		})
	}
}

func TestAReplayThatFailsWithoutWordsIsRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Follow(t, bus, followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 1},
			Every: func(turn *followers.Turn) error {
				if turn.Attempt() == 1 {
					return errRefused
				}
				return speechless()
			}})
		at := retinuetest.Append(t, bus, note{"a"})
		wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)
		var fault *messages.FollowerError
		if err := replay(t.Context(), bus, "f", at); !errors.As(err, &fault) || fault.Entry != 1 {
			t.Errorf("replay = %#v, want the follower's error", err)
		}
		for p, err := range bus.Parked("f") {
			if err != nil || p.Attempts != 2 || p.Error == "" || p.Error == errRefused.Error() {
				t.Errorf("parked = %+v, %v, want the second failure recorded", p, err)
			}
		}
		wantParked(t, bus, "f", 1)
	})
}

// leavings are the ways to leave the body of a loop early.
var leavings = map[string]func() (stop bool){
	"break":  func() bool { return true },
	"panic":  func() bool { panic("the loop's body panics") },
	"Goexit": func() bool { runtime.Goexit(); return true },
}

// leaveLoop ranges over a sequence of at least two and leaves at its first.
func leaveLoop[V any](seq iter.Seq2[V, error], leave func() bool) {
	for range seq {
		if leave() {
			return
		}
	}
}

// An iterator that is left open makes Close fail, and keeps tables on disk.
func TestALoopThatIsLeftEarlyLeavesNoIterator(t *testing.T) {
	set := func(w interface{ Set(key, value []byte) error }) error {
		return errors.Join(w.Set([]byte("a"), nil), w.Set([]byte("b"), nil))
	}
	for loop, run := range map[string]func(bus *retinue.Bus, leave func() bool){
		"Update": func(bus *retinue.Bus, leave func() bool) {
			_, _ = bus.Update(context.Background(), func(tx *retinue.Tx) error {
				err := set(tx)
				leaveLoop(tx.Scan(nil), leave)
				return err
			})
		},
		"View": func(bus *retinue.Bus, leave func() bool) {
			_ = bus.View(func(v *retinue.View) error {
				keys, err := v.Follower("f")
				if err == nil {
					leaveLoop(keys.Scan(nil), leave)
				}
				return err
			})
		},
		"Parked": func(bus *retinue.Bus, leave func() bool) { leaveLoop(bus.Parked("f"), leave) },
		"Entries": func(bus *retinue.Bus, leave func() bool) {
			leaveLoop(bus.Entries(context.Background(), retinue.Query{}), leave)
		},
	} {
		for how, leave := range leavings {
			t.Run(loop+" by "+how, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := retinuetest.Open(t, nil)
					f := refusing("f", followers.Poison{Action: followers.Park, After: 1})
					retinuetest.Follow(t, bus, f)
					putTexts(t, bus, "bad", "a", "bad", "b")
					retinuetest.RunUntilIdle(t, bus)
					left := false
					go func() {
						defer func() { _ = recover() }()
						run(bus, func() bool { left = true; return leave() })
					}()
					synctest.Wait()
					if !left {
						t.Error("the loop was not entered")
					}
					closeBus(t, bus)
				})
			})
		}
	}
	for how, leave := range leavings {
		t.Run("reaction by "+how, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				retinuetest.Follow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
					err := set(turn)
					if turn.Attempt() < 3 {
						leaveLoop(turn.Scan(nil), leave)
					}
					return err
				}})
				retinuetest.Await(t, bus, "f", retinuetest.Append(t, bus, note{"a"}))
				closeBus(t, bus)
			})
		})
	}
}

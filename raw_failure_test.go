package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestAFailingRawBehaviourLeavesNothingAndStartsAfresh(t *testing.T) {
	for name, fault := range map[string]func(rawContext, *followers.Deliver){
		"error": func(c rawContext, d *followers.Deliver) { c.Respond(d.Done(errRefused)) },
		"panic": func(rawContext, *followers.Deliver) { panic("no") },
		"Goexit": func(rawContext, *followers.Deliver) {
			runtime.Goexit()
		},
		"stops itself":   func(c rawContext, _ *followers.Deliver) { c.Stop(c.Self()) },
		"poisons itself": func(c rawContext, _ *followers.Deliver) { c.Poison(c.Self()) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				var j journal
				mustFollow(t, bus, behaviour("f", func(c rawContext, incarnation int) {
					d, ok := c.Message().(*followers.Deliver)
					if !ok {
						return
					}
					j.add("%d incarnation %d attempt %d", d.Turn.Entry().ID, incarnation, d.Turn.Attempt())
					if err := increment(d.Turn, "n"); err != nil {
						t.Error(err)
					}
					if d.Turn.Entry().ID == 2 && incarnation == 1 {
						fault(c, d)
						return
					}
					c.Respond(d.Done(nil))
				}))
				reached(t, bus, "f", putTexts(t, bus, "a", "b", "c"))
				j.want(t, "1 incarnation 1 attempt 1", "2 incarnation 1 attempt 1",
					"2 incarnation 2 attempt 2", "3 incarnation 2 attempt 1")
				wantKeys(t, bus, "f", "n=3")
			})
		})
	}
}

// What fails before a behaviour was given an entry is no entry's fault.
func TestAPanicInStartedBlamesNoEntry(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				at := putTexts(t, bus, "a")
				var a attempts
				f := behaviour("f", func(c rawContext, incarnation int) {
					switch m := c.Message().(type) {
					case *actor.Started:
						a.now()
						if incarnation < 4 {
							if err := fault(); err != nil {
								panic(err)
							}
						}
					case *followers.Deliver:
						c.Respond(m.Done(nil))
					}
				})
				f.Poison = followers.Poison{Action: followers.Park, After: 1}
				mustFollow(t, bus, f)
				reached(t, bus, "f", at)
				ms := time.Millisecond
				a.wantGaps(t, 100*ms, 200*ms, 400*ms)
				wantParked(t, bus, "f")
			})
		})
	}
}

func TestAPanicOfTheProducerIsAFailedIncarnation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		at := putTexts(t, bus, "a")
		var a attempts
		mustFollow(t, bus, followers.Follower{Name: "f", Props: actor.PropsFromProducer(func() actor.Actor {
			a.now()
			if a.count() < 3 {
				panic("no actor")
			}
			return actor.ReceiveFunc(func(c actor.Context) {
				if d, ok := c.Message().(*followers.Deliver); ok {
					c.Respond(d.Done(nil))
				}
			})
		})})
		reached(t, bus, "f", at)
		a.wantGaps(t, 100*time.Millisecond, 200*time.Millisecond)
	})
}

// protoactor does not survive a panic while an actor stops: it revives the
// actor, or its parent waits for ever.
func TestAPanicWhileABehaviourStopsIsSurvived(t *testing.T) {
	for _, stage := range []any{&actor.Stopping{}, &actor.Stopped{}} {
		for name, fault := range faults {
			t.Run(fmt.Sprintf("%s in %T", name, stage), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := openBus(t, inMemory())
					var j journal
					f := behaviour("f", func(c rawContext, incarnation int) {
						switch m := c.Message().(type) {
						case *followers.Deliver:
							if m.Turn.Attempt() == 1 {
								panic("while handling")
							}
							c.Respond(m.Done(nil))
						default:
							if fmt.Sprintf("%T", m) == fmt.Sprintf("%T", stage) {
								j.add("%d", incarnation)
								if err := fault(); err != nil {
									panic(err)
								}
							}
						}
					})
					mustFollow(t, bus, f)
					reached(t, bus, "f", putTexts(t, bus, "a"))
					if err := bus.Unfollow(t.Context(), "f"); err != nil {
						t.Fatal(err)
					}
					j.want(t, "1", "2")
					mustFollow(t, bus, f)
					reached(t, bus, "f", putTexts(t, bus, "b"))
					closeBus(t, bus)
					j.want(t, "1", "2", "3", "4")
				})
			})
		}
	}
}

func TestABehaviourThatEndsBetweenTurnsIsReplaced(t *testing.T) {
	type end struct{}
	for name, kill := range map[string]func(*actor.RootContext, *actor.PID){
		"stopped from outside":  func(root *actor.RootContext, pid *actor.PID) { root.Stop(pid) },
		"poisoned from outside": func(root *actor.RootContext, pid *actor.PID) { root.Poison(pid) },
		"panics by itself":      func(root *actor.RootContext, pid *actor.PID) { root.Send(pid, end{}) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				var j journal
				pids := make(chan *actor.PID, 10)
				var root *actor.RootContext
				f := behaviour("f", func(c rawContext, incarnation int) {
					switch m := c.Message().(type) {
					case *actor.Started:
						root = c.ActorSystem().Root
						pids <- c.Self()
					case *followers.Deliver:
						j.add("%d incarnation %d attempt %d", m.Turn.Entry().ID, incarnation, m.Turn.Attempt())
						c.Respond(m.Done(nil))
					case end:
						panic("the end")
					}
				})
				f.Poison = followers.Poison{Action: followers.Park, After: 1}
				mustFollow(t, bus, f)
				reached(t, bus, "f", putTexts(t, bus, "a"))
				kill(root, <-pids)
				synctest.Wait()
				reached(t, bus, "f", putTexts(t, bus, "b"))
				j.want(t, "1 incarnation 1 attempt 1", "2 incarnation 2 attempt 1")
				wantParked(t, bus, "f")
			})
		})
	}
}

func TestABehaviourThatAnswersAndStopsHasHandledItsEntry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, behaviour("f", func(c rawContext, incarnation int) {
			if d, ok := c.Message().(*followers.Deliver); ok {
				j.add("%d incarnation %d attempt %d", d.Turn.Entry().ID, incarnation, d.Turn.Attempt())
				c.Respond(d.Done(nil))
				c.Stop(c.Self())
			}
		}))
		for _, text := range []string{"a", "b", "c"} {
			reached(t, bus, "f", put(t, bus, note{text}))
			time.Sleep(time.Second)
		}
		j.want(t, "1 incarnation 1 attempt 1", "2 incarnation 2 attempt 1", "3 incarnation 3 attempt 1")
	})
}

func TestABehaviourThatNeverAnswersIsStuckAndTheDatabaseStaysOpen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		var answer func()
		mustFollow(t, bus, behaviour("silent", func(c rawContext, _ int) {
			if d, ok := c.Message().(*followers.Deliver); ok {
				sender, root := c.Sender(), c.ActorSystem().Root
				answer = func() { root.Send(sender, d.Done(nil)) }
			}
		}))
		release := make(chan struct{})
		mustFollow(t, bus, raw("mute", func(_ rawContext, d *followers.Deliver) error {
			<-release
			return increment(d.Turn, "n") // reads from the database
		}))
		put(t, bus, note{"a"})
		synctest.Wait()
		within := func(f func(context.Context) error) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return f(ctx)
		}
		err := within(func(ctx context.Context) error { return bus.Pause(ctx, "mute") })
		wantError(t, err, messages.ErrStuck, context.DeadlineExceeded)
		err = within(bus.Shutdown)
		wantError(t, err, messages.ErrStuck, context.DeadlineExceeded)
		var stuck *messages.StuckError
		if !errors.As(err, &stuck) || !slices.Contains(stuck.Names, "mute") || !slices.Contains(stuck.Names, "silent") {
			t.Errorf("shutdown: %v, want it to name both", err)
		}
		close(release)
		answer()
		if err := bus.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown after the answers: %v", err)
		}
		bus = openBus(t, opts)
		wantKeys(t, bus, "mute", "n=1")
		wantCursor(t, bus, "mute", 2)
		wantCursor(t, bus, "silent", 2)
	})
}

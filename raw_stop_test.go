package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// Where user code does not return while its actor starts or stops, nobody waits
// longer than told, and hears whose it is.
func TestABehaviourThatDoesNotStopIsNamed(t *testing.T) {
	for _, stage := range []any{&actor.Started{}, &actor.Stopping{}, &actor.Stopped{}} {
		for _, whose := range []string{"its own", "a child's"} {
			t.Run(fmt.Sprintf("%s %T", whose, stage), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := retinuetest.Open(t, nil)
					release := make(chan struct{})
					block := func(c actor.Context) {
						if fmt.Sprintf("%T", c.Message()) == fmt.Sprintf("%T", stage) {
							<-release
						}
					}
					retinuetest.Follow(t, bus, behaviour("f", func(c rawContext, _ int) {
						if whose == "its own" {
							block(c)
						} else if _, ok := c.Message().(*actor.Started); ok {
							c.Spawn(actor.PropsFromFunc(block))
						}
					}))
					var j journal
					retinuetest.Follow(t, bus, noting("sibling", &j))
					synctest.Wait()
					stuck := func(err error) {
						t.Helper()
						wantError(t, err, messages.ErrStuck, context.DeadlineExceeded)
						var stuck *messages.StuckError
						if !errors.As(err, &stuck) || !slices.Equal(stuck.Names, []string{"f"}) {
							t.Errorf("error = %v, want it to name f", err)
						}
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					stuck(bus.Unfollow(ctx, "f"))
					retinuetest.Await(t, bus, "sibling", putTexts(t, bus, "a"))
					ctx, cancel = context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					stuck(bus.Shutdown(ctx))
					close(release)
					closeBus(t, bus)
				})
			})
		}
	}
}

// An actor that does not stop keeps its parents from stopping, up to the bus.
// What its children panic with otherwise is for the behaviour's own strategy.
func TestChildrenOfABehaviourCannotKeepItFromStopping(t *testing.T) {
	for _, stage := range []any{&actor.Stopping{}, &actor.Stopped{}, &actor.Restarting{}, "a message"} {
		for name, fault := range faults {
			t.Run(fmt.Sprintf("%s in %T", name, stage), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := retinuetest.Open(t, nil)
					var reasons journal
					failing := actor.PropsFromFunc(func(c actor.Context) {
						if fmt.Sprintf("%T", c.Message()) == fmt.Sprintf("%T", stage) {
							if err := fault(); err != nil {
								panic(err)
							}
						}
					})
					strategy := actor.NewOneForOneStrategy(1, time.Hour, func(reason any) actor.Directive {
						reasons.add("%v", reason)
						return actor.RestartDirective
					})
					f := behaviour("f", func(c rawContext, _ int) {
						switch m := c.Message().(type) {
						case *actor.Started: // a child, and a child of a child
							parent := actor.PropsFromFunc(func(c actor.Context) {
								switch c.Message().(type) {
								case *actor.Started:
									c.Spawn(failing)
								case string:
									c.Send(c.Children()[0], c.Message())
								}
							}, actor.WithSupervisor(strategy))
							c.Spawn(failing)
							c.Spawn(parent)
						case *followers.Deliver:
							for _, child := range c.Children() {
								c.Send(child, "a message")
							}
							c.Respond(m.Done(nil))
						}
					})
					f.Props = f.Props.Clone(actor.WithSupervisor(strategy))
					retinuetest.Follow(t, bus, f)
					retinuetest.Await(t, bus, "f", putTexts(t, bus, "a"))
					synctest.Wait()
					if _, ok := stage.(string); ok {
						want := map[string]string{"error": errRefused.Error(), "panic": "the reaction panics",
							"Goexit": (&messages.PanicError{}).Error()}[name]
						reasons.want(t, want, want)
					}
					if err := bus.Unfollow(t.Context(), "f"); err != nil {
						t.Fatal(err)
					}
					retinuetest.Follow(t, bus, f)
					retinuetest.Await(t, bus, "f", putTexts(t, bus, "b"))
					closeBus(t, bus)
				})
			})
		}
	}
}

func TestABehaviourThatAnswersAndStopsHasHandledItsEntry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		retinuetest.Follow(t, bus, behaviour("f", func(c rawContext, incarnation int) {
			if d, ok := c.Message().(*followers.Deliver); ok {
				j.add("%d incarnation %d attempt %d", d.Turn.Entry().ID, incarnation, d.Turn.Attempt())
				c.Respond(d.Done(nil))
				c.Stop(c.Self())
			}
		}))
		for _, text := range []string{"a", "b", "c"} {
			retinuetest.Await(t, bus, "f", retinuetest.Append(t, bus, note{text}))
			time.Sleep(time.Second)
		}
		j.want(t, "1 incarnation 1 attempt 1", "2 incarnation 2 attempt 1", "3 incarnation 3 attempt 1")
	})
}

func TestABehaviourThatNeverAnswersIsStuckAndTheDatabaseStaysOpen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var answer func()
		retinuetest.Follow(t, bus, behaviour("silent", func(c rawContext, _ int) {
			if d, ok := c.Message().(*followers.Deliver); ok {
				sender, root := c.Sender(), c.ActorSystem().Root
				answer = func() { root.Send(sender, d.Done(nil)) }
			}
		}))
		release := make(chan struct{})
		retinuetest.Follow(t, bus, raw("mute", func(_ rawContext, d *followers.Deliver) error {
			<-release
			return increment(d.Turn, "n") // reads from the database
		}))
		retinuetest.Append(t, bus, note{"a"})
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
		bus = retinuetest.Reopen(t, bus)
		wantKeys(t, bus, "mute", "n=1")
		wantCursor(t, bus, "mute", 2)
		wantCursor(t, bus, "silent", 2)
	})
}

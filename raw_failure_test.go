package retinue_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
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
				bus := retinuetest.Open(t, nil)
				var j journal
				retinuetest.Follow(t, bus, behaviour("f", func(c rawContext, incarnation int) {
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
				retinuetest.Await(t, bus, "f", putTexts(t, bus, "a", "b", "c"))
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
				bus := retinuetest.Open(t, nil)
				at := putTexts(t, bus, "a")
				f := behaviour("f", func(c rawContext, incarnation int) {
					switch m := c.Message().(type) {
					case *actor.Started:
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
				wantNoBlame(t, bus, f, at, 100*time.Millisecond, 200*time.Millisecond, 400*time.Millisecond)
			})
		})
	}
}

// wantNoBlame follows, and asks for an incarnation that fails before each of
// the delays, none for an entry's sake.
func wantNoBlame(t *testing.T, bus *retinue.Bus, f followers.Follower, at messages.Position, delays ...time.Duration) {
	t.Helper()
	retinuetest.Follow(t, bus, f)
	retinuetest.Await(t, bus, f.Name, at)
	wantGaps(t, append(failed(t, bus), time.Now()), delays...)
	for _, failure := range retinuetest.Failures(t, bus) {
		if failure.Entry != 0 || !errors.As(failure.Err, new(*messages.PanicError)) {
			t.Errorf("failure %v, want a panic and no entry to blame", failure)
		}
	}
	if turns := retinuetest.Turns(t, bus, f.Name); len(turns) != 1 || turns[0].Attempt != 1 {
		t.Errorf("turns = %+v, want the first attempt alone", turns)
	}
	wantParked(t, bus, f.Name)
}

func TestAPanicOfTheProducerIsAFailedIncarnation(t *testing.T) {
	answers := actor.ReceiveFunc(func(c actor.Context) {
		if d, ok := c.Message().(*followers.Deliver); ok {
			c.Respond(d.Done(nil))
		}
	})
	for name, escape := range escapes {
		for where, props := range map[string]func(try func()) *actor.Props{
			"the producer": func(try func()) *actor.Props {
				return actor.PropsFromProducer(func() actor.Actor { try(); return answers })
			},
			"what runs with its actor's name taken": func(try func()) *actor.Props {
				return actor.PropsFromFunc(answers, actor.WithOnInit(func(actor.Context) { try() }))
			},
		} {
			t.Run(name+" of "+where, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := retinuetest.Open(t, nil)
					at := putTexts(t, bus, "a")
					produced := 0
					wantNoBlame(t, bus, followers.Follower{Name: "f", Props: props(func() {
						if produced++; produced < 3 {
							escape()
						}
					})}, at, 100*time.Millisecond, 200*time.Millisecond)
				})
			})
		}
	}
}

func TestABehaviourThatNeverStartsSpendsItsBudget(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				f := behaviour("f", func(c rawContext, _ int) {
					if _, ok := c.Message().(*actor.Started); !ok {
						return
					}
					if err := fault(); err != nil {
						panic(err)
					}
				})
				f.Restart = followers.Restart{Budget: 2}
				failures := retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "f", Times: 3}, func() {
					retinuetest.Follow(t, bus, f)
				})
				for i, failure := range failures {
					if parked := i == 2; failure.Entry != 0 || parked != (failure.Verdict == "park follower") {
						t.Errorf("failure %d: %v", i+1, failure)
					}
				}
				if s := retinuetest.StatusOf(t, bus, "f"); s.State != "parked" || s.Why == "" {
					t.Errorf("status = %+v, want parked and why", s)
				}
			})
		})
	}
}

// protoactor does not survive a panic while an actor stops: it revives the
// actor, or its parent waits for ever.
func TestAPanicWhileABehaviourStopsIsSurvived(t *testing.T) {
	for _, stage := range []any{&actor.Stopping{}, &actor.Stopped{}} {
		for name, fault := range faults {
			t.Run(fmt.Sprintf("%s in %T", name, stage), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := retinuetest.Open(t, nil)
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
					retinuetest.Follow(t, bus, f)
					retinuetest.Await(t, bus, "f", putTexts(t, bus, "a"))
					if err := bus.Unfollow(t.Context(), "f"); err != nil {
						t.Fatal(err)
					}
					j.want(t, "1", "2")
					retinuetest.Follow(t, bus, f)
					retinuetest.Await(t, bus, "f", putTexts(t, bus, "b"))
					closeBus(t, bus)
					j.want(t, "1", "2", "3", "4")
				})
			})
		}
	}
}

// ends are the ways to end an actor from outside.
var ends = map[string]func(*actor.ActorSystem, *actor.PID){
	"stopped":  func(system *actor.ActorSystem, pid *actor.PID) { system.Root.Stop(pid) },
	"poisoned": func(system *actor.ActorSystem, pid *actor.PID) { system.Root.Poison(pid) },
	"panics":   func(system *actor.ActorSystem, pid *actor.PID) { system.Root.Send(pid, errRefused) },
	"restarted in place": func(system *actor.ActorSystem, pid *actor.PID) {
		process, _ := system.ProcessRegistry.GetLocal(pid.Id)
		process.SendSystemMessage(pid, &actor.Restart{})
	},
}

// ending is a behaviour that appends a hint in each turn, answers where answer
// says so, panics at errors, and in Restarting. self is its present actor.
func ending(j *journal, self *atomic.Pointer[actor.PID], answer func(*followers.Turn) bool) followers.Follower {
	return behaviour("f", func(c rawContext, _ int) {
		switch m := c.Message().(type) {
		case *actor.Started:
			self.Store(c.Self())
		case *followers.Deliver:
			j.add("%d attempt %d", m.Turn.Entry().ID, m.Turn.Attempt())
			err := m.Turn.Append(hint{"seen"})
			if answer(m.Turn) {
				c.Respond(m.Done(err))
			}
		case error, *actor.Restarting:
			panic("the end")
		}
	})
}

func TestABehaviourThatEndsBetweenTurnsIsReplaced(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				probe := retinuetest.NewProbe(t, bus)
				var j journal
				var self atomic.Pointer[actor.PID]
				f := ending(&j, &self, func(*followers.Turn) bool { return true })
				f.Poison = followers.Poison{Action: followers.Park, After: 1}
				retinuetest.Follow(t, bus, f)
				retinuetest.Await(t, bus, "f", putTexts(t, bus, "a"))
				first := self.Load()
				probe.Watch(first)
				failures := retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "f", Times: 1}, func() {
					end(retinuetest.System(t, bus), first)
				})
				retinuetest.ExpectTerminated(t, probe, first)
				for _, failure := range failures {
					if failure.Entry != 0 {
						t.Errorf("failure %v, want no entry to blame", failure)
					}
				}
				retinuetest.Await(t, bus, "f", putTexts(t, bus, "b"))
				j.want(t, "1 attempt 1", "2 attempt 1")
				wantParked(t, bus, "f")
				retinuetest.RunUntilIdle(t, bus)
				wantSecondIncarnation(t, bus)
			})
		})
	}
}

// wantSecondIncarnation asks for the tree of a raw follower "f" that has
// failed once.
func wantSecondIncarnation(t *testing.T, bus *retinue.Bus) {
	t.Helper()
	retinuetest.WantTree(t, bus, `
		retinue-store #1 running
		├─ writer #1 running
		├─ trimmer #1 running
		└─ followers #1 running
		   └─ f #1 idle
		      └─ host #2 idle
		         └─ actor #2 idle
	`)
}

// The delivery that it had is lost with it: the turn has failed, once.
func TestABehaviourThatEndsBeforeItAnswersHasFailedItsTurn(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				var j journal
				var self atomic.Pointer[actor.PID]
				retinuetest.Follow(t, bus, ending(&j, &self, func(turn *followers.Turn) bool {
					return turn.Entry().ID > 1 || turn.Attempt() > 1
				}))
				at := putTexts(t, bus, "a", "b")
				synctest.Wait()
				j.want(t, "1 attempt 1")
				for _, failure := range retinuetest.ExpectFailures(t, bus, retinuetest.Expected{Follower: "f", Times: 1}, func() {
					end(retinuetest.System(t, bus), self.Load())
				}) {
					if failure.Entry != 1 {
						t.Errorf("failure %v, want entry 1 to blame", failure)
					}
				}
				retinuetest.Await(t, bus, "f", at)
				j.want(t, "1 attempt 1", "1 attempt 2", "2 attempt 1")
				if got := retinuetest.Entries[hint](t, bus); len(got) != 2 {
					t.Errorf("%d events of turns, want one for each of 2 entries", len(got))
				}
				retinuetest.RunUntilIdle(t, bus)
				wantSecondIncarnation(t, bus)
			})
		})
	}
}

// Its end is nobody's failure, and the delivery is never answered.
func TestABehaviourWhoseHostIsStoppedIsGivenItsEntryAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		var j journal
		var self atomic.Pointer[actor.PID]
		answers := 0
		retinuetest.Follow(t, bus, ending(&j, &self, func(*followers.Turn) bool { answers++; return answers > 1 }))
		at := putTexts(t, bus, "a")
		synctest.Wait()
		j.want(t, "1 attempt 1")
		retinuetest.ExpectFailures(t, bus, retinuetest.Expected{}, func() {
			stopHost(t, bus)
			retinuetest.Await(t, bus, "f", at)
		})
		j.want(t, "1 attempt 1", "1 attempt 1")
		if got := retinuetest.Entries[hint](t, bus); len(got) != 1 {
			t.Errorf("%d events of one entry", len(got))
		}
		wantSecondIncarnation(t, bus)
	})
}

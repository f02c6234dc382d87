package join_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/join"
	"github.com/retinue-go/retinue/retinuetest"
)

const follower = "payments"

type callback = func(*followers.Turn, join.Result[started]) error

// follow follows the bus with a join. It goes around the kit, which would
// follow a crashed bus's follower again.
func follow(t retinuetest.TB, bus *retinue.Bus, w join.Window, log messages.Log, do callback) {
	t.Helper()
	f, err := payments(w).Follower(bus, follower, do)
	if err != nil {
		t.Fatalf("join: %v", err)
	}
	f.Log = log // it is free to be set
	if err := bus.Follow(f); err != nil {
		t.Fatalf("follow: %v", err)
	}
}

func decisions(t retinuetest.TB, bus *retinue.Bus) (all []string) {
	t.Helper()
	for _, d := range retinuetest.Entries[decided](t, bus) {
		all = append(all, d.What)
	}
	return all
}

func wantDecisions(t retinuetest.TB, bus *retinue.Bus, want ...string) {
	t.Helper()
	if got := decisions(t, bus); !slices.Equal(got, want) {
		t.Errorf("decided %q, want %q", got, want)
	}
}

func ticks(t retinuetest.TB, bus *retinue.Bus) (kinds []string) {
	t.Helper()
	for _, kind := range retinuetest.Kinds(t, bus) {
		if kind == "retinue/tick" || kind == "retinue/tick-trimmable" {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func TestALeftTimesOutWithoutAnotherEntry(t *testing.T) {
	for log, tick := range map[messages.Log]string{
		messages.Permanent: "retinue/tick", messages.TrimmableLog: "retinue/tick-trimmable",
	} {
		t.Run(tick, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				follow(t, bus, join.Window{Within: time.Hour}, log, decide)
				retinuetest.Append(t, bus, started{"a"})
				time.Sleep(time.Hour)
				retinuetest.RunUntilIdle(t, bus)
				wantDecisions(t, bus)
				time.Sleep(2 * time.Second)
				retinuetest.RunUntilIdle(t, bus)
				wantDecisions(t, bus, "timed out 1-")
				time.Sleep(3 * time.Hour)
				if got := ticks(t, bus); !slices.Equal(got, []string{tick}) {
					t.Errorf("ticks %q, want one %s", got, tick)
				}
			})
		})
	}
}

func TestAMatchedLeftNeedsNoTick(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		follow(t, bus, join.Window{Within: time.Hour}, messages.Permanent, decide)
		retinuetest.Append(t, bus, started{"a"})
		retinuetest.Append(t, bus, failed{"a", "no route"})
		time.Sleep(3 * time.Hour)
		wantDecisions(t, bus, "matched 1-2")
		if got := ticks(t, bus); len(got) > 0 {
			t.Errorf("ticks %q, want none", got)
		}
	})
}

func TestALeftTimesOutThatARestartFindsOpen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		w := join.Window{Within: time.Hour}
		follow(t, bus, w, messages.Permanent, decide)
		retinuetest.Await(t, bus, follower, retinuetest.Append(t, bus, started{"a"}))
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
		time.Sleep(3 * time.Hour)
		follow(t, bus, w, messages.Permanent, decide)
		time.Sleep(2 * time.Second)
		retinuetest.RunUntilIdle(t, bus)
		wantDecisions(t, bus, "timed out 1-")
	})
}

func TestWhatIsOpenKeepsItsEntryOverARestart(t *testing.T) {
	for _, w := range []join.Window{{Within: time.Hour}, {Within: time.Hour, Time: join.Event, Lateness: time.Minute}} {
		inBubble(t, func(t *testing.T) {
			bus := retinuetest.Open(t, nil)
			var got []messages.Entry
			do := func(_ *followers.Turn, r join.Result[started]) error {
				got = append(got, r.LeftEntry)
				return nil
			}
			follow(t, bus, w, messages.TrimmableLog, do)
			at := retinuetest.Append(t, bus, decided{"of another kind"}, messages.Draft{
				Event: started{"a"}, Instance: 7, Time: time.Now().Add(-time.Second), Correlation: "order 9",
				Headers: map[string]string{"one": "1", "two": ""},
			})
			retinuetest.Await(t, bus, follower, at)
			bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
			follow(t, bus, w, messages.TrimmableLog, do)
			retinuetest.Append(t, bus, succeeded{Payment: "a"})
			time.Sleep(2 * time.Minute)
			retinuetest.RunUntilIdle(t, bus)
			want, err := bus.Entry(messages.TrimmableLog, messages.TrimmableID(2))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
				t.Errorf("left entries %+v, want one: %+v", got, want)
			}
		})
	}
}

func TestASeekPastATickDoesNotStopTheClock(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		hold, held := make(chan struct{}), make(chan struct{})
		follow(t, bus, join.Window{Within: time.Hour}, messages.Permanent, func(turn *followers.Turn, r join.Result[started]) error {
			if r.Key == "slow" && r.Outcome == join.Matched {
				close(held)
				select {
				case <-hold:
				case <-turn.Context().Done():
					return turn.Context().Err()
				}
			}
			return decide(turn, r)
		})
		retinuetest.Append(t, bus, started{"a"}, started{"slow"})
		time.Sleep(30 * time.Minute)
		retinuetest.Append(t, bus, started{"b"})
		synctest.Wait()
		retinuetest.Append(t, bus, succeeded{Payment: "slow"})
		<-held
		time.Sleep(time.Hour) // a's tick waits behind the turn
		if got := ticks(t, bus); len(got) != 1 {
			t.Fatalf("ticks %q, want one", got)
		}
		cursor := retinuetest.StatusOf(t, bus, follower).Position()
		if err := bus.Seek(t.Context(), follower, cursor, messages.EventID(6)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		retinuetest.RunUntilIdle(t, bus)
		wantDecisions(t, bus, "timed out 1-", "timed out 2-", "timed out 3-")
	})
}

func TestAPausedFollowerGetsOneTick(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		follow(t, bus, join.Window{Within: time.Hour}, messages.Permanent, decide)
		retinuetest.Await(t, bus, follower, retinuetest.Append(t, bus, started{"a"}))
		if err := bus.Pause(t.Context(), follower); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		wantDecisions(t, bus)
		if got := ticks(t, bus); len(got) > 1 {
			t.Errorf("ticks %q of a paused follower, want one at most", got)
		}
		if err := bus.Resume(t.Context(), follower); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		retinuetest.RunUntilIdle(t, bus)
		wantDecisions(t, bus, "timed out 1-")
	})
}

func TestCatchingUpGoesByTheLogsOwnTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		for i := range 50 {
			key := fmt.Sprint(i)
			retinuetest.Append(t, bus, started{key})
			time.Sleep(30 * time.Second)
			retinuetest.Append(t, bus, succeeded{Payment: key})
		}
		time.Sleep(time.Hour)
		follow(t, bus, join.Window{Within: time.Minute}, messages.Permanent, decide)
		retinuetest.RunUntilIdle(t, bus)
		time.Sleep(10 * time.Minute)
		got := decisions(t, bus)
		for i, d := range got {
			if want := fmt.Sprintf("matched %d-%d", 2*i+1, 2*i+2); d != want {
				t.Fatalf("decided %q, want %q", d, want)
			}
		}
		if n := ticks(t, bus); len(got) != 50 || len(n) > 0 {
			t.Errorf("%d decisions and %d ticks, want 50 and none", len(got), len(n))
		}
	})
}

func TestManyThatTimeOutAtOnceAreDecidedInTurns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		most := 0
		perTurn := make(map[messages.EventID]int)
		follow(t, bus, join.Window{Within: time.Hour}, messages.Permanent, func(turn *followers.Turn, r join.Result[started]) error {
			perTurn[turn.Entry().ID]++
			most = max(most, perTurn[turn.Entry().ID])
			return nil
		})
		all := make([]messages.Event, 1000)
		for i := range all {
			all[i] = started{fmt.Sprint(i)}
		}
		retinuetest.Append(t, bus, all...)
		time.Sleep(time.Hour + 3*time.Second)
		retinuetest.RunUntilIdle(t, bus)
		sum := 0
		for _, n := range perTurn {
			sum += n
		}
		if sum != 1000 || most > 256 {
			t.Errorf("%d of 1000 timed out, up to %d in a turn, want at most 256", sum, most)
		}
	})
}

// A pause interrupts a turn that overlooks an error, and so does not fail by
// itself: no new incarnation follows.
func TestATurnThatIsTakenBackLeavesNothingInMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		first := true
		follow(t, bus, join.Window{Within: time.Hour}, messages.Permanent, func(turn *followers.Turn, r join.Result[started]) error {
			if first {
				first = false
				<-turn.Context().Done()
				_ = turn.Append(nil)
				return nil
			}
			return decide(turn, r)
		})
		retinuetest.Append(t, bus, started{"a"})
		retinuetest.Append(t, bus, succeeded{Payment: "a"})
		synctest.Wait()
		if err := bus.Pause(t.Context(), follower); err != nil {
			t.Fatal(err)
		}
		if err := bus.Resume(t.Context(), follower); err != nil {
			t.Fatal(err)
		}
		retinuetest.RunUntilIdle(t, bus)
		wantDecisions(t, bus, "matched 1-2")
	})
}

func TestWhatIsReadAgainIsLate(t *testing.T) {
	for _, w := range []join.Window{
		{Within: time.Hour},
		{Within: time.Hour, Time: join.Event, Lateness: time.Hour},
	} {
		inBubble(t, func(t *testing.T) {
			bus := retinuetest.Open(t, nil)
			follow(t, bus, w, messages.Permanent, decide)
			retinuetest.Append(t, bus, started{"a"}, succeeded{Payment: "a"}, failed{Payment: "b"})
			time.Sleep(3 * time.Hour)
			retinuetest.RunUntilIdle(t, bus)
			before := decisions(t, bus)
			cursor := retinuetest.StatusOf(t, bus, follower).Position()
			if err := bus.Seek(t.Context(), follower, cursor, messages.EventID(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Hour)
			retinuetest.RunUntilIdle(t, bus)
			wantDecisions(t, bus, append(before, "late 1-", "late -2", "late -3")...)
		})
	}
}

func TestAJoinOfATrimmableTypeFollowsTheTrimmableLog(t *testing.T) {
	j := payments(join.Window{Within: time.Hour})
	j.Rights = []join.Right{join.With(func(e hint) string { return e.Payment })}
	f, err := j.Follower(&retinue.Bus{}, follower, decide)
	if err != nil || f.Log != messages.TrimmableLog {
		t.Errorf("follows the %v log, error %v", f.Log, err)
	}
}

func TestAnEntryThatDoesNotDecodeFollowsTheFollowersPolicy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		f, err := payments(join.Window{Within: time.Hour}).Follower(bus, follower, decide)
		if err != nil {
			t.Fatal(err)
		}
		f.Poison = followers.Poison{Action: followers.Park, After: 2}
		if err := bus.Follow(f); err != nil {
			t.Fatal(err)
		}
		retinuetest.Append(t, bus, started{"a"}, asNumber{1}, succeeded{Payment: "a"})
		time.Sleep(time.Minute)
		retinuetest.RunUntilIdle(t, bus)
		wantDecisions(t, bus, "matched 1-3")
		if s := retinuetest.StatusOf(t, bus, follower); s.Parked != 1 || s.LastEntry != 2 || !errors.Is(s.LastError, messages.ErrDecode) {
			t.Errorf("status %+v, want entry 2 parked because it does not decode", s)
		}
	})
}

var errNoPaper = errors.New("no paper")

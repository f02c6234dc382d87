package retinuetest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
	"github.com/retinue-go/retinue/retinuetest/testdata/actors"
)

// echo answers every text, and stops at "stop".
func echo(c actor.Context) {
	text, ok := c.Message().(string)
	switch {
	case text == "stop":
		c.Stop(c.Self())
	case ok:
		c.Respond("echo " + text)
	}
}

func TestAProbeTalksToAnActorAndSeesItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		p := retinuetest.NewProbe(t, bus)
		pid := retinuetest.System(t, bus).Root.Spawn(actor.PropsFromFunc(echo))
		p.Watch(pid)
		p.Send(pid, "hello")
		if got := retinuetest.Expect[string](t, p); got != "echo hello" {
			t.Errorf("got %q", got)
		}
		retinuetest.ExpectNone(t, p, time.Minute)
		try := func(f func(t retinuetest.TB)) []string { return retinuetest.Try(f) }
		p.Send(pid, "a")
		p.Send(pid, "b")
		complains(t, try(func(t retinuetest.TB) { retinuetest.Expect[int](t, p) }), "expected int, but there arrived", `1: string echo a`, `2: string echo b`)
		complains(t, try(func(t retinuetest.TB) { retinuetest.ExpectTerminated(t, p, pid) }), "it lives", "1: string echo b")
		p.Send(pid, "c")
		complains(t, try(func(t retinuetest.TB) { retinuetest.Expect[error](t, p) }), "expected error, but there arrived", `1: string echo b`)
		p.Send(pid, "b")
		retinuetest.Expect[string](t, p)
		complains(t, try(func(t retinuetest.TB) { retinuetest.ExpectNone(t, p, 0) }), "expected nothing", "echo b")
		complains(t, try(func(t retinuetest.TB) { retinuetest.Expect[string](t, p) }), "expected string, but nothing arrived")
		complains(t, try(func(t retinuetest.TB) { retinuetest.ExpectTerminated(t, p, p.PID()) }), "does not watch")
		p.Send(pid, "stop")
		retinuetest.ExpectTerminated(t, p, pid)
		p.Watch(pid)
		retinuetest.ExpectTerminated(t, p, pid)
	})
}

func TestAProbeIsARawFollower(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		p := retinuetest.NewProbe(t, bus)
		refuse := true
		p.Answer = func(turn *followers.Turn) error {
			if refuse && turn.Entry().ID == 2 {
				refuse = false
				return errRefused
			}
			return turn.Append(seen{"probe"})
		}
		retinuetest.Follow(t, bus, p.Follower("p", messages.Permanent))
		if at := retinuetest.Expect[*followers.CaughtUp](t, p).At; at != messages.EventID(1) {
			t.Errorf("caught up at %v", at)
		}
		first := p.Behaviour()
		at := retinuetest.Append(t, bus, paid{1}, paid{2})
		if e := retinuetest.ExpectEvent[paid](t, p); e.Sats != 1 {
			t.Errorf("event = %+v", e)
		}
		retinuetest.ExpectTerminated(t, p, first)
		if d := retinuetest.Expect[retinuetest.Delivered](t, p); d.Entry.ID != 2 || d.Attempt != 1 {
			t.Errorf("delivered = %+v", d)
		}
		retinuetest.Await(t, bus, "p", at)
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.ExpectEvent[seen](t, p) }),
			"expected retinuetest_test.seen", `1: entry 2, wallet/paid {"Sats":2}, attempt 2`)
		if p.Behaviour() == first || len(retinuetest.Entries[seen](t, bus)) != 2 {
			t.Errorf("behaviour %v after %v", p.Behaviour(), first)
		}
		bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
		retinuetest.Append(t, bus, paid{3})
		retinuetest.RunUntilIdle(t, bus)
		retinuetest.Expect[*followers.CaughtUp](t, p)
	})
}

func TestTheTreeShowsIncarnations(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		p := retinuetest.NewProbe(t, bus)
		retinuetest.Follow(t, bus, p.Follower("raw", messages.Permanent))
		retinuetest.Follow(t, bus, refusing("failing"))
		retinuetest.Inject(t, bus, retinuetest.Fault{Follower: "raw"})
		retinuetest.Await(t, bus, "raw", retinuetest.Append(t, bus, paid{1}))
		retinuetest.RunUntilIdle(t, bus)
		want := `
			retinue-store #1 running
			├─ writer #1 running
			├─ trimmer #1 running
			└─ followers #1 running
			   ├─ failing #1 backing off
			   └─ raw #1 idle
			      └─ host #2 idle
			         └─ actor #2 idle
		`
		retinuetest.WantTree(t, bus, want)
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.WantTree(t, bus, strings.Replace(want, "host #2", "host #3", 1)) }),
			"the tree is\nretinue-store #1 running", "want\nretinue-store", "host #2", "host #3")
	})
}

type letter struct{ Text string }

func TestADeadLetterFailsTheTest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		said := retinuetest.Try(func(t retinuetest.TB) {
			bus := retinuetest.Open(t, nil)
			retinuetest.WatchDeadLetters(t, bus)
			system := retinuetest.System(t, bus)
			pid := system.Root.Spawn(actor.PropsFromFunc(echo))
			p := retinuetest.NewProbe(t, bus)
			p.Watch(pid)
			p.Send(pid, "stop")
			retinuetest.ExpectTerminated(t, p, pid)
			p.Watch(pid) // protoactor's own messages do not count
			p.Send(pid, letter{"lost"})
			p.Send(pid, &actors.Note{Text: "mine, whatever my package is called"})
			p.Send(pid, nil)
		})
		complains(t, said, "3 dead letters:", "retinuetest_test.letter {Text:lost} to ", "*actors.Note &{Text:mine,", "<nil> <nil> to ")
	})
}

func TestADeadLetterThatIsTakenCountsNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		take := retinuetest.WatchDeadLetters(t, bus)
		system := retinuetest.System(t, bus)
		system.Root.Send(actor.NewPID(system.Address(), "nobody"), letter{"lost"})
		var got []any
		for _, l := range take() {
			got = append(got, l.Message)
		}
		if !slices.Equal(got, []any{letter{"lost"}}) {
			t.Errorf("letters = %v", got)
		}
		// The bus's own hints to followers that come and go are no letters.
		retinuetest.Follow(t, bus, refusing("f"))
		retinuetest.Append(t, bus, paid{1})
		time.Sleep(time.Minute)
		if err := bus.Unfollow(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		retinuetest.Append(t, bus, paid{2})
	})
}

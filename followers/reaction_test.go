package followers_test

import (
	"context"
	"errors"
	"testing"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestReactCallsTheReactionOfTheEntrysKind(t *testing.T) {
	var got []int
	plan := planOf(t, followers.Follower{Name: "f", Reactions: []followers.Reaction{
		followers.On(func(_ *followers.Turn, e deposited) error { got = append(got, e.Sats); return nil }),
		followers.On(func(_ *followers.Turn, e withdrawn) error { got = append(got, -e.Sats); return nil }),
	}})
	for _, event := range []messages.Event{deposited{5}, withdrawn{3}, blob("passed over")} {
		if err := plan.React(newTurn(t, event)); err != nil {
			t.Fatalf("%T: %v", event, err)
		}
	}
	if len(got) != 2 || got[0] != 5 || got[1] != -3 {
		t.Errorf("reactions saw %v, want [5 -3]", got)
	}
}

func TestReactTellsKindsOfTwoModulesApart(t *testing.T) {
	plan := planOf(t, followers.Follower{Name: "f", Reactions: []followers.Reaction{
		followers.On(func(*followers.Turn, deposited) error { return errBroken }),
	}})
	e := entryOf(t, deposited{1})
	e.Type.Module = "bank"
	if err := plan.React(followers.NewTurn(context.Background(), e, followers.NewMemory())); err != nil {
		t.Errorf("err = %v: the wallet's reaction ran for the bank's entry", err)
	}
}

func TestReactReturnsWhatTheUsersFunctionReturns(t *testing.T) {
	on := followers.On(func(*followers.Turn, deposited) error { return errBroken })
	every := func(*followers.Turn) error { return errBroken }
	for _, f := range []followers.Follower{
		{Name: "reaction", Reactions: []followers.Reaction{on}},
		{Name: "every", Every: every},
	} {
		if err := planOf(t, f).React(newTurn(t, deposited{1})); err != errBroken {
			t.Errorf("%s: err = %v, want the function's own", f.Name, err)
		}
	}
}

func TestReactReportsAPayloadThatDoesNotDecode(t *testing.T) {
	called := false
	plan := planOf(t, followers.Follower{Name: "f", Reactions: []followers.Reaction{
		followers.On(func(*followers.Turn, deposited) error { called = true; return nil }),
	}})
	e := entryOf(t, deposited{1})
	e.Payload = []byte("{")
	err := plan.React(followers.NewTurn(context.Background(), e, followers.NewMemory()))
	if !errors.Is(err, messages.ErrDecode) || called {
		t.Errorf("err = %v, called = %v, want ErrDecode and no call", err, called)
	}
}

func TestReactOfABatchFollowerPanics(t *testing.T) {
	plan := planOf(t, followers.Follower{Name: "f", Batch: func(*followers.Turn, []messages.Entry) error { return nil }})
	defer func() {
		if recover() == nil {
			t.Error("React passed an entry over that Batch should have had")
		}
	}()
	plan.React(newTurn(t, deposited{1}))
}

func TestReactionTellsItsTypeAndItsFault(t *testing.T) {
	good := followers.On(ignore[traced])
	if good.Type() != (traced{}).EventType() || good.Err() != nil {
		t.Errorf("type %v, err %v, want %v and none", good.Type(), good.Err(), traced{}.EventType())
	}
	for name, bad := range map[string]followers.Reaction{
		"zero":      {},
		"interface": followers.On(ignore[messages.Event]),
		"transient": followers.On(ignore[ticked]),
		"nil":       followers.On[deposited](nil),
	} {
		if !errors.Is(bad.Err(), messages.ErrInvalid) {
			t.Errorf("%s: err = %v, want ErrInvalid", name, bad.Err())
		}
	}
}

func TestDeliveringToEveryAllocatesNothing(t *testing.T) {
	seen := 0
	plan := planOf(t, followers.Follower{Name: "f", Every: func(t *followers.Turn) error {
		seen += int(t.Entry().ID)
		return nil
	}})
	ctx, e, turn := context.Background(), entryOf(t, deposited{1}), newTurn(t, deposited{1})
	allocs := testing.AllocsPerRun(100, func() {
		turn.Begin(ctx, &e, 1, true)
		if plan.React(turn) != nil {
			panic("react")
		}
		if _, err := turn.End(); err != nil {
			panic(err)
		}
	})
	if allocs != 0 || seen == 0 {
		t.Errorf("%v allocations per entry, want 0", allocs)
	}
}

func TestDeliveringToAReactionAllocatesWhatDecodingDoes(t *testing.T) {
	seen := 0
	plan := planOf(t, followers.Follower{Name: "f", Reactions: []followers.Reaction{
		followers.On(func(_ *followers.Turn, e blob) error { seen += len(e); return nil }),
	}})
	ctx, e, turn := context.Background(), entryOf(t, blob("four")), newTurn(t, blob(nil))
	decoding := testing.AllocsPerRun(100, func() {
		b, err := messages.Decode[blob](e)
		if err != nil {
			panic(err)
		}
		seen += len(b)
	})
	reacting := testing.AllocsPerRun(100, func() {
		turn.Begin(ctx, &e, 1, true)
		if err := plan.React(turn); err != nil {
			panic(err)
		}
		if _, err := turn.End(); err != nil {
			panic(err)
		}
	})
	if reacting != decoding || seen == 0 {
		t.Errorf("%v allocations per entry, want the %v of decoding it", reacting, decoding)
	}
}

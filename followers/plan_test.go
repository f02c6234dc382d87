package followers_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestPlanRefusesWhatCannotRun(t *testing.T) {
	batch := func(*followers.Turn, []messages.Entry) error { return nil }
	deposits := []followers.Reaction{followers.On(ignore[deposited])}
	props := actor.PropsFromFunc(func(actor.Context) {})
	on := func(r ...followers.Reaction) followers.Follower {
		return followers.Follower{Name: "f", Reactions: r}
	}
	every := func(change func(*followers.Follower)) followers.Follower {
		f := followers.Follower{Name: "f", Every: pass}
		change(&f)
		return f
	}
	type F = followers.Follower
	tests := []struct {
		name     string
		follower F
		why      string
	}{
		{"no name", F{Every: pass}, "empty"},
		{"long name", F{Name: strings.Repeat("n", 256), Every: pass}, "256 bytes"},
		{"name not UTF-8", F{Name: "a\xff", Every: pass}, "UTF-8"},
		{"no body", F{Name: "f"}, "0 of"},
		{"empty reactions are none", F{Name: "f", Reactions: []followers.Reaction{}}, "0 of"},
		{"reactions and every", F{Name: "f", Reactions: []followers.Reaction{followers.On(ignore[deposited])}, Every: pass}, "2 of"},
		{"every and batch", F{Name: "f", Every: pass, Batch: batch}, "2 of"},
		{"caught up with props", F{Name: "f", Props: props, CaughtUp: func(context.Context, messages.Position) error { return nil }}, "get a message"},
		{"all but reactions", F{Name: "f", Every: pass, Batch: batch, Props: props}, "3 of"},
		{"interface type", on(followers.On(ignore[messages.Event])), "interface"},
		{"draft", on(followers.On(ignore[messages.Draft])), "Draft"},
		{"empty kind", on(followers.On(ignore[nameless])), "empty kind"},
		{"transient type", on(followers.On(ignore[ticked])), "transient"},
		{"nil reaction", on(followers.On[deposited](nil)), "nil function"},
		{"zero reaction", on(followers.Reaction{}), "not made with On"},
		{"second of two is bad", on(followers.On(ignore[deposited]), followers.Reaction{}), "reaction 1"},
		{"one kind twice", on(followers.On(ignore[deposited]), followers.On(ignore[deposited])), "already"},
		{"one kind under two Go types", on(followers.On(ignore[deposited]), followers.On(ignore[credited])), "already"},
		{"trimmable type on the permanent log", on(followers.On(ignore[traced])), "never in the permanent log"},
		{"negative timeout", every(func(f *F) { f.Timeout = -1 }), "Timeout"},
		{"negative initial", every(func(f *F) { f.Restart.Initial = -1 }), "Restart.Initial"},
		{"negative max", every(func(f *F) { f.Restart.Max = -1 }), "Restart.Max"},
		{"initial over max", every(func(f *F) { f.Restart = followers.Restart{Initial: 2, Max: 1} }), "over Restart.Max"},
		{"negative budget", every(func(f *F) { f.Restart.Budget = -1 }), "Budget"},
		{"negative attempts", every(func(f *F) { f.Poison.After = -1 }), "Poison.After"},
		{"unknown action", every(func(f *F) { f.Poison.Action = 3 }), "Poison.Action"},
		{"unknown unknown", F{Name: "f", Reactions: deposits, Unknown: 3}, "none of FailTurn"},
		{"pass over without reactions", every(func(f *F) { f.Unknown = followers.PassOver }), "without Reactions"},
		{"give raw to nobody", F{Name: "f", Reactions: deposits, Unknown: followers.GiveRaw}, "go together"},
		{"raw that is never called", F{Name: "f", Reactions: deposits, Raw: pass}, "go together"},
		{"unknown trimmed", every(func(f *F) { f.Trimmed = 2 }), "Trimmed"},
		{"unknown log", every(func(f *F) { f.Log = 2 }), "Log"},
		{"start at nothing", every(func(f *F) { f.Start = followers.At(nil) }), "start"},
		{"start at id 0", every(func(f *F) { f.Start = followers.At(messages.EventID(0)) }), "start"},
		{"start in the other log", every(func(f *F) { f.Start = followers.At(messages.TrimmableID(3)) }), "permanent log"},
		{"start in year 10000", every(func(f *F) { f.Start = followers.Since(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) }), "year 10000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plan, err := test.follower.Plan()
			var invalid *messages.InvalidError
			if !errors.As(err, &invalid) || invalid.What != "follower" {
				t.Fatalf("err = %v, want an InvalidError of a follower", err)
			}
			if !strings.Contains(err.Error(), test.why) {
				t.Errorf("err = %q does not say %q", err, test.why)
			}
			if plan != nil {
				t.Error("a plan beside the error")
			}
		})
	}
}

func TestPlanTellsThatAPositionIsOfTheOtherLog(t *testing.T) {
	_, err := followers.Follower{Name: "f", Every: pass, Start: followers.At(messages.TrimmableID(3))}.Plan()
	if !errors.Is(err, messages.ErrNotInLog) || !errors.Is(err, messages.ErrInvalid) {
		t.Errorf("err = %v, want ErrInvalid and ErrNotInLog", err)
	}
}

func TestPlanAcceptsWhatCanRun(t *testing.T) {
	trimmable := followers.Follower{
		Name: strings.Repeat("n", 255), Log: messages.TrimmableLog, Trimmed: followers.Jump,
		Reactions: []followers.Reaction{followers.On(ignore[deposited]), followers.On(ignore[traced])},
	}
	for _, f := range []followers.Follower{
		trimmable,
		{Name: "jump on the permanent log is harmless", Every: pass, Trimmed: followers.Jump},
		{Name: "initial above the default max", Every: pass, Restart: followers.Restart{Initial: time.Hour}},
		{Name: "batch", Batch: func(*followers.Turn, []messages.Entry) error { return nil }},
		{Name: "props", Props: actor.PropsFromFunc(func(actor.Context) {})},
	} {
		if _, err := f.Plan(); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func TestPlanReducesTheStartToAnIDOfTheLog(t *testing.T) {
	receipt := messages.Receipt{FirstEvent: 4, LastEvent: 5, FirstTrimmable: 8, LastTrimmable: 9}
	for _, test := range []struct {
		log  messages.Log
		want messages.Position
		text string
	}{
		{messages.Permanent, messages.EventID(4), "at 4"},
		{messages.TrimmableLog, messages.TrimmableID(8), "at 8"},
	} {
		plan := planOf(t, followers.Follower{Name: "f", Log: test.log, Every: pass, Start: followers.At(receipt)})
		if got := plan.Start.Position(); got != test.want || plan.Start.String() != test.text {
			t.Errorf("%v log: start %v (%q), want %v (%q)", test.log, got, plan.Start, test.want, test.text)
		}
	}
}

func TestWantsIsTheFilterNarrowedToWhatReactionsRead(t *testing.T) {
	dep, wit := deposited{}.EventType(), withdrawn{}.EventType()
	both := []followers.Reaction{followers.On(ignore[deposited]), followers.On(ignore[withdrawn])}
	nothing := messages.Filter{Types: []messages.Type{{}}}
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		follower followers.Follower
		want     messages.Filter
	}{
		{"every", followers.Follower{Every: pass}, messages.Filter{}},
		{"every with a filter",
			followers.Follower{Every: pass, Filter: messages.Filter{Modules: []string{""}, Kinds: []string{"k"}, Instances: []uint32{1}}},
			messages.Filter{Modules: []string{""}, Kinds: []string{"k"}, Instances: []uint32{1}}},
		{"reactions", followers.Follower{Reactions: both}, messages.Filter{Types: []messages.Type{dep, wit}}},
		{"reactions and types",
			followers.Follower{Reactions: both, Filter: messages.Filter{Types: []messages.Type{wit, {Kind: "other"}}}},
			messages.Filter{Types: []messages.Type{wit}}},
		{"reactions and kinds",
			followers.Follower{Reactions: both, Filter: messages.Filter{Kinds: []string{"deposited"}, Instances: []uint32{2}}},
			messages.Filter{Types: []messages.Type{dep}, Instances: []uint32{2}}},
		{"reactions and another module",
			followers.Follower{Reactions: both, Filter: messages.Filter{Modules: []string{"bank"}}}, nothing},
		{"reactions, and raw for the rest",
			followers.Follower{Reactions: both, Unknown: followers.GiveRaw, Raw: pass, Filter: messages.Filter{Modules: []string{"wallet"}}},
			messages.Filter{Modules: []string{"wallet"}}},
		{"reactions and what is in the record",
			followers.Follower{Reactions: both, Filter: messages.Filter{Correlations: []string{"c"}, HappenedUntil: noon}},
			messages.Filter{Types: []messages.Type{dep, wit}, Correlations: []string{"c"}, HappenedUntil: noon}},
		{"reactions and other types",
			followers.Follower{Reactions: both, Filter: messages.Filter{Types: []messages.Type{{Kind: "deposited"}}}}, nothing},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.follower.Name = "f"
			if got := planOf(t, test.follower).Wants(); !reflect.DeepEqual(got, test.want) {
				t.Errorf("wants %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestWantsOfNothingInCommonPassesNoEntry(t *testing.T) {
	wants := planOf(t, followers.Follower{
		Name:      "f",
		Reactions: []followers.Reaction{followers.On(ignore[deposited])},
		Filter:    messages.Filter{Kinds: []string{"withdrawn"}},
	}).Wants()
	for _, event := range []messages.Event{deposited{}, withdrawn{}, blob("b")} {
		if e := entryOf(t, event); wants.Match(e) {
			t.Errorf("%v passes", e.Type)
		}
	}
	if wants.All() {
		t.Error("the filter claims to pass everything")
	}
}

func TestPlanDoesNotSeeLaterChangesOfItsFollower(t *testing.T) {
	f := followers.Follower{Name: "f", Every: pass, Filter: messages.Filter{Kinds: []string{"deposited"}}}
	plan := planOf(t, f)
	f.Filter.Kinds[0] = "withdrawn"
	if got := plan.Wants().Kinds[0]; got != "deposited" {
		t.Errorf("wants kind %q, want the one that was checked", got)
	}
}

func TestDifferentFollowersMayReadOneKindAsDifferentTypes(t *testing.T) {
	var sum float64
	asInt := planOf(t, followers.Follower{Name: "a", Reactions: []followers.Reaction{
		followers.On(func(_ *followers.Turn, e deposited) error { sum += float64(e.Sats); return nil }),
	}})
	asFloat := planOf(t, followers.Follower{Name: "b", Reactions: []followers.Reaction{
		followers.On(func(_ *followers.Turn, e credited) error { sum += e.Sats; return nil }),
	}})
	for _, plan := range []*followers.Plan{asInt, asFloat} {
		if err := plan.React(newTurn(t, deposited{21})); err != nil {
			t.Fatal(err)
		}
	}
	if sum != 42 {
		t.Errorf("sum = %v, want 21 from each", sum)
	}
}

func TestStartSpellsWhatIsRecorded(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 500, time.FixedZone("CET", 3600))
	for _, test := range []struct {
		start followers.Start
		from  followers.StartFrom
		want  string
	}{
		{followers.Start{}, followers.FromEarliest, "earliest"},
		{followers.Earliest(), followers.FromEarliest, "earliest"},
		{followers.Latest(), followers.FromLatest, "latest"},
		{followers.At(messages.EventID(17)), followers.FromPosition, "at 17"},
		{followers.At(messages.TrimmableID(18)), followers.FromPosition, "at 18"},
		{followers.Since(noon), followers.FromTime, "since 2026-01-02T11:00:00.0000005Z"},
	} {
		if test.start.String() != test.want || test.start.From() != test.from {
			t.Errorf("start %q from %d, want %q from %d", test.start, test.start.From(), test.want, test.from)
		}
	}
	if got := followers.Since(noon).Time(); !got.Equal(noon) {
		t.Errorf("since %v, want %v", got, noon)
	}
}

func TestWhatNoReactionCanReadGoesTheWayOfUnknown(t *testing.T) {
	errRaw := errors.New("raw")
	broken, other := entryOf(t, deposited{1}), entryOf(t, withdrawn{1})
	broken.Payload = []byte(`{"Sats":"many"}`)
	for _, test := range []struct {
		unknown         followers.OnUnknown
		raw             func(*followers.Turn) error
		onBroken, other error
		passedOver      bool
	}{
		{followers.FailTurn, nil, messages.ErrDecode, nil, false},
		{followers.PassOver, nil, nil, nil, true},
		{followers.GiveRaw, pass, nil, nil, false},
		{followers.GiveRaw, func(*followers.Turn) error { return errRaw }, errRaw, errRaw, false},
	} {
		plan := planOf(t, followers.Follower{
			Name: "f", Unknown: test.unknown, Raw: test.raw,
			Reactions: []followers.Reaction{followers.On(func(*followers.Turn, deposited) error { return messages.ErrDecode })},
		})
		turn := followers.NewTurn(t.Context(), broken, followers.NewMemory())
		if err := plan.React(turn); !errors.Is(err, test.onBroken) || turn.PassedOver() != test.passedOver {
			t.Errorf("%v: %v, passed over %v, want %v, %v", test.unknown, err, turn.PassedOver(), test.onBroken, test.passedOver)
		}
		turn.Begin(t.Context(), &other, 1, true)
		if err := plan.React(turn); err != test.other || turn.PassedOver() {
			t.Errorf("%v: %v for another kind, want %v", test.unknown, err, test.other)
		}
		known := entryOf(t, deposited{1})
		turn.Begin(t.Context(), &known, 1, true)
		if err := plan.React(turn); err != messages.ErrDecode {
			t.Errorf("%v: %v, want the reaction's own error, whatever it is", test.unknown, err)
		}
	}
}

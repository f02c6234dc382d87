package join_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/join"
	"github.com/retinue-go/retinue/retinuetest"
)

func joined(t retinuetest.TB, bus *retinue.Bus, j join.Join[started], q retinue.Query) (all []string) {
	t.Helper()
	for r, err := range j.Each(t.Context(), bus, q) {
		if err != nil {
			t.Fatalf("join: %v", err)
		}
		all = append(all, spellResult(r))
	}
	return all
}

func TestQueryFindsWhatTwoLoopsFind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		rapid.Check(plainTB{t}, func(t *rapid.T) {
			w := windows(t)
			bus := retinuetest.Open(t, nil)
			for range rapid.IntRange(1, 25).Draw(t, "entries") {
				retinuetest.Append(t, bus, drawn(t))
				time.Sleep(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			}
			steps, _ := stepsOf(t, bus)
			want, got := naive(w, steps, time.Since(noon)), joined(t, bus, payments(w), retinue.Query{})
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%+v\nlog %+v\ngot  %q\nwant %q", w, steps, got, want)
			}
		})
	})
}

func TestResultsHaveTheirEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, started{"a"}, started{"b"}, started{"c"}, started{""})
		time.Sleep(3 * time.Second)
		retinuetest.Append(t, bus, succeeded{"a", 7}, failed{"b", "no route"}, failed{"d", "unknown"}, succeeded{"", 1})
		var got []string
		for r, err := range payments(join.Window{Within: time.Hour}).Each(t.Context(), bus, retinue.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s: %v %+v %T%+[4]v %v", r.Key, r.Outcome, r.Left, r.Right, r.Took))
		}
		want := []string{
			"a: matched {Payment:a} join_test.succeeded{Payment:a Fee:7} 3s",
			"b: matched {Payment:b} join_test.failed{Payment:b Why:no route} 3s",
			"d: unmatched {Payment:} join_test.failed{Payment:d Why:unknown} 0s",
			"c: open {Payment:c} <nil><nil> 0s",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestTheEndOfAQueryDecidesWhatIsOpen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		begin := time.Now()
		retinuetest.Append(t, bus, started{"a"})
		time.Sleep(3 * time.Hour)
		at := retinuetest.Append(t, bus, decided{"of another kind"})
		j := payments(join.Window{Within: time.Hour})
		for _, test := range []struct {
			name string
			q    retinue.Query
			want string
		}{
			{"the present", retinue.Query{}, "timed out 1-"},
			{"its until", retinue.Query{Until: begin.Add(time.Hour)}, "open 1-"},
			{"an until after the window", retinue.Query{Until: begin.Add(2 * time.Hour)}, "timed out 1-"},
			{"an until in the future", retinue.Query{Until: begin.Add(200 * time.Hour)}, "timed out 1-"},
			{"its last entry that is joined", retinue.Query{To: at}, "open 1-"},
		} {
			if got := joined(t, bus, j, test.q); !slices.Equal(got, []string{test.want}) {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
		}
	})
}

// asNumber is a payment as nobody wrote it.
type asNumber struct{ Payment int }

func (asNumber) EventType() messages.Type { return started{}.EventType() }

func TestAnEntryThatDoesNotDecodeIsTheLoopsToJudge(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, asNumber{1}, started{"a"}, succeeded{Payment: "a"})
		var found []string
		for r, err := range payments(join.Window{Within: time.Hour}).Each(t.Context(), bus, retinue.Query{}) {
			if errors.Is(err, messages.ErrDecode) {
				found = append(found, fmt.Sprintf("entry %d", r.LeftEntry.ID))
				continue
			}
			found = append(found, spellResult(r))
		}
		if want := []string{"entry 1", "matched 2-3"}; !slices.Equal(found, want) {
			t.Errorf("found %q, want %q", found, want)
		}
	})
}

func TestALoopMayEndAJoin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, started{"a"}, succeeded{Payment: "a"}, started{"b"}, started{"c"})
		for stop := 1; stop <= 3; stop++ {
			n := 0
			for range payments(join.Window{Within: time.Hour}).Each(t.Context(), bus, retinue.Query{}) {
				if n++; n == stop {
					break
				}
			}
			if n != stop {
				t.Errorf("%d results, want %d", n, stop)
			}
		}
	})
}

func TestAJoinThatIsNotFitIsRefused(t *testing.T) {
	good := payments(join.Window{Within: time.Hour})
	with := func(change func(*join.Join[started])) join.Join[started] {
		j := good
		change(&j)
		return j
	}
	type j = join.Join[started]
	for _, test := range []struct {
		name string
		join join.Join[started]
		q    retinue.Query
		why  string
	}{
		{"nothing", j{}, retinue.Query{}, "left: not made with On"},
		{"a right of no function", with(func(j *j) { j.Rights = []join.Right{{}} }), retinue.Query{}, "right 0: not made with"},
		{"no rights", with(func(j *j) { j.Rights = nil }), retinue.Query{}, "no rights"},
		{"a nil key", with(func(j *j) { j.Left = join.On[started](nil) }), retinue.Query{}, "nil key function"},
		{"a transient type", with(func(j *j) {
			j.Rights = []join.Right{join.With(func(e blink) string { return e.Payment })}
		}), retinue.Query{}, "transient"},
		{"an interface", with(func(j *j) {
			j.Rights = []join.Right{join.With(func(messages.Event) string { return "" })}
		}), retinue.Query{}, "interface"},
		{"a type twice", with(func(j *j) { j.Rights = append(j.Rights[:1:1], join.With(byPayment)) }), retinue.Query{}, "joined twice"},
		{"no time", with(func(j *j) { j.Within = 0 }), retinue.Query{}, "Within"},
		{"another time", with(func(j *j) { j.Time = 2 }), retinue.Query{}, "Time is 2"},
		{"lateness below 0", with(func(j *j) { j.Time, j.Lateness = join.Event, -1 }), retinue.Query{}, "below 0"},
		{"lateness in ordered time", with(func(j *j) { j.Lateness = 1 }), retinue.Query{}, "nothing is late"},
		{"in reverse", good, retinue.Query{Reverse: true}, "reverse"},
		{"with a limit", good, retinue.Query{Limit: 3}, "limit of 3"},
		{"with types", good, retinue.Query{Filter: messages.Filter{Kinds: []string{"started"}}}, "types"},
		{"a trimmable type in the permanent log", with(func(j *j) {
			j.Rights = []join.Right{join.With(func(e hint) string { return e.Payment })}
		}), retinue.Query{}, "never in the permanent log"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var err error
			for _, err = range test.join.Each(t.Context(), nil, test.q) {
			}
			if !errors.Is(err, messages.ErrInvalid) || !strings.Contains(err.Error(), test.why) {
				t.Errorf("error %v, want ErrInvalid that says %q", err, test.why)
			}
		})
	}
	if _, err := good.Follower(nil, "f", func(*followers.Turn, join.Result[started]) error { return nil }); !errors.Is(err, messages.ErrInvalid) {
		t.Errorf("a follower without bus: %v, want ErrInvalid", err)
	}
	if _, err := (j{}).Follower(&retinue.Bus{}, "f", decide); !errors.Is(err, messages.ErrInvalid) {
		t.Errorf("a follower of no join: %v, want ErrInvalid", err)
	}
}

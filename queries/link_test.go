package queries_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries"
	"github.com/retinue-go/retinue/retinuetest"
)

// family is a tree over both logs:
//
//	ROOT
//	|- FIRST
//	|  |- GRANDCHILD
//	|  `- crumb
//	|     `- LATE
//	`- second
var family = map[string]string{"ROOT": "FIRST second", "FIRST": "GRANDCHILD crumb", "crumb": "LATE"}

// grown is a bus with the family between strangers, which end in ALONE.
func grown(t *testing.T) *retinue.Bus {
	t.Helper()
	bus := retinuetest.Open(t, &retinue.Options{Trim: retinue.Trim{Off: true, MinEntries: -1, MinAge: -1}})
	react(t, bus, family)
	retinuetest.Append(t, bus, traced{"before"})
	retinuetest.Append(t, bus, step{"ROOT"})
	retinuetest.RunUntilIdle(t, bus)
	retinuetest.Append(t, bus, step{"ALONE"})
	return bus
}

// find returns the entry of a name in the trimmable log.
func find(t *testing.T, bus *retinue.Bus, name string) messages.Entry {
	t.Helper()
	for e, err := range bus.Entries(t.Context(), retinue.Query{Log: messages.TrimmableLog}) {
		if err == nil && nameOf(e) == name {
			return e.Clone()
		}
	}
	t.Fatalf("no entry %s", name)
	return messages.Entry{}
}

func TestWhyLeadsFromAnEntryToItsFirstCause(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := grown(t)
		for _, test := range []struct{ of, want string }{
			{"LATE", "0:LATE 1:crumb 2:FIRST 3:ROOT"},
			{"crumb", "0:crumb 1:FIRST 2:ROOT"},
			{"second", "0:second 1:ROOT"},
			{"ROOT", "0:ROOT"},
			{"before", "0:before"},
		} {
			e := find(t, bus, test.of)
			if got, err := chain(queries.Why(t.Context(), bus, e.TrimmableID)); got != test.want || err != nil {
				t.Errorf("%s by its trimmable id: %q, %v, want %q", test.of, got, err, test.want)
			}
			if got, err := chain(queries.Why(t.Context(), bus, e)); got != test.want || err != nil {
				t.Errorf("%s as an entry: %q, %v, want %q", test.of, got, err, test.want)
			}
			if e.ID == 0 {
				continue
			}
			if got, err := chain(queries.Why(t.Context(), bus, e.ID)); got != test.want || err != nil {
				t.Errorf("%s by its id: %q, %v, want %q", test.of, got, err, test.want)
			}
		}
	})
}

func TestEffectsAreTheWholeTreeInTheLogsOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := grown(t)
		const all = "1:FIRST 1:second 2:GRANDCHILD 2:crumb 3:LATE"
		steps := messages.Filter{Kinds: []string{"step"}}
		root := find(t, bus, "ROOT")
		for _, test := range []struct {
			at    messages.Position
			query retinue.Query
			want  string
		}{
			{root, retinue.Query{}, all},
			{root.ID, retinue.Query{}, all},
			{root.TrimmableID, retinue.Query{}, all},
			{root, retinue.Query{Limit: 2}, "1:FIRST 1:second"},
			{root, retinue.Query{Filter: steps}, "1:FIRST 2:GRANDCHILD 3:LATE"},
			{root, retinue.Query{Filter: steps, Limit: 2}, "1:FIRST 2:GRANDCHILD"},
			{root, retinue.Query{Until: root.Ordered}, ""},
			{root, retinue.Query{Until: root.Ordered.Add(time.Hour)}, all},
			{find(t, bus, "FIRST"), retinue.Query{}, "1:GRANDCHILD 1:crumb 2:LATE"},
			{find(t, bus, "crumb"), retinue.Query{}, "1:LATE"},
			{find(t, bus, "ALONE"), retinue.Query{}, ""},
		} {
			if got, err := chain(queries.Effects(t.Context(), bus, test.at, test.query)); got != test.want || err != nil {
				t.Errorf("at %v, %+v: %q, %v, want %q", test.at, test.query, got, err, test.want)
			}
		}
		var stats retinue.ReadStats
		if _, err := chain(queries.Effects(t.Context(), bus, root, retinue.Query{Stats: &stats})); err != nil || stats.Entries != 6 {
			t.Errorf("looked at %d entries, %v, want the 6 behind the root", stats.Entries, err)
		}
		for range queries.Effects(t.Context(), bus, root, retinue.Query{}) {
			break // and nothing is yielded after it
		}
	})
}

func TestTrimmedCausesAreSaidAndHideNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := grown(t)
		root, late, crumb := find(t, bus, "ROOT"), find(t, bus, "LATE"), find(t, bus, "crumb")
		grandchild := find(t, bus, "GRANDCHILD")
		retinuetest.Append(t, bus, traced{"after"})
		retinuetest.RunUntilIdle(t, bus)
		if _, err := bus.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone := bus.Status().Trimmable.Horizon
		if gone <= uint64(late.TrimmableID) {
			t.Fatalf("horizon %d, want it behind the family", gone)
		}
		if got, err := chain(queries.Why(t.Context(), bus, late.ID)); err != nil || got != fmt.Sprintf("0:LATE 1:†%d", crumb.TrimmableID) {
			t.Errorf("why LATE: %q, %v", got, err)
		}
		if got, err := chain(queries.Why(t.Context(), bus, grandchild.ID)); err != nil || got != "0:GRANDCHILD 1:FIRST 2:ROOT" {
			t.Errorf("why GRANDCHILD: %q, %v", got, err)
		}
		want := fmt.Sprintf("0:†%d 1:FIRST 2:GRANDCHILD", messages.TrimmableID(gone-1))
		if got, err := chain(queries.Effects(t.Context(), bus, root.ID, retinue.Query{})); err != nil || got != want {
			t.Errorf("effects of ROOT: %q, %v, want %q", got, err, want)
		}
		for _, ask := range []func() error{
			func() error { _, err := chain(queries.Why(t.Context(), bus, crumb.TrimmableID)); return err },
			func() error {
				_, err := chain(queries.Effects(t.Context(), bus, crumb.TrimmableID, retinue.Query{}))
				return err
			},
		} {
			wantError(t, ask(), messages.ErrTrimmed)
		}
	})
}

// An entry may be trimmed while its effects go on to be appended.
func TestEffectsGoOnBehindTheHorizon(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, &retinue.Options{Trim: retinue.Trim{Off: true, MinEntries: -1, MinAge: -1}})
		retinuetest.Append(t, bus, step{"ROOT"}, traced{"x"})
		if err := bus.Follow(followers.Follower{Name: "late", Log: messages.Permanent, Every: func(turn *followers.Turn) error {
			if nameOf(turn.Entry()) != "ROOT" {
				return nil
			}
			return turn.Append(step{"FIRST"}, traced{"second"})
		}}); err != nil {
			t.Fatal(err)
		}
		retinuetest.RunUntilIdle(t, bus)
		if _, err := bus.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := bus.Seek(t.Context(), "late", messages.EventID(bus.Status().Followers[0].Cursor), messages.EventID(1)); err != nil {
			t.Fatal(err)
		}
		retinuetest.RunUntilIdle(t, bus)
		want := fmt.Sprintf("0:†%d 1:FIRST 1:FIRST 1:second", 4)
		if got, err := chain(queries.Effects(t.Context(), bus, messages.EventID(1), retinue.Query{})); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
}

func TestATrimmerThatOvertakesASearchForEffectsIsSaid(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const children = 600 // more than is read at once
		bus := retinuetest.Open(t, &retinue.Options{Trim: retinue.Trim{Off: true, MinEntries: -1, MinAge: -1}})
		react(t, bus, map[string]string{"ROOT": strings.Repeat("CHILD trace ", children)})
		root := retinuetest.Append(t, bus, step{"ROOT"})
		retinuetest.RunUntilIdle(t, bus)
		steps, traces, holes := 0, 0, 0
		for l, err := range queries.Effects(t.Context(), bus, root, retinue.Query{}) {
			switch {
			case err != nil:
				t.Fatal(err)
			case l.Trimmed:
				holes++
			case l.Entry.ID != 0:
				steps++
			default:
				traces++
			}
			if steps+traces == 1 {
				if _, err := bus.Trim(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if steps != children || holes != 1 || traces == 0 || traces >= children {
			t.Errorf("%d steps of %d, %d traces, %d holes", steps, children, traces, holes)
		}
	})
}

func TestChainsRefuseWhatTheyCannotAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := grown(t)
		why := func(ctx context.Context, at messages.Position) error {
			_, err := chain(queries.Why(ctx, bus, at))
			return err
		}
		effects := func(q retinue.Query) error {
			_, err := chain(queries.Effects(t.Context(), bus, messages.EventID(1), q))
			return err
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, why(t.Context(), messages.EventID(99)), messages.ErrOutOfRange)
		wantError(t, why(t.Context(), nil), messages.ErrNotInLog)
		wantError(t, why(ended, find(t, bus, "LATE")), context.Canceled)
		for _, q := range []retinue.Query{
			{Reverse: true}, {From: messages.EventID(1)}, {To: messages.EventID(2)}, {Since: time.Unix(1, 0)}, {Log: messages.TrimmableLog},
		} {
			wantError(t, effects(q), messages.ErrInvalid)
		}
	})
}

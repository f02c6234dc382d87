package join_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/join"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// at is a moment so long after noon.
func at(d time.Duration) time.Time { return noon.Add(d) }

const s = time.Second

// step is an entry in the log, or a tick where it has no key.
type step struct {
	key              string
	right            bool
	happened, placed time.Duration // after noon
	id               uint64        // where it is not the place in the slice, from 1
}

// at returns the step's id.
func (s step) at(n int) uint64 {
	if s.id != 0 {
		return s.id
	}
	return uint64(n + 1)
}

func (s step) item(n int) join.Item {
	return join.Item{Key: s.key, Right: s.right, Entry: messages.Entry{
		ID: messages.EventID(n + 1), TrimmableID: messages.TrimmableID(n + 1), Time: at(s.happened), Ordered: at(s.placed),
	}}
}

// spell writes a pair as "matched 1-3": the outcome, left and right.
func spell(p join.Pair) string {
	side := func(it *join.Item) string {
		if it == nil {
			return ""
		}
		return fmt.Sprint(it.Entry.ID)
	}
	return strings.TrimSpace(fmt.Sprintf("%v %s-%s", p.Outcome, side(p.Left), side(p.Right)))
}

func spellAll(pairs []join.Pair) (all []string) {
	for _, p := range pairs {
		all = append(all, spell(p))
	}
	return all
}

// run feeds the steps to a matcher, ends the log at an ordering time, and
// checks on the way that no more is held than the window's content.
func run(t interface{ Errorf(string, ...any) }, w join.Window, steps []step, end time.Duration) (found []string) {
	m := join.NewMatcher(w)
	for n, e := range steps {
		if e.key == "" {
			found = append(found, spellAll(m.Tick(at(e.placed)))...)
		} else {
			found = append(found, spellAll(m.Add(e.item(n)))...)
		}
		if held, most := m.Held(), content(w, steps[:n+1]); held > most {
			t.Errorf("after step %d %d items are held, the window has %d", n+1, held, most)
		}
	}
	found = append(found, spellAll(m.Finish(at(end)))...)
	if m.Held() != 0 {
		t.Errorf("%d items are held at the end", m.Held())
	}
	return found
}

// clockOf is the join's clock after the steps.
func clockOf(w join.Window, steps []step) (clock, placed time.Duration, any bool) {
	for _, s := range steps {
		now := s.placed
		if w.Time == join.Event {
			now = s.happened
		}
		switch {
		case s.key == "" && any:
			clock += max(s.placed-placed, 0)
			placed = max(placed, s.placed)
		case s.key == "":
		case !any || now >= clock-w.Lateness:
			if !any || now > clock {
				clock = now
			}
			if !any || s.placed > placed {
				placed = s.placed
			}
			any = true
		}
	}
	return clock, placed, any
}

// content is how many entries lie between the clock and the far end of the
// window behind it.
func content(w join.Window, steps []step) (n int) {
	clock, _, _ := clockOf(w, steps)
	for _, s := range steps {
		now := s.placed
		if w.Time == join.Event {
			now = s.happened
		}
		if s.key != "" && now >= clock-w.Lateness-w.Within {
			n++
		}
	}
	return n
}

// naive is the join as two loops over all entries, sorted by time.
func naive(w join.Window, steps []step, end time.Duration) (found []string) {
	type entry struct {
		step
		n     int
		at    time.Duration
		taken bool
	}
	var sorted []*entry
	for n, s := range steps {
		if s.key == "" {
			continue
		}
		e := &entry{step: s, n: n, at: s.placed}
		if w.Time == join.Event {
			e.at = s.happened
		}
		if clock, _, any := clockOf(w, steps[:n]); any && e.at < clock-w.Lateness {
			found = append(found, spellOne(join.Late, e.step, n))
			continue
		}
		sorted = append(sorted, e)
	}
	slices.SortStableFunc(sorted, func(a, b *entry) int {
		if a.at != b.at || w.Time == join.Ordered || a.right == b.right {
			return cmp.Compare(a.at, b.at)
		}
		if a.right {
			return 1
		}
		return -1
	})
	for i, r := range sorted {
		if !r.right {
			continue
		}
		var left *entry
		for _, l := range sorted[:i] {
			if !l.right && l.key == r.key && r.at <= l.at+w.Within && (w.Many || !l.taken) {
				left = l
			}
		}
		if left == nil {
			found = append(found, spellOne(join.Unmatched, r.step, r.n))
			continue
		}
		left.taken = true
		found = append(found, fmt.Sprintf("%v %d-%d", join.Matched, left.step.at(left.n), r.step.at(r.n)))
	}
	clock, _, _ := clockOf(w, append(slices.Clone(steps), step{placed: end}))
	for _, l := range sorted {
		switch {
		case l.right || l.taken:
		case l.at+w.Within < clock-w.Lateness:
			found = append(found, spellOne(join.TimedOut, l.step, l.n))
		default:
			found = append(found, spellOne(join.Open, l.step, l.n))
		}
	}
	return found
}

func spellOne(o join.Outcome, s step, n int) string {
	if s.right {
		return fmt.Sprintf("%v -%d", o, s.at(n))
	}
	return fmt.Sprintf("%v %d-", o, s.at(n))
}

func windows(t *rapid.T) join.Window {
	w := join.Window{
		Within: time.Duration(rapid.IntRange(1, 12).Draw(t, "within")) * time.Second,
		Time:   rapid.SampledFrom([]join.Time{join.Ordered, join.Event}).Draw(t, "time"),
		Many:   rapid.Bool().Draw(t, "many"),
	}
	if w.Time == join.Event {
		w.Lateness = time.Duration(rapid.IntRange(0, 6).Draw(t, "lateness")) * time.Second
	}
	return w
}

// logs draws entries and ticks whose ordering time never decreases, while the
// time of the event strays.
func logs(t *rapid.T) (steps []step, end time.Duration) {
	var now time.Duration
	for range rapid.IntRange(0, 40).Draw(t, "entries") {
		now += rapid.SampledFrom([]time.Duration{0, 0, s, s, 2 * s, 5 * s}).Draw(t, "pause")
		e := step{placed: now}
		if !rapid.Bool().Draw(t, "tick") || rapid.Bool().Draw(t, "rather an entry") {
			e.key = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			e.right = rapid.Bool().Draw(t, "right")
			e.happened = now - s*time.Duration(rapid.IntRange(-2, 8).Draw(t, "delay"))
		}
		steps = append(steps, e)
	}
	return steps, now + s*time.Duration(rapid.IntRange(0, 15).Draw(t, "rest"))
}

func TestMatcherFindsWhatTwoLoopsFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := windows(t)
		steps, end := logs(t)
		got, want := run(t, w, steps, end), naive(w, steps, end)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%+v\n%+v\nto %d\ngot  %q\nwant %q", w, steps, end, got, want)
		}
	})
}

func TestMatcherDecidesAsSaid(t *testing.T) {
	left := func(key string, n time.Duration) step { return step{key: key, happened: n * s, placed: n * s} }
	right := func(key string, n time.Duration) step {
		return step{key: key, right: true, happened: n * s, placed: n * s}
	}
	tick := func(n time.Duration) step { return step{placed: n * s} }
	ten := join.Window{Within: 10 * time.Second}
	event := join.Window{Within: 10 * time.Second, Time: join.Event, Lateness: 5 * time.Second}
	many := join.Window{Within: 10 * time.Second, Many: true}
	for _, test := range []struct {
		name  string
		w     join.Window
		steps []step
		end   time.Duration // in seconds
		want  []string
	}{
		{"both ends of the window are in it", ten, []step{left("a", 0), right("a", 0), left("b", 0), right("b", 10)}, 10,
			[]string{"matched 1-2", "matched 3-4"}},
		{"a second later is too late", ten, []step{left("a", 0), right("a", 11)}, 11,
			[]string{"timed out 1-", "unmatched -2"}},
		{"a window that just ends is open", ten, []step{left("a", 0)}, 10, []string{"open 1-"}},
		{"a window that has ended is timed out", ten, []step{left("a", 0)}, 11, []string{"timed out 1-"}},
		{"another entry lets time pass", ten, []step{left("a", 0), left("b", 11)}, 11, []string{"timed out 1-", "open 2-"}},
		{"a tick lets time pass", ten, []step{left("a", 0), tick(11), right("a", 11)}, 11,
			[]string{"timed out 1-", "unmatched -3"}},
		{"in ordered time the log decides a tie", ten, []step{right("a", 0), left("a", 0)}, 0,
			[]string{"unmatched -1", "open 2-"}},
		{"in event time the left of a tie is first", event, []step{right("a", 0), left("a", 0)}, 0,
			[]string{"matched 2-1"}},
		{"begun twice, ended once: the second is ended", ten, []step{left("a", 0), left("a", 3), right("a", 5)}, 12,
			[]string{"matched 2-3", "timed out 1-"}},
		{"begun twice, ended twice", ten, []step{left("a", 0), left("a", 3), right("a", 5), right("a", 6)}, 12,
			[]string{"matched 2-3", "matched 1-4"}},
		{"ended twice", ten, []step{left("a", 0), right("a", 5), right("a", 6)}, 12,
			[]string{"matched 1-2", "unmatched -3"}},
		{"ended twice, with many", many, []step{left("a", 0), right("a", 5), right("a", 6)}, 20,
			[]string{"matched 1-2", "matched 1-3"}},
		{"begun again, with many", many, []step{left("a", 0), right("a", 1), left("a", 2), right("a", 3), right("a", 4)}, 20,
			[]string{"matched 1-2", "matched 3-4", "matched 3-5"}},
		{"a right that comes before its left in the log", event, []step{
			{key: "a", right: true, happened: 4 * s}, {key: "a", happened: 2 * s, placed: s}}, 20,
			[]string{"matched 2-1"}},
		{"as late as may be", event, []step{left("a", 10), {key: "b", happened: 5 * s, placed: 10 * s}}, 10,
			[]string{"open 2-", "open 1-"}},
		{"later than that", event, []step{left("a", 10), {key: "b", happened: 4 * s, placed: 10 * s}}, 10,
			[]string{"late 2-", "open 1-"}},
		{"what waits for late entries is decided by a tick", event, []step{left("a", 0), right("a", 1), tick(7)}, 7,
			[]string{"matched 1-2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := run(t, test.w, test.steps, test.end*s); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestDueIsTheFirstMomentThatDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := windows(t)
		steps, _ := logs(t)
		feed := func() *join.Matcher {
			m := join.NewMatcher(w)
			for n, s := range steps {
				if s.key != "" {
					m.Add(s.item(n))
				} else {
					m.Tick(at(s.placed))
				}
			}
			return m
		}
		m := feed()
		due, ok := m.Due()
		if ok != (m.Held() > 0) {
			t.Fatalf("due %t with %d items held", ok, m.Held())
		}
		if !ok {
			return
		}
		held := m.Held()
		if got := m.Tick(due.Add(-1)); len(got) > 0 || m.Held() != held {
			t.Errorf("decided before it is due: %q", spellAll(got))
		}
		if w.Many { // a left with rights goes without a word
			return
		}
		m = feed()
		m.Tick(due)
		if next, ok := m.Due(); ok && !next.After(due) {
			t.Errorf("due at %v again after a tick then", due)
		}
	})
}

func TestMatcherTellsTheTrueDuration(t *testing.T) {
	for _, w := range []join.Window{
		{Within: time.Hour},
		{Within: time.Hour, Time: join.Event},
	} {
		m := join.NewMatcher(w)
		m.Add(step{key: "a", happened: s, placed: 10 * s}.item(0))
		pairs := m.Add(step{key: "a", right: true, happened: 4 * s, placed: 20 * s}.item(1))
		pairs = append(slices.Clone(pairs), m.Finish(at(20*s))...)
		want := 10 * s
		if w.Time == join.Event {
			want = 3 * s
		}
		if len(pairs) != 1 || pairs[0].Took() != want {
			t.Errorf("time %d: %q took %v, want one match of %v", w.Time, spellAll(pairs), pairs[0].Took(), want)
		}
	}
}

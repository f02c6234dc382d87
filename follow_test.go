package retinue_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

var errRefused = errors.New("the reaction refuses")

// journal is what reactions of several goroutines note.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func (j *journal) want(t testing.TB, want ...string) {
	t.Helper()
	if got := j.all(); !slices.Equal(got, want) {
		t.Errorf("journal = %q, want %q", got, want)
	}
}

// mustFollow starts a follower, which must succeed.
func mustFollow(t testing.TB, bus *retinue.Bus, f followers.Follower) {
	t.Helper()
	if err := bus.Follow(f); err != nil {
		t.Fatalf("follow %q: %v", f.Name, err)
	}
}

// reached waits until a follower has reacted to a position.
func reached(t testing.TB, bus *retinue.Bus, name string, at messages.Position) {
	t.Helper()
	if err := bus.Await(t.Context(), name, at); err != nil {
		t.Fatalf("await %q at %v: %v", name, at, err)
	}
}

// statusOf is the status of one follower.
func statusOf(t testing.TB, bus *retinue.Bus, name string) retinue.FollowerStatus {
	t.Helper()
	for _, f := range bus.Status().Followers {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no follower %q in the status", name)
	return retinue.FollowerStatus{}
}

// wantCursor compares the stored cursor of a follower.
func wantCursor(t testing.TB, bus *retinue.Bus, name string, want uint64) {
	t.Helper()
	if got := statusOf(t, bus, name).Cursor; got != want {
		t.Errorf("cursor of %q = %d, want %d", name, got, want)
	}
}

// followerKeys are all keys of a follower, as "key=value".
func followerKeys(t testing.TB, bus *retinue.Bus, name string) []string {
	t.Helper()
	var all []string
	err := bus.View(func(v *retinue.View) error {
		keys, err := v.Follower(name)
		if err != nil {
			return err
		}
		for kv, err := range keys.Scan(nil) {
			if err != nil {
				return err
			}
			all = append(all, fmt.Sprintf("%s=%s", kv.Key, kv.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("keys of %q: %v", name, err)
	}
	return all
}

func wantKeys(t testing.TB, bus *retinue.Bus, name string, want ...string) {
	t.Helper()
	if got := followerKeys(t, bus, name); !slices.Equal(got, want) {
		t.Errorf("keys of %q = %q, want %q", name, got, want)
	}
}

// putTexts appends one note per text, each an append of its own.
func putTexts(t testing.TB, bus *retinue.Bus, texts ...string) (last messages.Receipt) {
	t.Helper()
	for _, text := range texts {
		last = put(t, bus, note{text})
	}
	return last
}

// increment adds one to a decimal key.
func increment(t *followers.Turn, key string) error {
	old, err := t.Get([]byte(key))
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(string(old))
	return t.Set([]byte(key), strconv.AppendInt(nil, int64(n+1), 10))
}

// noting is a follower of notes that journals their texts.
func noting(name string, j *journal) followers.Follower {
	return followers.Follower{Name: name, Reactions: []followers.Reaction{
		followers.On(func(_ *followers.Turn, n note) error {
			j.add("%s", n.Text)
			return nil
		}),
	}}
}

func TestReactionsGetTheirTypesAndNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "typed", Log: messages.TrimmableLog, Reactions: []followers.Reaction{
			followers.On(func(_ *followers.Turn, n note) error { j.add("note %s", n.Text); return nil }),
			followers.On(func(_ *followers.Turn, h hint) error { j.add("hint %s", h.Text); return nil }),
		}})
		put(t, bus, note{"a"}, hint{"b"}, other{"c"}, signal{"d"})
		at := put(t, bus, note{"e"})
		reached(t, bus, "typed", at)
		j.want(t, "note a", "hint b", "note e")
		wantCursor(t, bus, "typed", 5)
	})
}

// forms are the four ways to follow; each journals every entry's text.
func forms(j *journal) map[string]followers.Follower {
	say := func(e messages.Entry) {
		n, err := messages.Decode[note](e)
		if err != nil {
			h, _ := messages.Decode[hint](e)
			n.Text = h.Text
		}
		j.add("%s", n.Text)
	}
	return map[string]followers.Follower{
		"reactions": {Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, _ note) error { say(t.Entry()); return nil })}},
		"every": {Every: func(t *followers.Turn) error { say(t.Entry()); return nil }},
		"batch": {Batch: func(_ *followers.Turn, entries []messages.Entry) error {
			for _, e := range entries {
				say(e)
			}
			return nil
		}},
		"props": {Props: actor.PropsFromProducer(func() actor.Actor {
			return actor.ReceiveFunc(func(c actor.Context) {
				if d, ok := c.Message().(*followers.Deliver); ok {
					say(d.Turn.Entry())
					c.Respond(d.Done(nil))
				}
			})
		})},
	}
}

func TestEveryFormOfFollowerFollowsBothLogs(t *testing.T) {
	for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
		for _, form := range []string{"reactions", "every", "batch", "props"} {
			t.Run(fmt.Sprintf("%s of the %v log", form, log), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := openBus(t, inMemory())
					var j journal
					f := forms(&j)[form]
					f.Name, f.Log = form, log
					put(t, bus, note{"1"}, hint{"2"})
					mustFollow(t, bus, f)
					at := put(t, bus, note{"3"})
					reached(t, bus, form, at)
					want := []string{"1", "2", "3"}
					if log == messages.Permanent || form == "reactions" {
						want = []string{"1", "3"}
					}
					j.want(t, want...)
				})
			})
		}
	}
}

func TestAFilterNarrowsByModuleKindAndInstance(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		filters := map[string]messages.Filter{
			"all":       {},
			"module":    {Modules: []string{"other"}},
			"none":      {Modules: []string{""}},
			"kind":      {Kinds: []string{"note"}},
			"type":      {Types: []messages.Type{{Module: "test", Kind: "hint"}}},
			"instance":  {Instances: []uint32{7}},
			"both":      {Kinds: []string{"note"}, Instances: []uint32{7, 8}},
			"unrelated": {Kinds: []string{"nothing"}},
		}
		want := map[string]string{
			"all": "[1 2 3 4 5 6]", "module": "[3]", "none": "[4]", "kind": "[1 3 4 5 6]", "type": "[2]",
			"instance": "[5]", "both": "[5 6]", "unrelated": "[]",
		}
		journals := make(map[string]*journal)
		for name, filter := range filters {
			j := &journal{}
			journals[name] = j
			mustFollow(t, bus, followers.Follower{Name: name, Log: messages.TrimmableLog, Filter: filter,
				Every: func(t *followers.Turn) error { j.add("%d", t.Entry().TrimmableID); return nil }})
		}
		at := put(t, bus, note{"1"}, hint{"2"}, other{"3"}, bare{"4"},
			messages.Draft{Event: note{"5"}, Instance: 7}, messages.Draft{Event: note{"6"}, Instance: 8})
		for name, j := range journals {
			reached(t, bus, name, at)
			if got := fmt.Sprint(j.all()); got != want[name] {
				t.Errorf("%s saw %v, want %v", name, got, want[name])
			}
		}
	})
}

func TestAFilterNarrowsReactionsToo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		f := noting("seven", &j)
		f.Filter = messages.Filter{Instances: []uint32{7}}
		mustFollow(t, bus, f)
		at := put(t, bus, note{"a"}, messages.Draft{Event: note{"b"}, Instance: 7})
		reached(t, bus, "seven", at)
		j.want(t, "b")
	})
}

func TestAFilteredCursorMovesLazilyOverWhatItSkips(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		f := noting("idle", &j)
		f.Filter = messages.Filter{Instances: []uint32{7}}
		mustFollow(t, bus, f)
		putTexts(t, bus, "a", "b", "c")
		synctest.Wait()
		wantCursor(t, bus, "idle", 1)
		if lag := statusOf(t, bus, "idle").Lag; lag != 0 {
			t.Errorf("lag = %d of a follower that has passed everything", lag)
		}
		time.Sleep(1100 * time.Millisecond)
		wantCursor(t, bus, "idle", 4)
		j.want(t)
	})
}

func TestAwaitOfAnEntryThatAFilterLeavesOutReturnsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		f := noting("idle", &j)
		f.Filter = messages.Filter{Instances: []uint32{7}}
		mustFollow(t, bus, f)
		at := putTexts(t, bus, "a", "b", "c")
		before := time.Now()
		reached(t, bus, "idle", at)
		if d := time.Since(before); d != 0 {
			t.Errorf("await took %v", d)
		}
		wantCursor(t, bus, "idle", 4)
		j.want(t)
	})
}

// faults are the ways in which a reaction fails.
var faults = map[string]func() error{
	"error":  func() error { return errRefused },
	"panic":  func() error { panic("the reaction panics") },
	"Goexit": func() error { runtime.Goexit(); return nil },
}

func TestEventsOfAReactionNameTheirCauseAndAreFollowedPromptly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		step := func(from, to string) followers.Follower {
			return followers.Follower{Name: from + to, Reactions: []followers.Reaction{
				followers.On(func(t *followers.Turn, n note) error {
					if n.Text != from {
						return nil
					}
					j.add("%s", from)
					return t.Append(note{to})
				}),
			}}
		}
		put(t, bus, hint{"before"})
		mustFollow(t, bus, step("a", "b"))
		mustFollow(t, bus, step("b", "c"))
		mustFollow(t, bus, step("c", "d"))
		before := time.Now()
		put(t, bus, note{"a"})
		synctest.Wait()
		if d := time.Since(before); d != 0 {
			t.Errorf("the chain took %v", d)
		}
		j.want(t, "a", "b", "c")
		wantTexts(t, bus, messages.Permanent, "a", "b", "c", "d")
		for i, e := range read(t, bus, messages.Permanent) {
			var want messages.Cause
			if i > 0 {
				want = messages.Cause{ID: messages.EventID(i), TrimmableID: messages.TrimmableID(i + 1)}
			}
			if e.Cause != want {
				t.Errorf("cause of %d = %+v, want %+v", e.ID, e.Cause, want)
			}
		}
	})
}

func TestAFollowerFollowsWhatItAppendsItself(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, followers.Follower{Name: "echo", Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, n note) error {
				if len(n.Text) == 600 {
					return nil
				}
				return t.Append(note{n.Text + "x"})
			}),
		}})
		put(t, bus, note{""})
		synctest.Wait()
		wantHeads(t, bus, 602, 602)
		if err := bus.CaughtUp(t.Context(), "echo"); err != nil {
			t.Error(err)
		}
	})
}

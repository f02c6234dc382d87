package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

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

func TestStartCountsAtTheFirstStartOnlyAndIsRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		putTexts(t, bus, "1", "2")
		time.Sleep(time.Minute)
		since := time.Now()
		middle := putTexts(t, bus, "3")
		putTexts(t, bus, "4")
		starts := []struct {
			name   string
			start  followers.Start
			cursor uint64
			record string
		}{
			{"earliest", followers.Earliest(), 1, "earliest"},
			{"latest", followers.Latest(), 5, "latest"},
			{"at", followers.At(middle), 3, "at 3"},
			{"head", followers.At(messages.EventID(5)), 5, "at 5"},
			{"since", followers.Since(since), 3, "since " + since.UTC().Format(time.RFC3339Nano)},
			{"future", followers.Since(since.Add(time.Hour)), 5, "since " + since.Add(time.Hour).UTC().Format(time.RFC3339Nano)},
		}
		for _, s := range starts {
			var j, later journal
			f := noting(s.name, &j)
			f.Start = s.start
			mustFollow(t, bus, f)
			if err := bus.CaughtUp(t.Context(), s.name); err != nil {
				t.Fatal(err)
			}
			var want []string
			for id := s.cursor; id < 5; id++ {
				want = append(want, fmt.Sprint(id))
			}
			j.want(t, want...)
			if err := bus.Unfollow(t.Context(), s.name); err != nil {
				t.Fatal(err)
			}
			f = noting(s.name, &later)
			f.Start = followers.At(messages.EventID(1))
			mustFollow(t, bus, f)
			if err := bus.CaughtUp(t.Context(), s.name); err != nil {
				t.Fatal(err)
			}
			later.want(t)
			if got := statusOf(t, bus, s.name); got.Started != s.record || got.Cursor != 5 {
				t.Errorf("%s: started %q at cursor %d, want %q at 5", s.name, got.Started, got.Cursor, s.record)
			}
		}
	})
}

func TestAStartThatIsNoPlaceOfTheLogIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		putTexts(t, bus, "1")
		var j journal
		f := noting("far", &j)
		f.Start = followers.At(messages.EventID(3))
		wantError(t, bus.Follow(f), messages.ErrOutOfRange)
		f.Start = followers.At(messages.TrimmableID(1))
		wantError(t, bus.Follow(f), messages.ErrInvalid, messages.ErrNotInLog)
		f.Start = followers.Earliest()
		mustFollow(t, bus, f)
		wantError(t, bus.Follow(f), messages.ErrDuplicateFollower)
		if err := bus.Unfollow(t.Context(), "far"); err != nil {
			t.Fatal(err)
		}
		f.Log = messages.TrimmableLog
		wantError(t, bus.Follow(f), messages.ErrOtherLog)
	})
}

func TestATurnSeesItsOwnWritesAndThoseOfEarlierTurns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		at := putTexts(t, bus, "a", "b", "c")
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "keys", Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, n note) error {
				if v, err := t.Get([]byte("absent")); v != nil || err != nil {
					j.add("absent is %q, %v", v, err)
				}
				last, _ := t.Get([]byte("last"))
				_ = t.Set([]byte("last"), []byte(n.Text))
				own, _ := t.Get([]byte("last"))
				_ = t.Set([]byte("k"+n.Text), []byte(n.Text))
				if n.Text == "c" {
					_ = t.Delete([]byte("ka"))
				}
				var scanned []string
				for kv, err := range t.Scan([]byte("k")) {
					if err != nil {
						return err
					}
					scanned = append(scanned, string(kv.Key))
				}
				j.add("%s after %q: own %q, %v", n.Text, last, own, scanned)
				return nil
			}),
		}})
		reached(t, bus, "keys", at)
		j.want(t, `a after "": own "a", [ka]`, `b after "a": own "b", [ka kb]`, `c after "b": own "c", [kb kc]`)
		wantKeys(t, bus, "keys", "kb=b", "kc=c", "last=c")
	})
}

// faults are the ways in which a reaction fails.
var faults = map[string]func() error{
	"error":  func() error { return errRefused },
	"panic":  func() error { panic("the reaction panics") },
	"Goexit": func() error { runtime.Goexit(); return nil },
}

func TestAFailedTurnLeavesNothingAndEarlierOnesAreNotRunAgain(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				at := putTexts(t, bus, "a", "b", "c", "d")
				var j journal
				mustFollow(t, bus, followers.Follower{Name: "f", Reactions: []followers.Reaction{
					followers.On(func(turn *followers.Turn, n note) error {
						j.add("%s%d", n.Text, turn.Attempt())
						if err := turn.Set([]byte(n.Text), []byte("x")); err != nil {
							return err
						}
						if err := turn.Append(hint{n.Text}); err != nil {
							return err
						}
						if n.Text == "c" && turn.Attempt() < 3 {
							return fault()
						}
						return nil
					}),
				}})
				synctest.Wait()
				j.want(t, "a1", "b1", "c1")
				wantKeys(t, bus, "f", "a=x", "b=x")
				wantTexts(t, bus, messages.TrimmableLog, "a", "b", "c", "d", "a", "b")
				wantCursor(t, bus, "f", 3)
				reached(t, bus, "f", at)
				j.want(t, "a1", "b1", "c1", "c2", "c3", "d1")
				wantKeys(t, bus, "f", "a=x", "b=x", "c=x", "d=x")
				wantTexts(t, bus, messages.TrimmableLog, "a", "b", "c", "d", "a", "b", "c", "d")
			})
		})
	}
}

func TestARememberedErrorCannotCommit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		overlooked := map[string]func(*followers.Turn){
			"set":    func(t *followers.Turn) { _ = t.Set(nil, nil) },
			"delete": func(t *followers.Turn) { _ = t.Delete(nil) },
			"append": func(t *followers.Turn) { _ = t.Append(nil) },
		}
		at := putTexts(t, bus, "a")
		for name, act := range overlooked {
			mustFollow(t, bus, followers.Follower{Name: name, Poison: followers.Poison{Action: followers.Park, After: 1},
				Every: func(t *followers.Turn) error {
					_ = t.Set([]byte("k"), []byte("v"))
					act(t)
					return nil
				}})
			wantError(t, bus.Await(t.Context(), name, at), messages.ErrParked)
			wantKeys(t, bus, name)
			wantError(t, statusOf(t, bus, name).LastError, messages.ErrInvalid)
		}
	})
}

func TestTheBatchOfATurnCommitsWithIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db, err := pebble.Open("db", &pebble.Options{FS: vfs.NewMem(), FormatMajorVersion: pebble.FormatNewest})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		bus := openBus(t, &retinue.Options{DB: db, Prefix: []byte("r")})
		at := putTexts(t, bus, "a", "b")
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
			batch, err := retinue.TurnBatch(turn)
			if err != nil {
				return err
			}
			key := fmt.Appendf(nil, "own %d attempt %d", turn.Entry().ID, turn.Attempt())
			if err := batch.Set(key, []byte("v"), nil); err != nil {
				return err
			}
			if turn.Attempt() == 1 {
				return errRefused
			}
			return nil
		}})
		reached(t, bus, "f", at)
		for key, want := range map[string]bool{
			"own 1 attempt 1": false, "own 1 attempt 2": true, "own 2 attempt 1": false, "own 2 attempt 2": true,
		} {
			_, closer, err := db.Get([]byte(key))
			if (err == nil) != want {
				t.Errorf("%q: %v, want it there: %v", key, err, want)
			}
			if err == nil {
				_ = closer.Close()
			}
		}
	})
}

func TestTurnBatchNeedsASharedDatabase(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		at := putTexts(t, bus, "a")
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
			_, err := retinue.TurnBatch(turn)
			j.add("%v", errors.Is(err, messages.ErrInvalid))
			return nil
		}})
		reached(t, bus, "f", at)
		j.want(t, "true")
	})
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

func TestReactionsAreExactlyOnceAcrossAPowerCut(t *testing.T) {
	const entries = 60
	counting := followers.Follower{Name: "count", Log: messages.Permanent, Reactions: []followers.Reaction{
		followers.On(func(t *followers.Turn, n note) error {
			if err := increment(t, "n"); err != nil {
				return err
			}
			if t.Entry().ID%7 == 0 {
				return t.Append(hint{n.Text})
			}
			return nil
		}),
	}}
	for _, percent := range []int{0, 20, 50, 80, 100} {
		t.Run(fmt.Sprintf("%d percent of what was unsynced survives", percent), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				fs := vfs.NewCrashableMem()
				bus := openBus(t, &retinue.Options{FS: fs})
				mustFollow(t, bus, counting)
				rng := rand.New(rand.NewPCG(1, uint64(percent)))
				for i := range entries {
					putTexts(t, bus, fmt.Sprint(i+1))
					if i%3 == 0 {
						synctest.Wait()
					}
					if i%10 != 9 {
						continue
					}
					cut := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
					again := openBus(t, &retinue.Options{FS: cut})
					n, cursor, echoes := exactly(t, again)
					if n != cursor-1 || echoes != (cursor-1)/7 {
						t.Errorf("after %d: %d reactions and %d events at cursor %d", i+1, n, echoes, cursor)
					}
					mustFollow(t, again, counting)
					reached(t, again, "count", messages.EventID(i+1))
					n, cursor, echoes = exactly(t, again)
					if n != uint64(i+1) || cursor != n+1 || echoes != n/7 {
						t.Errorf("after %d, followed again: %d reactions and %d events at cursor %d", i+1, n, echoes, cursor)
					}
					closeBus(t, again)
				}
			})
		})
	}
}

// exactly is what the counting follower of the test above has done.
func exactly(t testing.TB, bus *retinue.Bus) (n, cursor, echoes uint64) {
	t.Helper()
	for _, kv := range followerKeys(t, bus, "count") {
		if _, err := fmt.Sscanf(kv, "n=%d", &n); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range read(t, bus, messages.TrimmableLog) {
		if e.Type.Kind == "hint" {
			echoes++
		}
	}
	return n, statusOf(t, bus, "count").Cursor, echoes
}

func TestTurnsAreLiveOnceCaughtUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		putTexts(t, bus, "a", "b")
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "f", Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, n note) error { j.add("%s %v", n.Text, t.Live()); return nil }),
		}})
		if err := bus.CaughtUp(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		at := putTexts(t, bus, "c", "d")
		reached(t, bus, "f", at)
		if !statusOf(t, bus, "f").CaughtUp {
			t.Error("the status does not say that it has caught up")
		}
		j.want(t, "a false", "b false", "c true", "d true")
	})
}

func TestTurnsAreNotLiveAfterAPauseOrASeekBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "f", Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, n note) error { j.add("%s %v", n.Text, t.Live()); return nil }),
		}})
		synctest.Wait()
		at := putTexts(t, bus, "a")
		reached(t, bus, "f", at)
		if err := bus.Seek(t.Context(), "f", messages.EventID(2), messages.EventID(1)); err != nil {
			t.Fatal(err)
		}
		reached(t, bus, "f", at)
		synctest.Wait()
		if err := bus.Pause(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		at = putTexts(t, bus, "b")
		if err := bus.Resume(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		reached(t, bus, "f", at)
		synctest.Wait()
		reached(t, bus, "f", putTexts(t, bus, "c"))
		j.want(t, "a true", "a false", "b false", "c true")
	})
}

// TestAReactionUsesItsTurnAcrossWaiting is trap 5 of the reference: there, a
// handler could not use its transaction across an await, nor learn the id.
func TestAReactionUsesItsTurnAcrossWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "slow", Every: func(t *followers.Turn) error {
			if err := t.Set([]byte("before"), []byte("x")); err != nil {
				return err
			}
			select {
			case <-time.After(time.Minute):
			case <-t.Context().Done():
				return t.Context().Err()
			}
			j.add("%d", t.Entry().ID)
			return t.Set([]byte("after"), []byte("x"))
		}})
		reached(t, bus, "slow", putTexts(t, bus, "a"))
		j.want(t, "1")
		wantKeys(t, bus, "slow", "after=x", "before=x")
	})
}

// TestTwoFollowersKeepTheirOwnCursors is trap 20: the built-in tracker was one
// key, and two users overwrote each other.
func TestTwoFollowersKeepTheirOwnCursors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		var one, two journal
		mustFollow(t, bus, noting("one", &one))
		reached(t, bus, "one", putTexts(t, bus, "a", "b"))
		if err := bus.Unfollow(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		mustFollow(t, bus, noting("two", &two))
		reached(t, bus, "two", putTexts(t, bus, "c"))
		closeBus(t, bus)
		bus = openBus(t, opts)
		wantCursor(t, bus, "one", 3)
		wantCursor(t, bus, "two", 4)
		mustFollow(t, bus, noting("one", &one))
		reached(t, bus, "one", messages.EventID(3))
		one.want(t, "a", "b", "c")
		two.want(t, "a", "b", "c")
	})
}

// TestAFollowerMissesNothingWhileTheBusIsClosed is trap 21: listeners started
// at the head with a cursor in memory, and read one page per signal.
func TestAFollowerMissesNothingWhileTheBusIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		var j journal
		mustFollow(t, bus, noting("f", &j))
		reached(t, bus, "f", putTexts(t, bus, "a"))
		closeBus(t, bus)
		bus = openBus(t, opts)
		events := make([]messages.Event, 1000)
		for i := range events {
			events[i] = note{fmt.Sprint(i)}
		}
		at := put(t, bus, events...)
		mustFollow(t, bus, noting("f", &j))
		reached(t, bus, "f", at)
		if got := j.all(); len(got) != 1001 || got[1000] != "999" {
			t.Errorf("%d of 1001 entries came, the last is %q", len(got), got[len(got)-1])
		}
	})
}

// TestASlowReactionHoldsUpItselfOnly is the other half of trap 21: head-of-line
// blocking.
func TestASlowReactionHoldsUpItselfOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "slow", Every: func(t *followers.Turn) error {
			<-t.Context().Done()
			return t.Context().Err()
		}})
		mustFollow(t, bus, noting("quick", &j))
		before := time.Now()
		reached(t, bus, "quick", putTexts(t, bus, "a", "b"))
		if d := time.Since(before); d != 0 {
			t.Errorf("the quick one took %v", d)
		}
		j.want(t, "a", "b")
	})
}

func TestATurnThatTakesTooLongFailsWithErrTimeout(t *testing.T) {
	for name, returns := range map[string]func(context.Context) error{
		"and returns its context's error": context.Context.Err,
		"and returns nil":                 func(context.Context) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				at := putTexts(t, bus, "a")
				mustFollow(t, bus, followers.Follower{Name: "f", Timeout: time.Second,
					Poison: followers.Poison{Action: followers.Park, After: 2},
					Every: func(t *followers.Turn) error {
						<-t.Context().Done()
						return returns(t.Context())
					}})
				before := time.Now()
				wantError(t, bus.Await(t.Context(), "f", at), messages.ErrParked)
				if d := time.Since(before); d < 2*time.Second || d > 2200*time.Millisecond {
					t.Errorf("two attempts of a second took %v", d)
				}
				wantError(t, statusOf(t, bus, "f").LastError, messages.ErrTimeout)
			})
		})
	}
}

package retinue_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

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
						if err := turn.Append(hint(n)); err != nil {
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

func TestReactionsAreExactlyOnceAcrossAPowerCut(t *testing.T) {
	exactlyOnce(t, followers.Follower{Name: "count", Log: messages.Permanent, Reactions: []followers.Reaction{
		followers.On(func(t *followers.Turn, _ note) error { return countAndEcho(t) }),
	}})
}

// countAndEcho counts entries, and appends a hint for each seventh.
func countAndEcho(t *followers.Turn) error {
	if t.Entry().ID%7 == 0 {
		if err := t.Append(hint{"seventh"}); err != nil {
			return err
		}
	}
	return increment(t, "n")
}

// exactlyOnce cuts the power again and again while the counting follower is at
// work, and compares its count, its events and its cursor.
func exactlyOnce(t *testing.T, counting followers.Follower) {
	for _, percent := range []int{0, 20, 50, 80, 100} {
		t.Run(fmt.Sprintf("%d percent of what was unsynced survives", percent), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := retinuetest.Open(t, nil)
				retinuetest.Follow(t, bus, counting)
				for i := range uint64(60) {
					putTexts(t, bus, fmt.Sprint(i+1))
					if i%3 == 0 {
						synctest.Wait()
					}
					if i%10 != 9 {
						continue
					}
					retinuetest.Hold(t, bus, "count") // so that what the cut left can be looked at
					bus = retinuetest.Crash(t, bus, retinuetest.Cut{Unsynced: percent, Seed: i})
					n, cursor, echoes := exactly(t, bus)
					if n != cursor-1 || echoes != n/7 {
						t.Errorf("after %d: %d reactions and %d events at cursor %d", i+1, n, echoes, cursor)
					}
					retinuetest.Release(t, bus, "count")
					retinuetest.Await(t, bus, "count", messages.EventID(i+1))
					n, cursor, echoes = exactly(t, bus)
					if n != i+1 || cursor != n+1 || echoes != n/7 {
						t.Errorf("after %d, followed again: %d reactions and %d events at cursor %d", i+1, n, echoes, cursor)
					}
				}
			})
		})
	}
}

// exactly is what the counting follower has done.
func exactly(t testing.TB, bus *retinue.Bus) (n, cursor, echoes uint64) {
	t.Helper()
	for _, kv := range followerKeys(t, bus, "count") {
		if _, err := fmt.Sscanf(kv, "n=%d", &n); err != nil {
			t.Fatal(err)
		}
	}
	return n, retinuetest.StatusOf(t, bus, "count").Cursor, uint64(len(retinuetest.Entries[hint](t, bus)))
}

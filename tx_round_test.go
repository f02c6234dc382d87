package retinue_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// round has updates wait together, so that one round of the writer takes them
// all, and returns their errors.
func round(t *testing.T, bus *retinue.Bus, updates ...func(tx *retinue.Tx) error) []error {
	t.Helper()
	release := holdWriter(t, bus)
	errs := make([]error, len(updates))
	done := make(chan struct{})
	for i, do := range updates {
		go func() {
			_, errs[i] = bus.Update(t.Context(), do)
			done <- struct{}{}
		}()
		synctest.Wait()
	}
	release()
	for range updates {
		<-done
	}
	return errs
}

func setting(key, value string) func(tx *retinue.Tx) error {
	return func(tx *retinue.Tx) error { return tx.Set([]byte(key), []byte(value)) }
}

func scanned(t *testing.T, tx *retinue.Tx) string {
	t.Helper()
	all := ""
	for kv, err := range tx.Scan(nil) {
		if err != nil {
			t.Error(err)
		}
		all += fmt.Sprintf("%s=%s ", kv.Key, kv.Value)
	}
	return all
}

func TestUpdatesOfOneRoundSeeWhatTheOthersLeftAndNothingOfThoseRolledBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		disk := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: disk})
		boom := errors.New("boom")
		want := func(want string) func(tx *retinue.Tx) error {
			return func(tx *retinue.Tx) error {
				if got := scanned(t, tx); got != want {
					t.Errorf("an Update sees %q, want %q", got, want)
				}
				return nil
			}
		}
		errs := round(t, bus,
			setting("a", "1"),
			setting("b", "1"),
			want("a=1 b=1 "),
			func(tx *retinue.Tx) error {
				if err := errors.Join(tx.Set([]byte("a"), []byte("lost")), tx.Delete([]byte("b")), tx.Append(note{"lost"})); err != nil {
					return err
				}
				want("a=lost ")(tx)
				return boom
			},
			want("a=1 b=1 "),
			func(tx *retinue.Tx) error { return errors.Join(tx.Delete([]byte("a")), tx.Append(note{"kept"})) },
			want("b=1 "),
			setting("b", "2"),
		)
		for i, err := range errs {
			if wanted := i == 3; errors.Is(err, boom) != wanted || (err != nil) != wanted {
				t.Errorf("update %d: %v", i, err)
			}
		}
		after := openBus(t, &retinue.Options{FS: powerCut(disk), Name: "after"})
		wantTexts(t, after, messages.Permanent, "kept")
		if _, err := after.Update(t.Context(), want("b=2 ")); err != nil {
			t.Error(err)
		}
	})
}

func TestAnUpdateBehindOneThatWasPoisonedSeesWhatCameBeforeAndNothingOfIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), UpdateTimeout: time.Minute})
		errs := round(t, bus,
			setting("a", "1"),
			func(tx *retinue.Tx) error {
				if err := tx.Set([]byte("a"), []byte("late")); err != nil {
					return err
				}
				time.Sleep(2 * time.Minute) // the next ones run meanwhile
				return tx.Set([]byte("b"), []byte("later"))
			},
			func(tx *retinue.Tx) error {
				if got := scanned(t, tx); got != "a=1 " {
					t.Errorf("the Update behind it sees %q", got)
				}
				return tx.Set([]byte("c"), []byte("3"))
			},
			func(tx *retinue.Tx) error {
				if got := scanned(t, tx); got != "a=1 c=3 " {
					t.Errorf("the last Update sees %q", got)
				}
				return nil
			},
		)
		for i, err := range errs {
			if wanted := i == 1; errors.Is(err, messages.ErrTimeout) != wanted || (err != nil) != wanted {
				t.Errorf("update %d: %v", i, err)
			}
		}
	})
}

func TestAScanThatIsBegunAfterItsTransactionIsRefused(t *testing.T) {
	bus := openBus(t, inMemory())
	var seen int
	if _, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
		late := tx.Scan(nil)
		t.Cleanup(func() {
			for _, err := range late {
				wantError(t, err, messages.ErrEnded)
				seen++
			}
			if seen != 1 {
				t.Errorf("%d errors of a late scan, want 1", seen)
			}
		})
		return tx.Set([]byte("a"), nil)
	}); err != nil {
		t.Fatal(err)
	}
}

// A model that runs the same Updates one after the other sees the same.
func TestManyRoundsOfUpdatesAreSerial(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		disk := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: disk})
		model := map[string]string{}
		fails := errors.New("planned")
		for range 100 {
			updates := make([]func(tx *retinue.Tx) error, 1+rng.IntN(8))
			for i := range updates {
				change := maps.Clone(model)
				type write struct{ key, value string } // no value: a delete
				writes := make([]write, rng.IntN(4))
				for i := range writes {
					writes[i] = write{key: string('a' + rune(rng.IntN(6)))}
					if delete(change, writes[i].key); rng.IntN(3) > 0 {
						writes[i].value = strconv.Itoa(rng.IntN(1000))
						if rng.IntN(20) == 0 {
							writes[i].value = strings.Repeat("x", 200<<10)
						}
						change[writes[i].key] = writes[i].value
					}
				}
				before, failing := spelled(model), rng.IntN(4) == 0
				if !failing {
					model = change
				}
				updates[i] = func(tx *retinue.Tx) (err error) {
					if got := scanned(t, tx); got != before {
						t.Errorf("an Update sees %.200q, want %.200q", got, before)
					}
					for _, w := range writes {
						if w.value == "" {
							err = errors.Join(err, tx.Delete([]byte(w.key)))
						} else {
							err = errors.Join(err, tx.Set([]byte(w.key), []byte(w.value)))
						}
					}
					if failing {
						err = errors.Join(err, fails)
					}
					return err
				}
			}
			for _, err := range round(t, bus, updates...) {
				if err != nil && !errors.Is(err, fails) {
					t.Fatal(err)
				}
			}
		}
		after := openBus(t, &retinue.Options{FS: powerCut(disk), Name: "after"})
		if _, err := after.Update(t.Context(), func(tx *retinue.Tx) error {
			if got := scanned(t, tx); got != spelled(model) {
				t.Errorf("after a power cut %.200q, want %.200q", got, spelled(model))
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

// spelled is what scanned tells of a model.
func spelled(model map[string]string) string {
	all := ""
	for _, key := range slices.Sorted(maps.Keys(model)) {
		all += fmt.Sprintf("%s=%s ", key, model[key])
	}
	return all
}

func TestLargeUpdatesOfOneRoundAreNotOneCommit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		large := strings.Repeat("x", 300<<10)
		updates := make([]func(tx *retinue.Tx) error, 12)
		for i := range updates {
			updates[i] = func(tx *retinue.Tx) error { return tx.Append(note{large}) }
		}
		if err := errors.Join(round(t, bus, updates...)...); err != nil {
			t.Fatal(err)
		}
		commits := bus.Metrics().RoundBytes
		for i, n := range commits.Counts {
			if n > 0 && (i == len(commits.Bounds) || commits.Bounds[i] > 1<<20) {
				t.Errorf("%d commits are larger than 1 MiB, of updates of 300 KiB: %v", n, commits)
			}
		}
	})
}

package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

var counterKey = []byte("count")

// countUp adds 1 to a counter among the application's keys and appends a note
// with its value.
func countUp(ctx context.Context, bus *retinue.Bus) error {
	_, err := bus.Update(ctx, func(tx *retinue.Tx) error {
		value, err := tx.Get(counterKey)
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(value))
		next := strconv.Itoa(n + 1)
		return errors.Join(tx.Set(counterKey, []byte(next)), tx.Append(note{next}))
	})
	return err
}

func wantCount(t testing.TB, bus *retinue.Bus, want int) {
	t.Helper()
	wantValue(t, bus, "count", strconv.Itoa(want))
}

// wantValue compares one of the application's keys; "" is an absent key.
func wantValue(t testing.TB, bus *retinue.Bus, key, want string) {
	t.Helper()
	err := bus.View(func(v *retinue.View) error {
		got, err := v.Get([]byte(key))
		if string(got) != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestUpdatesAreSerial(t *testing.T) {
	bus := openBus(t, inMemory())
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 20 {
				if err := countUp(t.Context(), bus); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantCount(t, bus, 200)
	for i, said := range texts(t, bus, messages.Permanent) {
		if said != strconv.Itoa(i+1) {
			t.Fatalf("note %d says %s: two transactions saw the same count", i+1, said)
		}
	}
}

func TestUpdateIsOnDiskWhenItReturns(t *testing.T) {
	fs := vfs.NewCrashableMem()
	bus := openBus(t, &retinue.Options{FS: fs})
	if err := countUp(t.Context(), bus); err != nil {
		t.Fatal(err)
	}
	cut := openBus(t, &retinue.Options{FS: powerCut(fs)})
	wantCount(t, cut, 1)
	wantTexts(t, cut, messages.Permanent, "1")
}

func TestUpdateSeesItsOwnWrites(t *testing.T) {
	bus := openBus(t, inMemory())
	set := func(key, value string) {
		if _, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
			return tx.Set([]byte(key), []byte(value))
		}); err != nil {
			t.Fatal(err)
		}
	}
	set("k/a", "1")
	set("k/b", "1")
	set("l", "1")
	_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
		if err := errors.Join(tx.Set([]byte("k/b"), []byte("2")), tx.Delete([]byte("k/a")), tx.Set([]byte("k/c"), nil)); err != nil {
			return err
		}
		if a, err := tx.Get([]byte("k/a")); a != nil || err != nil {
			t.Errorf("deleted key = %q, %v", a, err)
		}
		if c, err := tx.Get([]byte("k/c")); c == nil || err != nil {
			t.Errorf("empty value = %v, %v: it reads like an absent key", c, err)
		}
		seen := ""
		for kv, err := range tx.Scan([]byte("k/")) {
			if err != nil {
				return err
			}
			seen += fmt.Sprintf("%s=%s ", kv.Key, kv.Value)
		}
		if want := "k/b=2 k/c= "; seen != want {
			t.Errorf("scan = %q, want %q", seen, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, bus, "k/b", "2")
	wantValue(t, bus, "k/a", "")
}

func TestARolledBackUpdateLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	write := func(tx *retinue.Tx) error {
		return errors.Join(tx.Set(counterKey, []byte("9")), tx.Append(note{"gone"}, hint{"gone"}))
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, bus *retinue.Bus)
	}{
		{"error", func(t *testing.T, bus *retinue.Bus) {
			at, err := bus.Update(t.Context(), func(tx *retinue.Tx) error { return errors.Join(write(tx), boom) })
			wantError(t, err, boom)
			if at != (messages.Receipt{}) {
				t.Errorf("receipt = %+v", at)
			}
		}},
		{"error at the end of ctx", func(t *testing.T, bus *retinue.Bus) {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := bus.Update(ctx, func(tx *retinue.Tx) error {
				cancel()
				return errors.Join(write(tx), boom)
			})
			wantError(t, err, boom)
			if errors.Is(err, messages.ErrUncertain) {
				t.Errorf("error = %v: nothing is uncertain", err)
			}
		}},
		{"a refused write that the closure ignores", func(t *testing.T, bus *retinue.Bus) {
			_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
				_ = tx.Set(nil, []byte("x"))
				return write(tx)
			})
			wantError(t, err, messages.ErrInvalid)
		}},
		{"a refused append that the closure ignores", func(t *testing.T, bus *retinue.Bus) {
			_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
				_ = tx.Append(note{}, nil)
				return write(tx)
			})
			wantError(t, err, messages.ErrInvalid)
		}},
		{"panic", func(t *testing.T, bus *retinue.Bus) {
			defer func() {
				if p := recover(); p != any(boom) {
					t.Errorf("recovered %v, want the closure's own panic", p)
				}
			}()
			_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error { _ = write(tx); panic(boom) })
			t.Errorf("Update returned %v past a panic", err)
		}},
		{"Goexit", func(t *testing.T, bus *retinue.Bus) {
			ended := make(chan bool)
			go func() {
				returned := false
				defer func() { ended <- returned }()
				_, _ = bus.Update(t.Context(), func(tx *retinue.Tx) error { _ = write(tx); runtime.Goexit(); return nil })
				returned = true
			}()
			if <-ended {
				t.Error("Update returned past a Goexit")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bus := openBus(t, inMemory())
			if err := countUp(t.Context(), bus); err != nil {
				t.Fatal(err)
			}
			test.run(t, bus)
			wantCount(t, bus, 1)
			wantHeads(t, bus, 2, 2)
			if err := countUp(t.Context(), bus); err != nil {
				t.Fatal(err)
			}
			wantCount(t, bus, 2)
		})
	}
}

func TestUpdateSeesWhatWasAcceptedBeforeIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		release := holdWriter(t, bus)
		// Both land in one round: the second must see the first applied.
		results := make(chan error, 2)
		go func() { results <- countUp(t.Context(), bus) }()
		synctest.Wait()
		if _, err := bus.Submit(t.Context(), retinue.Request{Events: []messages.Event{note{"between"}}}); err != nil {
			t.Fatal(err)
		}
		go func() { results <- countUp(t.Context(), bus) }()
		synctest.Wait()
		release()
		if err := errors.Join(<-results, <-results); err != nil {
			t.Fatal(err)
		}
		wantCount(t, bus, 2)
		wantTexts(t, bus, messages.Permanent, "1", "between", "2")
	})
}

func TestATransactionThatTakesTooLongIsPoisonedAndTheWriterGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), UpdateTimeout: time.Minute})
		begun := time.Now()
		_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
			if err := tx.Append(note{"late"}); err != nil {
				return err
			}
			free := make(chan time.Duration)
			go func() {
				put(t, bus, note{"other"})
				free <- time.Since(begun)
			}()
			if waited := <-free; waited != time.Minute {
				t.Errorf("the writer went on after %v, want a minute", waited)
			}
			_, err := tx.Get(counterKey)
			wantError(t, err, messages.ErrTimeout)
			wantError(t, tx.Append(note{"later"}), messages.ErrTimeout)
			wantError(t, tx.Set(counterKey, nil), messages.ErrTimeout)
			return nil
		})
		wantError(t, err, messages.ErrTimeout)
		wantTexts(t, bus, messages.Permanent, "other")
	})
}

func TestATransactionUsedAfterItsEndIsRefused(t *testing.T) {
	bus := openBus(t, inMemory())
	followNotes(t, bus, "f")
	var tx *retinue.Tx
	var keys *retinue.Keys
	if _, err := bus.Update(t.Context(), func(inside *retinue.Tx) (err error) {
		tx = inside
		keys, err = tx.Follower("f")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_, err := tx.Get(counterKey)
	wantError(t, err, messages.ErrEnded)
	wantError(t, tx.Set(counterKey, nil), messages.ErrEnded)
	wantError(t, tx.Delete(counterKey), messages.ErrEnded)
	wantError(t, tx.Append(note{}), messages.ErrEnded)
	for _, err := range tx.Scan(nil) {
		wantError(t, err, messages.ErrEnded)
	}
	_, err = tx.Follower("f")
	wantError(t, err, messages.ErrEnded)
	_, err = keys.Get(counterKey)
	wantError(t, err, messages.ErrEnded)
	put(t, bus, note{"a"})
}

func TestEveryCallFromInsideAnUpdateIsReentrant(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	bus := openBus(t, &retinue.Options{DB: db, Prefix: []byte("p")})
	followNotes(t, bus, "f")
	batch := db.NewBatch()
	defer batch.Close()
	_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
		ctx := t.Context()
		for name, call := range map[string]func() error{
			"Append": func() error { _, err := bus.Append(ctx, note{}); return err },
			"Submit": func() error { _, err := bus.Submit(ctx, retinue.Request{Events: []messages.Event{note{}}}); return err },
			"Update": func() error { _, err := bus.Update(ctx, func(*retinue.Tx) error { return nil }); return err },
			"View":   func() error { return bus.View(func(*retinue.View) error { return nil }) },
			"Commit": func() error { _, err := bus.Commit(ctx, batch, note{}); return err },
			"Stage":  func() error { _, err := bus.Stage(batch, note{}); return err },
			"Follow": func() error {
				return bus.Follow(followers.Follower{Name: "g", Every: func(*followers.Turn) error { return nil }})
			},
			"Await":    func() error { return bus.Await(ctx, "f", messages.EventID(1)) },
			"CaughtUp": func() error { return bus.CaughtUp(ctx, "f") },
			"Pause":    func() error { return bus.Pause(ctx, "f") },
			"Resume":   func() error { return bus.Resume(ctx, "f") },
			"Seek":     func() error { return bus.Seek(ctx, "f", messages.EventID(1), messages.EventID(1)) },
			"Unfollow": func() error { return bus.Unfollow(ctx, "f") },
			"Forget":   func() error { return bus.Forget(ctx, "f") },
			"Replay":   func() error { return replay(ctx, bus, "f", messages.EventID(1)) },
			"Drop":     func() error { return bus.Drop(ctx, "f", messages.EventID(1)) },
			"Trim":     func() error { _, err := bus.Trim(ctx); return err },
			"Shutdown": func() error { return bus.Shutdown(ctx) },
			"Close":    bus.Close,
			"Page":     func() error { _, err := bus.Page(ctx, retinue.Query{}); return err },
			"Entries": func() (err error) {
				for _, err = range bus.Entries(ctx, retinue.Query{}) {
				}
				return err
			},
			"Parked": func() (err error) {
				for _, err = range bus.Parked("f") {
				}
				return err
			},
			"Subscribe": func() (err error) {
				for _, err = range bus.Subscribe(ctx, retinue.Subscription{}) {
				}
				return err
			},
		} {
			if err := call(); !errors.Is(err, messages.ErrReentrant) {
				t.Errorf("%s from inside an Update: %v, want ErrReentrant", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, bus, note{"a"})
	wantTexts(t, bus, messages.Permanent, "a")
}

func TestUpdateHonoursAContextThatEndsWhileItWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		release := holdWriter(t, bus)
		defer release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := bus.Update(ctx, func(*retinue.Tx) error { t.Error("the closure ran"); return nil })
		wantError(t, err, context.DeadlineExceeded)
		if errors.Is(err, messages.ErrUncertain) {
			t.Errorf("error = %v: nothing is uncertain", err)
		}
	})
}

func TestAnUpdateOfKeysAloneGivesNoIDs(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"a"})
	at, err := bus.Update(t.Context(), func(tx *retinue.Tx) error { return tx.Set([]byte("k"), []byte("v")) })
	if want := (messages.Receipt{NextEvent: 2, NextTrimmable: 2}); at != want || err != nil {
		t.Errorf("receipt = %+v, %v, want %+v", at, err, want)
	}
}

func TestAnUpdateThatDeletesTooMuchIsRefused(t *testing.T) {
	opts := inMemory()
	opts.MaxAppendSize = 1 << 20
	bus := openBus(t, opts)
	_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
		for i := range 20 {
			key := make([]byte, followers.MaxKey)
			key[0] = byte(i)
			if err := tx.Delete(key); err != nil {
				return nil // it is remembered
			}
		}
		return nil
	})
	wantError(t, err, messages.ErrTooLarge)
}

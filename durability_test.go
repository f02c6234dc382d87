package retinue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// wantOnDisk opens what a power cut would leave.
func wantOnDisk(t testing.TB, fs *vfs.MemFS, want ...string) {
	t.Helper()
	cut := openBus(t, &retinue.Options{FS: powerCut(fs)})
	wantTexts(t, cut, messages.Permanent, want...)
	closeBus(t, cut)
}

func TestReadersOfAnIntervalBusSeeOnlyWhatWasSynced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: fs, Durability: retinue.Interval(500 * time.Millisecond)})
		seen, heard := make(chan string, 10), make(chan string, 10)
		if err := bus.Follow(followers.Follower{Name: "f", Reactions: []followers.Reaction{
			followers.On(func(_ *followers.Turn, n note) error { seen <- n.Text; return nil }),
		}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		entries := bus.Subscribe(ctx, retinue.Subscription{Ordered: true})
		go func() {
			for e, err := range entries {
				if err == nil {
					heard <- text(t, e)
				}
			}
		}()
		synctest.Wait()
		time.Sleep(2 * time.Second) // what following wrote is synced

		begun := time.Now()
		if at := put(t, bus, note{"a"}); at.FirstEvent != 1 || time.Since(begun) != 0 {
			t.Errorf("receipt = %+v after %v", at, time.Since(begun))
		}
		synctest.Wait()
		wantTexts(t, bus, messages.Permanent)
		wantHeads(t, bus, 1, 1)
		wantOnDisk(t, fs)
		if len(seen)+len(heard) > 0 {
			t.Errorf("follower saw %d, %d were heard", len(seen), len(heard))
		}

		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		wantOnDisk(t, fs, "a")
		wantTexts(t, bus, messages.Permanent, "a")
		wantHeads(t, bus, 2, 2)
		if len(seen) != 1 || len(heard) != 1 {
			t.Errorf("follower saw %d, %d were heard, want 1", len(seen), len(heard))
		}
	})
}

func TestAnIntervalBusSyncsInTimeHoweverBusyItIs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: fs, Durability: retinue.Interval(500 * time.Millisecond)})
		for i := range 40 {
			put(t, bus, note{"x"})
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			if head, least := bus.Status().Permanent.Head, i+2-10; int(head) < least {
				t.Fatalf("after append %d only %d are durable, want %d", i+1, head-1, least-1)
			}
		}
	})
}

func TestARefusalOnAnIntervalBusRestsOnWhatWasSynced(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(t *testing.T, bus *retinue.Bus)
	}{
		{"in an earlier round", func(t *testing.T, bus *retinue.Bus) { put(t, bus, note{"a"}) }},
		{"in the same round", func(t *testing.T, bus *retinue.Bus) {
			release := holdWriter(t, bus)
			defer release()
			if _, err := bus.Submit(t.Context(), retinue.Request{Events: []messages.Event{note{"a"}}}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				fs := vfs.NewCrashableMem()
				bus := openBus(t, &retinue.Options{FS: fs, Durability: retinue.Interval(time.Second)})
				test.before(t, bus)
				_, err := submit(t, bus, retinue.Request{Events: []messages.Event{note{"b"}}, If: []messages.Condition{messages.HeadIs(1)}})
				wantError(t, err, messages.ErrConditionFailed)
				wantOnDisk(t, fs, "a")
			})
		})
	}
}

func TestABusWithoutDurabilitySyncsWhenItIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: fs, Durability: retinue.None()})
		put(t, bus, note{"a"})
		wantTexts(t, bus, messages.Permanent, "a") // at once
		time.Sleep(time.Minute)
		wantOnDisk(t, fs)
		closeBus(t, bus)
		wantOnDisk(t, fs, "a")
	})
}

// A follower's cursor alone is committed without a sync; it is synced within
// a second all the same.
func TestAnIdleBusSyncsWhatItCommitted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: fs})
		followNotes(t, bus, "f")
		put(t, bus, note{"a"})
		time.Sleep(2 * time.Second)
		cut := openBus(t, &retinue.Options{FS: powerCut(fs)})
		if f := cut.Status().Followers; len(f) != 1 || f[0].Cursor != 2 {
			t.Errorf("followers after a power cut = %+v, want the cursor at 2", f)
		}
	})
}

package actors

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// keyWriter is a writer that only remembers keys, at a time that is set.
func keyWriter(t *testing.T, fs vfs.FS, window time.Duration, now *time.Time) *writer {
	t.Helper()
	store, err := persistence.Open(persistence.Config{Dir: "store", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w := &writer{store: store, batch: store.NewBatch()}
	w.clock = newClock(func() time.Time { return *now }, 0, 0)
	w.keys = newKeyWindow(window, store.Opened().Buckets)
	return w
}

// remember adds a key that stands for an id and commits it.
func (w *writer) remember(t *testing.T, key string, id messages.EventID) {
	t.Helper()
	w.keys.add(w, []byte(key), persistence.Appended{Ordered: w.clock.tick(), Receipt: messages.Receipt{FirstEvent: id}})
	if err := w.batch.Commit(true); err != nil {
		t.Fatal(err)
	}
	clear(w.keys.pending)
}

// recall returns the id that a key stands for, 0 where it is new.
func (w *writer) recall(t *testing.T, key string) messages.EventID {
	t.Helper()
	w.ticked = false // as in a round of its own
	r, err := w.keys.find(w, []byte(key), [16]byte{})
	if err != nil {
		t.Fatal(err)
	}
	if r == nil {
		return 0
	}
	return r.FirstEvent
}

func TestAKeyIsFoundUntilItsWindowIsOverAndTheNewestOfItsNameCounts(t *testing.T) {
	now := time.Date(2026, 1, 2, 23, 0, 0, 0, time.UTC)
	w := keyWriter(t, vfs.NewMem(), 36*time.Hour, &now)
	w.remember(t, "k", 1)
	for _, step := range []struct {
		wait time.Duration
		want messages.EventID
	}{{0, 1}, {2 * time.Hour, 1}, {34 * time.Hour, 1}, {time.Nanosecond, 0}} {
		now = now.Add(step.wait)
		if got := w.recall(t, "k"); got != step.want {
			t.Errorf("after another %v: %v, want %v", step.wait, got, step.want)
		}
	}
	w.remember(t, "k", 2)
	if got := w.recall(t, "k"); got != 2 {
		t.Errorf("key used again = %v, want 2", got)
	}
}

func TestBucketsBeforeTheWindowAreDropped(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	w := keyWriter(t, vfs.NewMem(), 48*time.Hour, &now)
	for i := range 10 {
		w.remember(t, fmt.Sprint(i), messages.EventID(i+1))
		now = now.Add(24 * time.Hour)
	}
	last := uint32(now.Add(-24*time.Hour).UnixNano() / int64(bucketWidth))
	if want := []uint32{last, last - 1, last - 2}; !slices.Equal(w.keys.buckets, want) {
		t.Errorf("buckets = %v, want %v", w.keys.buckets, want)
	}
}

func TestAKeyForEverOutlivesAShorterWindowAndAReopening(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	w := keyWriter(t, vfs.NewMem(), Forever, &now)
	w.remember(t, "k", 7)
	now = now.Add(100 * 365 * 24 * time.Hour)
	if got := w.recall(t, "k"); got != 7 {
		t.Errorf("after a century: %v, want 7", got)
	}
	again := newKeyWindow(Forever, []uint32{3, 4, foreverBucket})
	if want := []uint32{foreverBucket, 4, 3}; !slices.Equal(again.buckets, want) {
		t.Errorf("buckets = %v, want %v: the newest is asked first", again.buckets, want)
	}
}

func TestAPendingKeyIsFoundBeforeItsCommit(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	w := keyWriter(t, vfs.NewMem(), time.Hour, &now)
	w.keys.add(w, []byte("k"), persistence.Appended{Ordered: w.clock.tick(), Receipt: messages.Receipt{FirstEvent: 9}})
	if got := w.recall(t, "k"); got != 9 {
		t.Errorf("pending key = %v, want 9", got)
	}
	if _, err := w.keys.find(w, []byte("k"), [16]byte{1}); err == nil {
		t.Error("other content was taken for the same")
	}
	if got := w.recall(t, ""); got != 0 {
		t.Errorf("no key = %v", got)
	}
}

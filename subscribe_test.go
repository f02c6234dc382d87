package retinue_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// heard is what a subscriber is told, in words: the entry's kind and text, or
// "lost n".
func heard(t testing.TB, e messages.Entry, err error) string {
	t.Helper()
	var gap *messages.GapError
	if errors.As(err, &gap) {
		return "lost " + strconv.FormatUint(gap.Lost, 10)
	}
	if err != nil {
		return err.Error()
	}
	if e.Type.Kind == "signal" {
		s, err := messages.Decode[signal](e)
		if err != nil {
			t.Fatal(err)
		}
		return "signal " + s.Text
	}
	return e.Type.Kind + " " + text(t, e)
}

// listen takes the next of what a subscriber is told, one per call.
func listen(t testing.TB, entries iter.Seq2[messages.Entry, error]) func() string {
	next, stop := iter.Pull2(entries)
	t.Cleanup(stop)
	return func() string {
		t.Helper()
		e, err, ok := next()
		if !ok {
			return "the end"
		}
		return heard(t, e, err)
	}
}

func wantHeard(t testing.TB, next func() string, want ...string) {
	t.Helper()
	for _, want := range want {
		if got := next(); got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
}

// bytesOnDisk returns all that a file system holds below dir.
func bytesOnDisk(t testing.TB, fs vfs.FS, dir string) []byte {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var all []byte
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			all = append(all, bytesOnDisk(t, fs, path)...)
			continue
		}
		f, err := fs.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		all = append(append(all, name...), content...)
	}
	return all
}

// Trap 16: transient events cost the disk nothing, and are not broadcast when
// the store is opened again.
func TestTransientEventsAreNeverOnDiskTrap16(t *testing.T) {
	inBubble(t, func(t *testing.T) { // no second passes, after which the mark of the heads is written
		opts := inMemory()
		bus := openBus(t, opts)
		put(t, bus, note{"first"})
		before := bytesOnDisk(t, opts.FS, "store")
		for range 20 {
			r := put(t, bus, signal{"a word that is nowhere"}, signal{"else"})
			if r.FirstEvent != 0 || r.FirstTrimmable != 0 || r.NextEvent != 2 || r.NextTrimmable != 2 {
				t.Errorf("receipt %+v, want no ids", r)
			}
		}
		if !bytes.Equal(before, bytesOnDisk(t, opts.FS, "store")) {
			t.Error("transient events alone were written for")
		}
		put(t, bus, signal{"a word that is nowhere"}, note{"second"}, signal{"a word that is nowhere"})
		wantHeads(t, bus, 3, 3)
		closeBus(t, bus)
		if bytes.Contains(bytesOnDisk(t, opts.FS, "store"), []byte("nowhere")) {
			t.Error("a transient event is on disk")
		}
		bus = openBus(t, opts)
		wantHeads(t, bus, 3, 3)
		wantTexts(t, bus, messages.TrimmableLog, "first", "second")
		next := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true}))
		put(t, bus, note{"third"})
		wantHeard(t, next, "note third")
	})
}

func TestTransientEventsWakeNoFollowerTrap16(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		seen := make(chan string, 10)
		err := bus.Follow(followers.Follower{Name: "all", Log: messages.TrimmableLog, Every: func(turn *followers.Turn) error {
			seen <- turn.Entry().Type.Kind
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		put(t, bus, signal{"1"})
		put(t, bus, signal{"2"}, hint{"3"})
		if err := bus.CaughtUp(t.Context(), "all"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		close(seen)
		for kind := range seen {
			if kind != "hint" {
				t.Errorf("the follower got a %s", kind)
			}
		}
	})
}

func TestTransientEntryHasEverythingButIDs(t *testing.T) {
	bus := openBus(t, inMemory())
	at := time.Date(2020, 2, 2, 2, 2, 2, 2, time.UTC)
	next, stop := iter.Pull2(bus.Subscribe(t.Context(), retinue.Subscription{}))
	defer stop()
	put(t, bus, messages.Draft{Event: signal{"x"}, Instance: 3, Time: at, Correlation: "c", Headers: map[string]string{"k": "v"}})
	e, err, _ := next()
	if err != nil || e.ID != 0 || e.TrimmableID != 0 || e.Instance != 3 || !e.Time.Equal(at) || e.Correlation != "c" ||
		e.Headers["k"] != "v" || e.Ordered.IsZero() || e.Type != (signal{}).EventType() {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestSubscriberHearsTheWritersOrder(t *testing.T) {
	bus := openBus(t, inMemory())
	all := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true}))
	transient := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{}))
	filtered := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{
		Ordered: true, Filter: messages.Filter{Kinds: []string{"hint"}},
	}))
	put(t, bus, signal{"1"}, note{"2"}, hint{"3"}, signal{"4"})
	put(t, bus, note{"5"})
	put(t, bus, signal{"6"})
	put(t, bus, hint{"7"})
	wantHeard(t, all, "signal 1", "note 2", "hint 3", "signal 4", "note 5", "signal 6", "hint 7")
	wantHeard(t, transient, "signal 1", "signal 4", "signal 6")
	wantHeard(t, filtered, "hint 3", "hint 7")
}

func TestSubscriberHearsFromTheCallOfSubscribeOn(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"before"}, signal{"before"})
	entries := bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true})
	put(t, bus, note{"after"}) // nobody ranges over entries yet
	wantHeard(t, listen(t, entries), "note after")
}

func TestSlowSubscriberLosesTheOldestAndIsToldHowMany(t *testing.T) {
	bus := openBus(t, inMemory())
	next := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true, Buffer: 3}))
	for i := range 10 {
		put(t, bus, note{strconv.Itoa(i)})
	}
	wantHeard(t, next, "lost 7", "note 7")
	put(t, bus, signal{"a"}, signal{"b"}, signal{"c"})
	wantHeard(t, next, "lost 2", "signal a", "signal b", "signal c")
	put(t, bus, note{"last"})
	wantHeard(t, next, "note last")
}

func TestSubscriberThatNeverReadsHoldsUpNobody(t *testing.T) {
	bus := openBus(t, inMemory())
	never := bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true})
	quick := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true}))
	for i := range 1000 {
		put(t, bus, note{strconv.Itoa(i)})
		wantHeard(t, quick, "note "+strconv.Itoa(i))
	}
	wantHeard(t, listen(t, never), "lost 744", "note 744")
}

func TestSubscriptionEndsWithItsContext(t *testing.T) {
	bus := openBus(t, inMemory())
	ctx, cancel := context.WithCancel(t.Context())
	next := listen(t, bus.Subscribe(ctx, retinue.Subscription{}))
	put(t, bus, signal{"1"})
	wantHeard(t, next, "signal 1")
	cancel()
	wantHeard(t, next, "context canceled", "the end")
}

func TestSubscriptionCanBeLeftAtAnyTime(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"before"})
	entries := bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true})
	put(t, bus, note{"1"}, note{"2"})
	for e, err := range entries {
		if got := heard(t, e, err); got != "note 1" {
			t.Errorf("heard %q", got)
		}
		break
	}
	put(t, bus, note{"3"})
}

func TestCloseEndsSubscriptionsAfterWhatTheyHaveNotRead(t *testing.T) {
	bus := openBus(t, inMemory())
	reading := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true}))
	put(t, bus, signal{"1"}, note{"2"})
	closeBus(t, bus)
	wantHeard(t, reading, "signal 1", "note 2", messages.ErrClosed.Error(), "the end")
	late := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{}))
	wantHeard(t, late, messages.ErrClosed.Error(), "the end")
}

func TestSubscriberThatWaitsIsEndedByClose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		ended := make(chan error, 1)
		go func() {
			for _, err := range bus.Subscribe(context.Background(), retinue.Subscription{}) {
				ended <- err
			}
		}()
		time.Sleep(time.Second)
		closeBus(t, bus)
		wantError(t, <-ended, messages.ErrClosed)
	})
}

// With a delayed sync, ordered entries are heard when they are on disk, and
// transient ones behind them in their turn.
func TestSubscriberHearsOrderedEntriesOnceTheyAreDurable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		opts.Durability = retinue.Interval(time.Second)
		bus := openBus(t, opts)
		entries := bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true})
		arrived := make(chan string, 10)
		go func() {
			for e, err := range entries {
				arrived <- heard(t, e, err)
			}
		}()
		put(t, bus, signal{"1"})
		time.Sleep(time.Millisecond)
		if got := len(arrived); got != 1 {
			t.Errorf("%d heard, want the transient one, which waits for no disk", got)
		}
		put(t, bus, note{"2"}, signal{"3"})
		put(t, bus, signal{"4"})
		time.Sleep(time.Millisecond)
		if got := len(arrived); got != 1 {
			t.Errorf("%d heard before the sync", got)
		}
		wantHeads(t, bus, 1, 1)
		time.Sleep(2 * time.Second)
		wantHeads(t, bus, 2, 2)
		next := func() string { return <-arrived }
		wantHeard(t, next, "signal 1", "note 2", "signal 3", "signal 4")
	})
}

func TestEventsOfTurnsAndUpdatesAreHeard(t *testing.T) {
	bus := openBus(t, inMemory())
	err := bus.Follow(followers.Follower{Name: "echo", Reactions: []followers.Reaction{
		followers.On(func(turn *followers.Turn, e note) error {
			return turn.Append(hint(e), signal(e))
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	next := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true}))
	_, err = bus.Update(t.Context(), func(tx *retinue.Tx) error { return tx.Append(note{"1"}, signal{"0"}) })
	if err != nil {
		t.Fatal(err)
	}
	wantHeard(t, next, "note 1", "signal 0", "hint 1", "signal 1")
}

// A transaction that was rolled back says nothing.
func TestRolledBackTransientEventsAreNotHeard(t *testing.T) {
	bus := openBus(t, inMemory())
	next := listen(t, bus.Subscribe(t.Context(), retinue.Subscription{Ordered: true}))
	_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
		return errors.Join(tx.Append(signal{"never"}), io.ErrUnexpectedEOF)
	})
	wantError(t, err, io.ErrUnexpectedEOF)
	put(t, bus, signal{"1"})
	wantHeard(t, next, "signal 1")
}

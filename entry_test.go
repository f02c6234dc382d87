package retinue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/internal/wallclock"
	"github.com/retinue-go/retinue/messages"
)

// Trap 16: transient events are never written, and wake no follower.
func TestTransientEventsNeverTouchTheDisk(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	bus := openBus(t, &retinue.Options{DB: db, Prefix: []byte("p")})
	var woken []messages.EventID
	if err := bus.Follow(followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
		woken = append(woken, turn.Entry().ID)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	before := keysOf(t, db)
	at := put(t, bus, signal{"gone"})
	if want := (messages.Receipt{NextEvent: 1, NextTrimmable: 1}); at != want {
		t.Errorf("receipt = %+v, want %+v", at, want)
	}
	if after := keysOf(t, db); len(after) != len(before) {
		t.Errorf("%d keys became %d", len(before), len(after))
	}
	at = put(t, bus, signal{"gone"}, note{"kept"}, signal{"gone"})
	if at.FirstEvent != 1 || at.LastEvent != 1 || at.LastTrimmable != 1 {
		t.Errorf("receipt = %+v, want the id of the note alone", at)
	}
	for key, value := range keysOf(t, db) {
		if strings.Contains(key+value, "gone") || strings.Contains(key+value, "signal") {
			t.Errorf("%q = %q holds something of a transient event", key, value)
		}
	}
	if err := bus.Await(t.Context(), "f", at); err != nil {
		t.Fatal(err)
	}
	if len(woken) != 1 {
		t.Errorf("the follower had turns at %v, want one at 1", woken)
	}
}

// Trap 18: module-less events can be selected, and an entry says when it was
// placed, when it happened, and all that its draft said.
func TestAnEntrySaysAllThatItsDraftSaid(t *testing.T) {
	clock := newWallClock(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	opts := inMemory()
	wallclock.Set(opts, clock.Now)
	bus := openBus(t, opts)
	happened := time.Date(2018, 2, 7, 0, 0, 0, 1, time.FixedZone("", 3600))
	put(t, bus, messages.Draft{
		Event: bare{"x"}, Instance: 7, Time: happened, Correlation: "c", Headers: map[string]string{"traceparent": "00"},
	}, note{"y"})
	entries := read(t, bus, messages.Permanent)
	e := entries[0]
	if e.Instance != 7 || !e.Time.Equal(happened) || !e.Ordered.Equal(clock.Now()) ||
		e.Correlation != "c" || e.Headers["traceparent"] != "00" || e.Type != (bare{}).EventType() {
		t.Errorf("entry = %+v", e)
	}
	if e = entries[1]; !e.Time.Equal(clock.Now()) || !e.Ordered.Equal(clock.Now()) {
		t.Errorf("times of an event without time = %v and %v", e.Time, e.Ordered)
	}
	page, err := bus.Page(t.Context(), retinue.Query{Filter: messages.Filter{Modules: []string{""}}})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].ID != 1 {
		t.Errorf("entries without module = %+v, %v", page.Entries, err)
	}
}

// bare belongs to no module.
type bare struct{ Text string }

func (bare) EventType() messages.Type { return messages.Type{Kind: "note", Version: 3} }

// other shares the kind of note in a module of its own.
type other struct{ Text string }

func (other) EventType() messages.Type { return messages.Type{Module: "other", Kind: "note"} }

// Trap 17: one kind in two modules is never mixed up, and a failure to decode
// is told.
func TestDecodingAsksForModuleAndKind(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"mine"}, other{"theirs"})
	var mine []string
	if err := bus.Follow(followers.Follower{Name: "f", Reactions: []followers.Reaction{
		followers.On(func(_ *followers.Turn, n note) error { mine = append(mine, n.Text); return nil }),
	}}); err != nil {
		t.Fatal(err)
	}
	if err := bus.CaughtUp(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	if len(mine) != 1 || mine[0] != "mine" {
		t.Errorf("the reaction to test/note saw %q", mine)
	}
	_, err := messages.Decode[note](read(t, bus, messages.Permanent)[1])
	wantError(t, err, messages.ErrDecode)
}

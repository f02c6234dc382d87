package retinue_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

func TestAViewUsedAfterItsEndIsRefused(t *testing.T) {
	bus := openBus(t, inMemory())
	followNotes(t, bus, "f")
	var view *retinue.View
	var keys *retinue.Keys
	if err := bus.View(func(inside *retinue.View) (err error) {
		view = inside
		keys, err = view.Follower("f")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_, err := view.Get(counterKey)
	wantError(t, err, messages.ErrEnded)
	for _, err := range view.Scan(nil) {
		wantError(t, err, messages.ErrEnded)
	}
	_, err = view.Follower("f")
	wantError(t, err, messages.ErrEnded)
	_, err = keys.Get(counterKey)
	wantError(t, err, messages.ErrEnded)
}

// followNotes starts a follower that keeps the text of the last note under "last".
func followNotes(t testing.TB, bus *retinue.Bus, name string) {
	t.Helper()
	if err := bus.Follow(followers.Follower{Name: name, Reactions: []followers.Reaction{
		followers.On(func(turn *followers.Turn, n note) error { return turn.Set([]byte("last"), []byte(n.Text)) }),
	}}); err != nil {
		t.Fatal(err)
	}
}

func TestUpdateReadsTheKeysOfFollowers(t *testing.T) {
	bus := openBus(t, inMemory())
	followNotes(t, bus, "f")
	if err := bus.Await(t.Context(), "f", put(t, bus, note{"a"})); err != nil {
		t.Fatal(err)
	}
	_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error {
		keys, err := tx.Follower("f")
		if err != nil {
			return err
		}
		last, err := keys.Get([]byte("last"))
		if string(last) != "a" {
			t.Errorf("last = %q", last)
		}
		_, unknown := tx.Follower("nobody")
		wantError(t, unknown, messages.ErrUnknownFollower)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAViewIsOneSnapshotOfApplicationAndFollowers(t *testing.T) {
	bus := openBus(t, inMemory())
	followNotes(t, bus, "f")
	if err := countUp(t.Context(), bus); err != nil {
		t.Fatal(err)
	}
	if err := bus.CaughtUp(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	err := bus.View(func(v *retinue.View) error {
		if err := countUp(t.Context(), bus); err != nil {
			return err
		}
		if err := bus.CaughtUp(t.Context(), "f"); err != nil {
			return err
		}
		n, err := v.Get(counterKey)
		if err != nil {
			return err
		}
		keys, err := v.Follower("f")
		if err != nil {
			return err
		}
		last, err := keys.Get([]byte("last"))
		if string(n) != "1" || string(last) != "1" {
			t.Errorf("count = %s, last = %s, want those of the beginning", n, last)
		}
		seen := 0
		for range v.Scan(nil) {
			seen++
		}
		if seen != 1 {
			t.Errorf("%d keys, want the application's 1", seen)
		}
		_, unknown := v.Follower("nobody")
		wantError(t, unknown, messages.ErrUnknownFollower)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantCount(t, bus, 2)
}

func TestStatusSaysWhetherAFailingDiskIsGuardedAgainst(t *testing.T) {
	o := &pebble.Options{FS: vfs.NewMem()}
	fence := persistence.Configure(o)
	db, err := pebble.Open("db", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, test := range []struct {
		name string
		opts *retinue.Options
		want bool
	}{
		{"embedded", inMemory(), true},
		{"shared with its fence", &retinue.Options{DB: db, Prefix: []byte("a"), Fence: fence}, true},
		{"shared without a fence", &retinue.Options{DB: db, Prefix: []byte("b")}, false},
	} {
		if got := openBus(t, test.opts).Status().Guarded; got != test.want {
			t.Errorf("%s: guarded = %v, want %v", test.name, got, test.want)
		}
	}
}

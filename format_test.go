package retinue_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// A bus on the store that the first release of format 1 left orders what was
// staged there, and its followers go on where they stood.
func TestAStoreOfFormat1IsFollowedOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS("persistence/testdata/format-1")); err != nil {
		t.Fatal(err)
	}
	bus, err := retinue.Open(dir, &retinue.Options{KeyWindow: retinue.Forever})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBus(t, bus)
	wantHeads(t, bus, 9, 18) // deposited and passed were staged
	var handled []messages.TrimmableID
	err = bus.Follow(followers.Follower{Name: "balance", Every: func(t *followers.Turn) error {
		handled = append(handled, t.Entry().TrimmableID)
		value, err := t.Get([]byte("carol"))
		if err != nil {
			return err
		}
		return t.Set([]byte("erin"), value)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.CaughtUp(t.Context(), "balance"); err != nil {
		t.Fatal(err)
	}
	if len(handled) != 1 || handled[0] != 16 {
		t.Errorf("the follower saw %v, want the entry that was staged, 16", handled)
	}
	wantError(t, bus.Await(t.Context(), "paused/é\x00", messages.EventID(8)), messages.ErrUnknownFollower)
	again, err := bus.Submit(t.Context(), retinue.Request{Events: []messages.Event{note{"other"}}, Key: "\xffalways"})
	if err == nil {
		_, err = again.Wait(t.Context())
	}
	wantError(t, err, messages.ErrKeyConflict)
	report, err := bus.Verify(t.Context())
	if err != nil || report.Err() != nil {
		t.Errorf("verify: %v, %v", report.Err(), err)
	}
	wantHeads(t, bus, 9, 18)
}

package retinue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// Trap 23: fixed prefixes and a global counter allowed one log per database.
func TestBusesWithDifferentPrefixesDoNotSeeEachOther(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	prefixes := []string{"a", "ab", "a\x00", "a\x00\x01", "a\x00\xff", "\x00", "\xff", "\xff\xff", "aA", "a/writer"}
	var buses []*retinue.Bus
	for _, prefix := range prefixes {
		bus := sharedBus(t, db, prefix)
		followNotes(t, bus, "f")
		buses = append(buses, bus)
	}
	for round := range 3 {
		for i, bus := range buses {
			said := fmt.Sprintf("%q %d", prefixes[i], round)
			b := batchOf(t, db, "zzz")
			ticket := stageInto(t, bus, b, note{said})
			commitBatch(t, b)
			bus.Poke(ticket)
			at, err := ticket.Wait(t.Context())
			if err != nil || at.FirstEvent != messages.EventID(2*round+1) {
				t.Fatalf("prefix %q: %+v, %v", prefixes[i], at, err)
			}
			if err = countUp(t.Context(), bus); err == nil {
				err = bus.Await(t.Context(), "f", at)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, bus := range buses {
			wantCount(t, bus, round+1)
		}
	}
}

func TestOneProcessOpensAPrefixOnce(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	bus := sharedBus(t, db, "p")
	_, err := retinue.Open("", &retinue.Options{DB: db, Prefix: []byte("p"), Name: "other"})
	wantError(t, err, messages.ErrInUse)
	put(t, bus, note{"a"})
	closeBus(t, bus)
	wantTexts(t, sharedBus(t, db, "p"), messages.Permanent, "a")
}

func TestATurnWritesIntoTheProgramsDatabase(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	bus := sharedBus(t, db, "p")
	if err := bus.Follow(followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
		w, err := retinue.TurnBatch(turn)
		if err != nil {
			return err
		}
		if err := w.Set([]byte("from the turn"), nil, nil); err != nil {
			return err
		}
		if turn.Attempt() == 1 {
			return errors.New("not yet")
		}
		return w.Set([]byte("second attempt"), nil, nil)
	}, Restart: followers.Restart{Initial: time.Nanosecond, Max: time.Nanosecond}}); err != nil {
		t.Fatal(err)
	}
	if err := bus.Await(t.Context(), "f", put(t, bus, note{"a"})); err != nil {
		t.Fatal(err)
	}
	if !hasKey(t, db, "from the turn") || !hasKey(t, db, "second attempt") {
		t.Error("what the turn wrote is not there")
	}
}

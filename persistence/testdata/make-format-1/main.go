// Command make-format-1 wrote persistence/testdata/format-1, the store of
// format version 1 that every release must open. It is kept to tell what is in
// there, and is never run again: a fixture that is made anew proves nothing.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

type deposited struct {
	Account string
	Sats    uint64
}

func (deposited) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "deposited", Version: 3}
}

type passed struct{ Text string }

func (passed) EventType() messages.Type {
	return messages.Type{Module: "app", Kind: "passed", Persistence: messages.Trimmable}
}

type picture []byte

func (picture) EventType() messages.Type   { return messages.Type{Kind: "picture"} }
func (picture) EventCodec() messages.Codec { return messages.Raw }

type reversed struct{ Text string }

func (reversed) EventType() messages.Type {
	return messages.Type{Module: "\x00/é", Kind: "reversed", Version: 1<<32 - 1}
}
func (reversed) EventCodec() messages.Codec { return backwards{} }

// backwards is a codec of the application's.
type backwards struct{}

func (backwards) Name() string { return "backwards" }
func (backwards) Append(dst []byte, event any) ([]byte, error) {
	text := event.(reversed).Text
	for i := len(text) - 1; i >= 0; i-- {
		dst = append(dst, text[i])
	}
	return dst, nil
}
func (backwards) Decode([]byte, any) error { return errors.ErrUnsupported }

var ctx = context.Background()

func main() {
	dir := os.Args[1]
	if _, err := os.Stat(dir); err == nil {
		panic(dir + " exists")
	}
	first(dir)
	second(dir)
	stage(dir)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ok(err error) { must(0, err) }

// first fills the trimmable log, and trims it up to entry 6.
func first(dir string) {
	bus := must(retinue.Open(dir, &retinue.Options{Trim: retinue.Trim{MinEntries: -1, MinAge: -1}}))
	for i := range 4 {
		must(bus.Append(ctx, passed{fmt.Sprint("trimmed ", i)}))
	}
	must(bus.Append(ctx, deposited{"alice", 21}))
	trimmed := must(bus.Trim(ctx))
	fmt.Println("horizon", trimmed.Horizon)
	must(bus.Append(ctx, passed{"kept 1"}, picture{0, 0xff, 0xfe}, passed{"kept 2"}))
	ticket := must(bus.Submit(ctx, retinue.Request{Events: []messages.Event{deposited{"bob", 1}}, Key: "a day"}))
	must(ticket.Wait(ctx))
	ok(bus.Close())
}

func second(dir string) {
	bus := must(retinue.Open(dir, &retinue.Options{KeyWindow: retinue.Forever}))
	at := time.Date(1969, 7, 20, 20, 17, 40, 123456789, time.UTC)
	must(bus.Append(ctx, messages.Draft{
		Event: deposited{"carol", 1 << 60}, Instance: 1<<32 - 1, Time: at, Correlation: "order-7",
		Headers: map[string]string{"z": "last", "a": "", "é": "\x00"},
	}))
	must(bus.Append(ctx, reversed{"stressed"}, picture{}))
	ticket := must(bus.Submit(ctx, retinue.Request{Events: []messages.Event{passed{"kept 3"}}, Key: "\xffalways"}))
	must(ticket.Wait(ctx))
	must(bus.Update(ctx, func(tx *retinue.Tx) error {
		return errors.Join(tx.Set([]byte("config"), []byte(`{"a":1}`)), tx.Set([]byte{0}, nil), tx.Set([]byte{0xff, 0xff}, []byte{0}),
			tx.Append(deposited{"dave", 5}))
	}))
	follow(bus)
	ok(bus.Close())
}

func follow(bus *retinue.Bus) {
	fails := errors.New("cannot be handled")
	restart := followers.Restart{Initial: time.Millisecond, Max: time.Millisecond}
	ok(bus.Follow(followers.Follower{
		Name: "balance",
		Reactions: []followers.Reaction{followers.On(func(t *followers.Turn, e deposited) error {
			value := must(json.Marshal(e.Sats))
			if e.Account == "dave" {
				return errors.Join(t.Set([]byte(e.Account), value), t.Append(passed{"dave has " + string(value)}))
			}
			return t.Set([]byte(e.Account), value)
		})},
	}))
	nothing := func(*followers.Turn) error { return nil }
	ok(bus.Follow(followers.Follower{Name: "forgotten", Every: nothing}))
	ok(bus.Unfollow(ctx, "forgotten"))
	ok(bus.Forget(ctx, "forgotten"))
	ok(bus.CaughtUp(ctx, "balance"))
	ok(bus.Follow(followers.Follower{
		Name: "tail", Log: messages.TrimmableLog, Restart: restart, Poison: followers.Poison{Action: followers.Park, After: 2},
		Key: func(e messages.Entry) string {
			if e.Type.Kind == "passed" {
				return "sequence"
			}
			return ""
		},
		Every: func(t *followers.Turn) error {
			if t.Entry().Type.Kind == "passed" {
				return fails
			}
			return t.Set([]byte(t.Entry().TrimmableID.String()), t.Entry().Payload)
		},
	}))
	ok(bus.Follow(followers.Follower{
		Name: "skipper", Restart: restart, Poison: followers.Poison{Action: followers.Skip, After: 1},
		Every: func(t *followers.Turn) error {
			if t.Entry().Type.Kind == "picture" {
				return fails
			}
			return nil
		},
	}))
	ok(bus.Follow(followers.Follower{Name: "paused/é\x00", Start: followers.At(messages.EventID(3)), Every: nothing}))
	ok(bus.CaughtUp(ctx, "tail", "skipper", "paused/é\x00"))
	ok(bus.Pause(ctx, "paused/é\x00"))
	ok(bus.Follow(followers.Follower{
		Name: "given up", Restart: followers.Restart{Initial: time.Millisecond, Budget: 1},
		Every: func(*followers.Turn) error { return fails },
	}))
	if err := bus.CaughtUp(ctx, "given up"); !errors.Is(err, messages.ErrParked) {
		panic(err)
	}
}

// stage leaves a Stage call that is not ordered, as a crash would.
func stage(dir string) {
	o := &pebble.Options{}
	persistence.Configure(o)
	db := must(pebble.Open(filepath.Join(dir, "pebble"), o))
	keys := must(persistence.Open(persistence.Config{Dir: "keys", FS: vfs.NewMem()}))
	at := time.Date(2021, 1, 2, 3, 4, 5, 6, time.UTC)
	events := []messages.Prepared{
		must(messages.Prepare(messages.Draft{Event: deposited{"erin", 8}, Time: at, Headers: map[string]string{"k": "v"}}, 0)),
		must(messages.Prepare(messages.Draft{Event: passed{"staged"}, Time: at, Instance: 9}, 0)),
	}
	batch := db.NewBatch()
	ok(keys.Stage(batch, persistence.StagedID{Epoch: 2, Counter: 1}, events))
	ok(batch.Commit(pebble.Sync))
	ok(batch.Close())
	ok(db.Close())
	ok(keys.Close(ctx))
}

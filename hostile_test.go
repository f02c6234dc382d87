package retinue_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// long chooses between the two forms of a test: RETINUE_LONG=1 runs the long
// ones.
func long(short, full int) int {
	if os.Getenv("RETINUE_LONG") == "" {
		return short
	}
	return full
}

// lump is its payload and nothing else.
type lump []byte

func (lump) EventType() messages.Type   { return messages.Type{Kind: "lump"} }
func (lump) EventCodec() messages.Codec { return messages.Raw }

// lumpNames count against the limit of an event beside its payload.
const lumpNames = len("lump") + len("raw")

func TestPayloadsOfEverySizeUpToTheLimitComeBack(t *testing.T) {
	const limit = 2048
	fs := vfs.NewMem()
	bus := openBus(t, &retinue.Options{FS: fs, MaxEventSize: limit})
	source := make([]byte, limit)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(source)
	const largest = limit - lumpNames
	for size := 0; size <= largest; size += 64 {
		var events []messages.Event
		for n := size; n < min(size+64, largest+1); n++ {
			events = append(events, lump(source[:n]))
		}
		put(t, bus, events...)
	}
	var large *messages.TooLargeError
	_, err := bus.Append(t.Context(), lump(source[:largest+1]))
	if !errors.As(err, &large) || large.Size != limit+1 || large.Limit != limit {
		t.Errorf("one byte more is %v, want TooLargeError", err)
	}
	closeBus(t, bus)
	bus = openBus(t, &retinue.Options{FS: fs})
	n := 0
	for _, e := range read(t, bus, messages.Permanent) {
		if !bytes.Equal(e.Payload, source[:n]) {
			t.Fatalf("entry %v has %d bytes, want the %d that were appended", e.ID, len(e.Payload), n)
		}
		n++
	}
	if n != largest+1 {
		t.Errorf("%d entries, want %d", n, largest+1)
	}
}

func TestLargePayloadsUpToTheDefaultLimitComeBack(t *testing.T) {
	bus := openBus(t, inMemory())
	const largest = 1<<20 - lumpNames
	sizes := []int{4095, 4096, 32<<10 - 1, 32 << 10, 64<<10 + 1, 256<<10 - 7, 1<<19 + 1, largest - 1, largest}
	for _, size := range sizes {
		put(t, bus, lump(bytes.Repeat([]byte{byte(size)}, size)))
	}
	_, err := bus.Append(t.Context(), lump(make([]byte, largest+1)))
	wantError(t, err, messages.ErrTooLarge)
	for i, e := range read(t, bus, messages.Permanent) {
		if len(e.Payload) != sizes[i] || bytes.Count(e.Payload, []byte{byte(sizes[i])}) != sizes[i] {
			t.Errorf("entry %v has %d bytes, want %d of one kind", e.ID, len(e.Payload), sizes[i])
		}
	}
}

func TestTenThousandFollowersStandWhereTheyStood(t *testing.T) {
	count := long(1_000, 10_000)
	fs := vfs.NewMem()
	options := func() *retinue.Options { return &retinue.Options{FS: fs} }
	name := func(i int) string { return fmt.Sprintf("follower %d", i) }
	follow := func(bus *retinue.Bus) {
		t.Helper()
		for i := range count {
			err := bus.Follow(followers.Follower{Name: name(i), Every: func(t *followers.Turn) error {
				return t.Set(binary.BigEndian.AppendUint64(nil, uint64(t.Entry().ID)), t.Entry().Payload)
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(bus *retinue.Bus, at messages.Receipt) {
		t.Helper()
		for i := range count {
			if err := bus.Await(t.Context(), name(i), at.LastEvent); err != nil {
				t.Fatalf("%s: %v", name(i), err)
			}
		}
		if s := bus.Status(); len(s.Followers) != count {
			t.Errorf("status knows %d followers, want %d", len(s.Followers), count)
		}
	}
	bus := openBus(t, options())
	follow(bus)
	check(bus, put(t, bus, lump("1"), lump("2")))
	closeBus(t, bus)
	bus = openBus(t, options())
	follow(bus)
	check(bus, put(t, bus, lump("3")))
	err := bus.View(func(v *retinue.View) error {
		for i := range count {
			keys, err := v.Follower(name(i))
			if err != nil {
				return err
			}
			got := ""
			for kv, err := range keys.Scan(nil) {
				if err != nil {
					return err
				}
				got += string(kv.Value)
			}
			if got != "123" {
				t.Errorf("%s has reacted to %q, want each entry once", name(i), got)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// oddNames are UTF-8 and nothing else that a path, a key or an actor's name
// would like.
var oddNames = []string{
	"/", "a/b", "../..", "\x00", "a\x00", "\x00\x01", "\x00\xc3\xbf", " ", "\n", "$1", "retinue-a", "writer", "*", "é", "\U0010ffff",
	"\ufeff", "%s", strings.Repeat("n", messages.MaxName), strings.Repeat("\x00", messages.MaxName),
}

func TestFollowersOfAnyNameSurviveAReopen(t *testing.T) {
	fs := vfs.NewMem()
	for round := range 2 {
		bus := openBus(t, &retinue.Options{FS: fs})
		at := put(t, bus, lump("x"))
		for _, name := range oddNames {
			err := bus.Follow(followers.Follower{Name: name, Every: func(t *followers.Turn) error {
				return t.Set([]byte(name), binary.BigEndian.AppendUint64(nil, uint64(t.Entry().ID)))
			}})
			if err != nil {
				t.Fatalf("follow %q: %v", name, err)
			}
		}
		for _, name := range oddNames {
			if err := bus.Await(t.Context(), name, at); err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
		for _, f := range bus.Status().Followers {
			if f.Cursor != uint64(round+2) || f.Handled != uint64(round+1) || !slices.Contains(oddNames, f.Name) {
				t.Errorf("%q stands at %d and has handled %d", f.Name, f.Cursor, f.Handled)
			}
		}
		for _, name := range []string{"", "\xff", "a\xc3", strings.Repeat("n", messages.MaxName+1)} {
			err := bus.Follow(followers.Follower{Name: name, Every: func(*followers.Turn) error { return nil }})
			wantError(t, err, messages.ErrInvalid)
		}
		closeBus(t, bus)
	}
}

// odd is an event whose names are not nice; the parameter says which.
type odd[N interface{ names() (module, kind string) }] struct{ Text string }

func (odd[N]) EventType() messages.Type {
	var n N
	module, kind := n.names()
	return messages.Type{Module: module, Kind: kind}
}

type (
	slashes struct{}
	zeros   struct{}
	longest struct{}
	broken  struct{}
)

func (slashes) names() (string, string) { return "../", "/" }
func (zeros) names() (string, string)   { return "\x00", "\x00\x00" }
func (longest) names() (string, string) {
	return strings.Repeat("m", messages.MaxName), strings.Repeat("k", messages.MaxName)
}
func (broken) names() (string, string) { return "\xff", "k" }

func TestModulesAndKindsOfAnyNameSurviveAReopen(t *testing.T) {
	fs := vfs.NewMem()
	bus := openBus(t, &retinue.Options{FS: fs})
	put(t, bus, odd[slashes]{"s"}, odd[zeros]{"z"}, odd[longest]{"l"})
	_, err := bus.Append(t.Context(), odd[broken]{})
	wantError(t, err, messages.ErrInvalid)
	closeBus(t, bus)
	bus = openBus(t, &retinue.Options{FS: fs})
	wantOdd[slashes](t, bus, 1, "s")
	wantOdd[zeros](t, bus, 2, "z")
	wantOdd[longest](t, bus, 3, "l")
}

func wantOdd[N interface{ names() (module, kind string) }](t *testing.T, bus *retinue.Bus, id messages.EventID, text string) {
	t.Helper()
	page, err := bus.Page(t.Context(), retinue.Query{Filter: messages.Filter{Types: []messages.Type{odd[N]{}.EventType()}}})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].ID != id {
		t.Fatalf("%d entries of %+v, %v", len(page.Entries), odd[N]{}.EventType(), err)
	}
	if e, err := messages.Decode[odd[N]](page.Entries[0]); err != nil || e.Text != text {
		t.Errorf("%q, %v, want %q", e.Text, err, text)
	}
}

func TestASubscriberThatNeverReadsCostsNobodyAnything(t *testing.T) {
	const events = 100_000
	bus := openBus(t, inMemory())
	next, stop := iter.Pull2(bus.Subscribe(t.Context(), retinue.Subscription{}))
	defer stop()
	put(t, bus, signal{"first"})
	if e, err, ok := next(); err != nil || !ok || e.Type.Kind != "signal" {
		t.Fatalf("heard %v, %v", e, err)
	}
	batch := make([]messages.Event, 1000)
	for i := range batch {
		batch[i] = signal{"more"}
	}
	for range events / len(batch) {
		put(t, bus, batch...)
	}
	closeBus(t, bus)
	heard, lost := 0, uint64(0)
	for {
		_, err, ok := next()
		var gap *messages.GapError
		if errors.As(err, &gap) {
			lost += gap.Lost
			continue
		}
		if !ok || err != nil {
			break
		}
		heard++
	}
	if uint64(heard)+lost != events || lost == 0 || heard == 0 {
		t.Errorf("heard %d and lost %d of %d", heard, lost, events)
	}
}

func TestAFollowerWorksOffALongBacklogInOrder(t *testing.T) {
	entries := long(100_000, 1_000_000)
	bus := openBus(t, &retinue.Options{FS: vfs.NewMem(), Durability: retinue.None()})
	batch := make([]messages.Event, 1000)
	for i := range batch {
		batch[i] = lump("x")
	}
	var at messages.Receipt
	for range entries / len(batch) {
		at = put(t, bus, batch...)
	}
	seen := messages.EventID(0)
	err := bus.Follow(followers.Follower{Name: "late", Every: func(t *followers.Turn) error {
		if seen++; t.Entry().ID != seen {
			return fmt.Errorf("entry %v, want %v", t.Entry().ID, seen)
		}
		return t.Set([]byte("sum"), binary.BigEndian.AppendUint64(nil, uint64(seen)))
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Await(t.Context(), "late", at); err != nil {
		t.Fatal(err)
	}
	if seen != messages.EventID(entries) {
		t.Errorf("%v entries were seen, want %d", seen, entries)
	}
}

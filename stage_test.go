package retinue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// openDatabase opens a program's own database, closed with the test. Close
// buses in it first: open them later.
func openDatabase(t testing.TB, fs vfs.FS) *pebble.DB {
	t.Helper()
	o := &pebble.Options{FS: fs}
	persistence.Configure(o)
	db, err := pebble.Open("db", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return db
}

// keysOf returns all that a database holds.
func keysOf(t testing.TB, db *pebble.DB) map[string]string {
	t.Helper()
	it, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for it.First(); it.Valid(); it.Next() {
		all[string(it.Key())] = string(it.Value())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

func sharedBus(t testing.TB, db *pebble.DB, prefix string) *retinue.Bus {
	t.Helper()
	return openBus(t, &retinue.Options{DB: db, Prefix: []byte(prefix)})
}

// batchOf returns a batch that sets one key of the program.
func batchOf(t testing.TB, db *pebble.DB, key string) *pebble.Batch {
	t.Helper()
	b := db.NewBatch()
	if err := b.Set([]byte(key), []byte("user"), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func stageInto(t testing.TB, bus *retinue.Bus, b *pebble.Batch, events ...messages.Event) *retinue.Ticket {
	t.Helper()
	ticket, err := bus.Stage(b, events...)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func commitBatch(t testing.TB, b *pebble.Batch) {
	t.Helper()
	if err := b.Commit(pebble.Sync); err != nil {
		t.Fatal(err)
	}
}

func hasKey(t testing.TB, db *pebble.DB, key string) bool {
	t.Helper()
	_, closer, err := db.Get([]byte(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return closer.Close() == nil
}

// Trap 22: events and the state that they tell of are one commit.
func TestCommitIsAtomicWithTheProgramsBatch(t *testing.T) {
	fs := vfs.NewCrashableMem()
	db := openDatabase(t, fs)
	bus := sharedBus(t, db, "log/")
	at, err := bus.Commit(t.Context(), batchOf(t, db, "zed"), note{"a"}, hint{"b"})
	if err != nil || at.FirstEvent != 1 || at.LastTrimmable != 2 {
		t.Fatalf("receipt = %+v, %v", at, err)
	}
	if !hasKey(t, db, "zed") {
		t.Error("the program's key is not there")
	}
	cut := openDatabase(t, powerCut(fs))
	wantTexts(t, sharedBus(t, cut, "log/"), messages.TrimmableLog, "a", "b")
	if !hasKey(t, cut, "zed") {
		t.Error("the program's key did not survive the power cut")
	}

	_, err = bus.Commit(t.Context(), batchOf(t, db, "refused"), note{"c"}, nil)
	wantError(t, err, messages.ErrInvalid)
	if hasKey(t, db, "refused") {
		t.Error("the program's key came without its events")
	}
	at, err = bus.Commit(t.Context(), batchOf(t, db, "alone"))
	if err != nil || at.FirstEvent != 0 || !hasKey(t, db, "alone") {
		t.Errorf("commit without events = %+v, %v", at, err)
	}
	wantHeads(t, bus, 2, 3)
}

func TestCommitAndStageRefuseABatchThatIsNotTheBuss(t *testing.T) {
	db, foreign := openDatabase(t, vfs.NewMem()), openDatabase(t, vfs.NewMem())
	bus, embedded := sharedBus(t, db, "p"), openBus(t, inMemory())
	for name, call := range map[string]func() error{
		"Commit of nil":                    func() error { _, err := bus.Commit(t.Context(), nil, note{}); return err },
		"Stage into nil":                   func() error { _, err := bus.Stage(nil, note{}); return err },
		"Commit of another database":       func() error { _, err := bus.Commit(t.Context(), batchOf(t, foreign, "k"), note{}); return err },
		"Stage into another database":      func() error { _, err := bus.Stage(batchOf(t, foreign, "k"), note{}); return err },
		"Commit on an embedded bus":        func() error { _, err := embedded.Commit(t.Context(), batchOf(t, db, "k"), note{}); return err },
		"Stage on an embedded bus":         func() error { _, err := embedded.Stage(batchOf(t, db, "k"), note{}); return err },
		"Stage of nothing":                 func() error { _, err := bus.Stage(batchOf(t, db, "k")); return err },
		"Stage of a transient event":       func() error { _, err := bus.Stage(batchOf(t, db, "k"), note{}, signal{}); return err },
		"Stage of a nil event":             func() error { _, err := bus.Stage(batchOf(t, db, "k"), nil); return err },
		"Stage of an event without a kind": func() error { _, err := bus.Stage(batchOf(t, db, "k"), kindless{}); return err },
	} {
		if err := call(); !errors.Is(err, messages.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	put(t, bus, note{"a"})
	put(t, embedded, note{"a"})
	wantHeads(t, bus, 2, 2)
	wantHeads(t, embedded, 2, 2)
}

func TestPokeResolvesTheTicketsOfACommittedBatch(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	bus := sharedBus(t, db, "p")
	b := batchOf(t, db, "zed")
	first := stageInto(t, bus, b, note{"a"}, hint{"b"})
	second := stageInto(t, bus, b, note{"c"})
	wantHeads(t, bus, 1, 1)
	commitBatch(t, b)
	bus.Poke(first, second, nil)
	at, err := first.Wait(t.Context())
	if err != nil || at.FirstEvent != 1 || at.LastTrimmable != 2 {
		t.Errorf("first = %+v, %v", at, err)
	}
	at, err = second.Wait(t.Context())
	if err != nil || at.FirstEvent != 2 || at.FirstTrimmable != 3 {
		t.Errorf("second = %+v, %v", at, err)
	}
	wantTexts(t, bus, messages.TrimmableLog, "a", "b", "c")
	for key := range keysOf(t, db) {
		if strings.HasPrefix(key, "p\x00\x01U") {
			t.Errorf("%q is still staged", key)
		}
	}
}

func TestWhatIsStagedIsDurableWhenItsTicketResolves(t *testing.T) {
	fs := vfs.NewCrashableMem()
	db := openDatabase(t, fs)
	bus := sharedBus(t, db, "p")
	b := batchOf(t, db, "zed")
	ticket := stageInto(t, bus, b, note{"a"})
	if err := b.Commit(pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	bus.Poke(ticket)
	if _, err := ticket.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, sharedBus(t, openDatabase(t, powerCut(fs)), "p"), messages.Permanent, "a")
}

func TestAnAbortedBatchNeverAppears(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fs := vfs.NewMem()
		db := openDatabase(t, fs)
		bus := sharedBus(t, db, "p")
		b := batchOf(t, db, "zed")
		lost := stageInto(t, bus, b, note{"lost"})
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		put(t, bus, note{"a"})
		closeBus(t, bus)
		_, err := lost.Wait(t.Context())
		wantError(t, err, messages.ErrClosed)
		wantTexts(t, sharedBus(t, db, "p"), messages.Permanent, "a")
	})
}

func TestPokeBeforeTheCommitIsToldAndAPokeAfterItOrders(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	bus := sharedBus(t, db, "p")
	b := batchOf(t, db, "zed")
	ticket := stageInto(t, bus, b, note{"a"})
	bus.Poke(ticket)
	_, err := ticket.Wait(t.Context())
	wantError(t, err, messages.ErrNotStaged)
	commitBatch(t, b)
	bus.Poke(ticket)
	put(t, bus, note{"b"}) // behind the poke
	wantTexts(t, bus, messages.Permanent, "a", "b")
}

func TestTheWriterGoesOnLookingAfterAPokeThatCameTooEarly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := openDatabase(t, vfs.NewMem())
		bus := sharedBus(t, db, "p")
		b := batchOf(t, db, "zed")
		ticket := stageInto(t, bus, b, note{"a"})
		for range 2 {
			bus.Poke(ticket)
			_, err := ticket.Wait(t.Context())
			wantError(t, err, messages.ErrNotStaged)
		}
		commitBatch(t, b)
		time.Sleep(time.Second + time.Millisecond) // not at the instant of the look
		put(t, bus, note{"b"})
		wantTexts(t, bus, messages.Permanent, "a", "b")
	})
}

func TestTheWriterLooksForStagedEventsByItselfEachSecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := openDatabase(t, vfs.NewMem())
		bus := sharedBus(t, db, "p")
		b := batchOf(t, db, "zed")
		ticket := stageInto(t, bus, b, note{"a"})
		time.Sleep(10 * time.Second) // it goes on looking
		begun := time.Now()
		commitBatch(t, b)
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begun); waited > time.Second {
			t.Errorf("ordered after %v, want at most a second", waited)
		}
		wantTexts(t, bus, messages.Permanent, "a")
	})
}

func TestWhatACrashLeftStagedIsOrderedAtOpen(t *testing.T) {
	fs := vfs.NewCrashableMem()
	db := openDatabase(t, fs)
	bus := openBus(t, &retinue.Options{DB: db, Prefix: []byte("p"), UpdateTimeout: time.Hour})
	put(t, bus, note{"before"})
	// The process dies between the commit and the order: the clone is taken
	// while the writer is held, so that nobody can have looked.
	release := holdWriter(t, bus)
	for i := range 5 {
		b := batchOf(t, db, fmt.Sprint(i))
		stageInto(t, bus, b, note{fmt.Sprint(i)}, hint{fmt.Sprint(i)})
		stageInto(t, bus, b, note{fmt.Sprint(i, "b")})
		commitBatch(t, b)
	}
	cut := powerCut(fs)
	release()
	want := []string{"before", "0", "0b", "1", "1b", "2", "2b", "3", "3b", "4", "4b"}
	for range 2 { // and not again at the next
		db := openDatabase(t, cut)
		bus := sharedBus(t, db, "p")
		wantTexts(t, bus, messages.Permanent, want...)
		wantHeads(t, bus, 12, 17)
		closeBus(t, bus)
		cut = powerCut(cut)
	}
}

func TestWhatACrashLeftStagedIsReadWhenOpenReturnsWhateverTheDurability(t *testing.T) {
	for _, durability := range []retinue.Durability{{}, retinue.Interval(time.Second), retinue.None()} {
		fs := vfs.NewCrashableMem()
		db := openDatabase(t, fs)
		bus := openBus(t, &retinue.Options{DB: db, Prefix: []byte("p"), UpdateTimeout: time.Hour})
		b := batchOf(t, db, "zed")
		release := holdWriter(t, bus)
		stageInto(t, bus, b, note{"staged"})
		commitBatch(t, b)
		left := powerCut(fs)
		release()

		opts := &retinue.Options{DB: openDatabase(t, left), Prefix: []byte("p"), Durability: durability}
		wantTexts(t, openBus(t, opts), messages.Permanent, "staged")
		wantTexts(t, sharedBus(t, openDatabase(t, powerCut(left)), "p"), messages.Permanent, "staged")
	}
}

func TestABatchThatIsAppliedTwiceOrdersItsEventsOnce(t *testing.T) {
	fs := vfs.NewMem()
	db := openDatabase(t, fs)
	bus := sharedBus(t, db, "p")
	b := batchOf(t, db, "zed")
	ticket := stageInto(t, bus, b, note{"a"})
	copied := db.NewBatch()
	defer copied.Close()
	if err := copied.Apply(b, nil); err != nil {
		t.Fatal(err)
	}
	commitBatch(t, b)
	bus.Poke(ticket)
	if _, err := ticket.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	commitBatch(t, copied)
	bus.Poke(ticket)
	put(t, bus, note{"b"})
	wantTexts(t, bus, messages.Permanent, "a", "b")
	closeBus(t, bus)
	bus = sharedBus(t, db, "p")
	wantTexts(t, bus, messages.Permanent, "a", "b")
	for key := range keysOf(t, db) {
		if strings.HasPrefix(key, "p\x00\x01U") {
			t.Errorf("%q is still staged", key)
		}
	}
}

// They are ordered in several batches of the writer.
func TestOfManyStagedCallsThoseThatWereOrderedBeforeAreNotOrderedAgain(t *testing.T) {
	fs := vfs.NewMem()
	db := openDatabase(t, fs)
	bus := sharedBus(t, db, "p")
	first, again := db.NewBatch(), db.NewBatch()
	var early []*retinue.Ticket
	var before, after []string
	for i := range 8 {
		text := fmt.Sprint(i, strings.Repeat("-", 400<<10))
		b := batchOf(t, db, fmt.Sprint("k", i))
		ticket := stageInto(t, bus, b, note{text})
		if err := again.Apply(b, nil); err != nil {
			t.Fatal(err)
		}
		if i%3 == 1 {
			if err := first.Apply(b, nil); err != nil {
				t.Fatal(err)
			}
			before, early = append(before, text), append(early, ticket)
		} else {
			after = append(after, text)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	commitBatch(t, first)
	bus.Poke(early...)
	for _, ticket := range early {
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	commitBatch(t, again)
	closeBus(t, bus)
	bus = sharedBus(t, db, "p")
	wantTexts(t, bus, messages.Permanent, append(before, after...)...)
	for key := range keysOf(t, db) {
		if strings.HasPrefix(key, "p\x00\x01U") {
			t.Errorf("%q is still staged", key)
		}
	}
}

package retinue_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/internal/wallclock"
	"github.com/retinue-go/retinue/messages"
)

const day = 24 * time.Hour

// trimming is a bus that trims by hand, on a clock that the test sets.
type trimming struct {
	*retinue.Bus
	clock *wallClock
	opts  *retinue.Options
}

func openTrimming(t testing.TB, trim retinue.Trim) trimming {
	t.Helper()
	b := trimming{clock: newWallClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	trim.Off = true
	b.opts = &retinue.Options{FS: vfs.NewCrashableMem(), Trim: trim}
	wallclock.Set(b.opts, b.clock.Now)
	b.Bus = openBus(t, b.opts)
	return b
}

// reopen closes the bus and opens it again.
func (b *trimming) reopen(t testing.TB) {
	t.Helper()
	closeBus(t, b.Bus)
	b.Bus = openBus(t, b.opts)
}

// fill appends n hints at the present time of the clock.
func (b *trimming) fill(t testing.TB, n int) messages.Receipt {
	t.Helper()
	events := make([]messages.Event, n)
	for i := range events {
		events[i] = hint{strconv.Itoa(i)}
	}
	return put(t, b.Bus, events...)
}

// wantPass makes a pass and compares what it did.
func (b *trimming) wantPass(t testing.TB, want retinue.Trimmed) {
	t.Helper()
	got, err := b.Trim(t.Context())
	if err != nil || got != want {
		t.Errorf("the pass did %+v, %v, want %+v", got, err, want)
	}
	if s := b.Status().Trimmable; s.Horizon != uint64(want.Horizon) || s.Entries != s.Head-s.Horizon {
		t.Errorf("status says %+v, want the horizon %v", s, want.Horizon)
	}
}

func TestTrimKeepsExactlyMinEntriesTrap3(t *testing.T) {
	for _, test := range []struct{ entries, keep, goes int }{
		{9, 10, 0}, {10, 10, 0}, {11, 10, 1}, {25, 10, 15}, {3, -1, 3}, {1, 1, 0},
	} {
		b := openTrimming(t, retinue.Trim{MinEntries: test.keep, MinAge: -1})
		b.fill(t, test.entries)
		b.wantPass(t, retinue.Trimmed{Entries: uint64(test.goes), Horizon: messages.TrimmableID(test.goes + 1)})
		b.wantPass(t, retinue.Trimmed{Horizon: messages.TrimmableID(test.goes + 1)})
		if got := len(read(t, b.Bus, messages.TrimmableLog)); got != test.entries-test.goes {
			t.Errorf("%+v: %d entries are left", test, got)
		}
	}
}

func TestTrimKeepsByDefaultTenThousandEntriesAndFourteenDays(t *testing.T) {
	b := openTrimming(t, retinue.Trim{})
	for range 101 {
		b.fill(t, 100)
	}
	b.wantPass(t, retinue.Trimmed{Horizon: 1})
	b.clock.Advance(14 * day)
	b.wantPass(t, retinue.Trimmed{Horizon: 1})
	b.clock.Advance(time.Nanosecond)
	b.wantPass(t, retinue.Trimmed{Entries: 100, Horizon: 101})
}

func TestTrimGoesByOrderingTimeAndNotByEventTime(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: day})
	put(t, b.Bus, messages.Draft{Event: hint{"old event"}, Time: b.clock.Now().AddDate(-10, 0, 0)})
	b.wantPass(t, retinue.Trimmed{Horizon: 1})
	b.clock.Advance(day)
	b.fill(t, 1)
	b.clock.Advance(time.Hour)
	b.wantPass(t, retinue.Trimmed{Entries: 1, Horizon: 2})
}

func TestFutureDatedEntryDoesNotBlockTrimmingTrap9(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: 14 * day})
	put(t, b.Bus, messages.Draft{Event: hint{"from the future"}, Time: b.clock.Now().AddDate(70, 0, 0)})
	b.fill(t, 5)
	b.clock.Advance(15 * day)
	b.wantPass(t, retinue.Trimmed{Entries: 6, Horizon: 7})
}

func TestWallClockThatJumpsAheadAndBackDoesNotBlockTrimmingTrap9(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: 14 * day})
	b.clock.Advance(4 * 365 * day)
	b.fill(t, 3)
	b.clock.Advance(-4 * 365 * day)
	b.fill(t, 2)
	b.wantPass(t, retinue.Trimmed{Horizon: 1})
	b.clock.Advance(15 * day)
	b.wantPass(t, retinue.Trimmed{Entries: 5, Horizon: 6})
	b.fill(t, 1)
	if offset := b.Status().ClockOffset; offset < 4*365*day-time.Minute {
		t.Errorf("status shows a clock offset of %v", offset)
	}
	b.reopen(t)
	b.clock.Advance(15 * day)
	b.wantPass(t, retinue.Trimmed{Entries: 1, Horizon: 7})
}

func TestOnePassTrimsAtMostMaxPerPass(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: 2, MinAge: -1, MaxPerPass: 4})
	b.fill(t, 12)
	b.wantPass(t, retinue.Trimmed{Entries: 4, Horizon: 5})
	b.wantPass(t, retinue.Trimmed{Entries: 4, Horizon: 9})
	b.wantPass(t, retinue.Trimmed{Entries: 2, Horizon: 11})
	b.wantPass(t, retinue.Trimmed{Horizon: 11})
}

func TestPermanentEntriesOutliveTrimming(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: 1, MinAge: -1})
	put(t, b.Bus, note{"a"}, hint{"b"}, note{"c"}, hint{"d"})
	b.wantPass(t, retinue.Trimmed{Entries: 3, Horizon: 4})
	wantTexts(t, b.Bus, messages.Permanent, "a", "c")
	wantTexts(t, b.Bus, messages.TrimmableLog, "d")
}

// Trap 2: one old entry, trimmed, reopened; its id must not come again, and a
// follower behind it must get the next entry.
func TestIDsGoOnAfterEverythingWasTrimmedTrap2(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: -1})
	delivered := make(chan messages.TrimmableID, 10)
	follower := followers.Follower{
		Name: "behind", Log: messages.TrimmableLog,
		Every: func(t *followers.Turn) error {
			delivered <- t.Entry().TrimmableID
			return nil
		},
	}
	if err := b.Follow(follower); err != nil {
		t.Fatal(err)
	}
	if err := b.Await(t.Context(), "behind", b.fill(t, 1)); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(15 * day)
	b.wantPass(t, retinue.Trimmed{Entries: 1, Horizon: 2})
	b.reopen(t)
	wantHeads(t, b.Bus, 1, 2)
	if err := b.Follow(follower); err != nil {
		t.Fatal(err)
	}
	at := b.fill(t, 1)
	if err := b.Await(t.Context(), "behind", at); err != nil {
		t.Fatal(err)
	}
	close(delivered)
	var got []messages.TrimmableID
	for id := range delivered {
		got = append(got, id)
	}
	if want := []messages.TrimmableID{1, 2}; at.FirstTrimmable != 2 || !slices.Equal(got, want) {
		t.Errorf("the new entry is %v, delivered were %v, want %v", at.FirstTrimmable, got, want)
	}
}

// The horizon and the deletion are one commit: what a power cut leaves has
// both or neither, and heads and horizon never go back.
func TestPowerCutTakesATrimBackWholeOrNotAtAll(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: 3, MinAge: -1, MaxPerPass: 4})
	fs := b.opts.FS.(*vfs.MemFS)
	b.fill(t, 12)
	for horizon := uint64(1); horizon < 10; {
		if _, err := b.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		horizon = b.Status().Trimmable.Horizon
		left := *b.opts
		left.FS = powerCut(fs)
		again := openBus(t, &left)
		if s := again.Status().Trimmable; s.Horizon != horizon || s.Head != 13 {
			t.Errorf("after the power cut: %+v, want the horizon %d", s, horizon)
		}
		if got := len(read(t, again, messages.TrimmableLog)); got != int(13-horizon) {
			t.Errorf("after the power cut %d entries are left, the horizon is %d", got, horizon)
		}
		closeBus(t, again)
	}
}

// park starts a follower of the trimmable log that has read one hint and is
// paused.
func (b *trimming) park(t *testing.T, name string, onTrimmed followers.OnTrimmed) followers.Follower {
	t.Helper()
	f := followers.Follower{
		Name: name, Log: messages.TrimmableLog, Trimmed: onTrimmed,
		Every: func(*followers.Turn) error { return nil },
	}
	if err := b.Follow(f); err != nil {
		t.Fatal(err)
	}
	if err := b.Await(t.Context(), name, b.fill(t, 1)); err != nil {
		t.Fatal(err)
	}
	if err := b.Pause(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFollowerOfTheTrimmableLogHoldsTheTrimmer(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: -1, Hold: 10 * day})
	f := b.park(t, "slow", followers.Fail)
	b.fill(t, 5)
	b.wantPass(t, retinue.Trimmed{Entries: 1, Horizon: 2, Held: "slow"})
	b.reopen(t) // now it is stored only
	b.wantPass(t, retinue.Trimmed{Horizon: 2, Held: "slow"})
	if err := b.Follow(f); err != nil {
		t.Fatal(err)
	}
	if err := b.Resume(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	if err := b.CaughtUp(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	b.wantPass(t, retinue.Trimmed{Entries: 5, Horizon: 7})
}

func TestFollowerOfThePermanentLogDoesNotHoldTheTrimmer(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: -1})
	err := b.Follow(followers.Follower{Name: "permanent", Every: func(*followers.Turn) error { return errors.New("never") }})
	if err != nil {
		t.Fatal(err)
	}
	put(t, b.Bus, note{"a"}, hint{"b"})
	b.wantPass(t, retinue.Trimmed{Entries: 2, Horizon: 3})
}

func TestHoldIsFinite(t *testing.T) {
	for _, hold := range []time.Duration{0, 10 * day} {
		b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: -1, Hold: hold})
		if hold == 0 {
			hold = 90 * day
		}
		b.park(t, "slow", followers.Fail)
		b.fill(t, 3)
		b.clock.Advance(day)
		b.fill(t, 2)
		b.clock.Advance(hold - day)
		b.wantPass(t, retinue.Trimmed{Entries: 1, Horizon: 2, Held: "slow"})
		b.clock.Advance(time.Nanosecond)
		b.wantPass(t, retinue.Trimmed{Entries: 3, Horizon: 5, Held: "slow"})
	}
}

func TestFollowerBelowTheHorizonIsParkedVisiblyTrap4(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: -1, Hold: day})
	b.park(t, "slow", followers.Fail)
	b.fill(t, 5)
	b.clock.Advance(2 * day)
	b.wantPass(t, retinue.Trimmed{Entries: 6, Horizon: 7, Held: ""})
	at := b.fill(t, 1)
	if err := b.Resume(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	err := b.Await(t.Context(), "slow", at)
	wantError(t, err, messages.ErrParked)
	s := statusOf(t, b.Bus, "slow")
	var trimmed *messages.TrimmedError
	if !errors.As(s.LastError, &trimmed) || trimmed.Wanted != 2 || trimmed.Horizon != 7 {
		t.Errorf("last error = %v, want entry 2 below the horizon 7", s.LastError)
	}
	if s.State != "parked" || s.Cursor != 2 {
		t.Errorf("the follower is %v at %d, want it parked at 2", s.State, s.Cursor)
	}
}

func TestFollowerThatDeclaredItJumpsToTheHorizonAndCountsWhatItMissed(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: -1, MinAge: -1, Hold: day})
	b.park(t, "slow", followers.Jump)
	b.fill(t, 5)
	b.clock.Advance(2 * day)
	b.wantPass(t, retinue.Trimmed{Entries: 6, Horizon: 7})
	at := b.fill(t, 1)
	if err := b.Resume(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	if err := b.Await(t.Context(), "slow", at); err != nil {
		t.Fatal(err)
	}
	if s := statusOf(t, b.Bus, "slow"); s.Missed != 5 || s.Cursor != 8 || s.Handled != 2 {
		t.Errorf("it missed %d and handled %d up to %d, want 5 and 2 up to 8", s.Missed, s.Handled, s.Cursor)
	}
}

func TestNewFollowerStartsAtTheHorizonTrap4(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: 1, MinAge: -1})
	at := b.fill(t, 5)
	b.wantPass(t, retinue.Trimmed{Entries: 4, Horizon: 5})
	never := func(*followers.Turn) error { return nil }
	err := b.Follow(followers.Follower{Name: "new", Log: messages.TrimmableLog, Every: never})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Await(t.Context(), "new", at.LastTrimmable); err != nil {
		t.Fatal(err)
	}
	if s := statusOf(t, b.Bus, "new"); s.Handled != 1 || s.Missed != 0 {
		t.Errorf("it handled %d and missed %d, want 1 and 0", s.Handled, s.Missed)
	}
	err = b.Follow(followers.Follower{
		Name: "below", Log: messages.TrimmableLog, Start: followers.At(messages.TrimmableID(2)), Every: never,
	})
	wantError(t, err, messages.ErrTrimmed)
}

func TestTrimRefusesWhoMayNotTrim(t *testing.T) {
	b := openTrimming(t, retinue.Trim{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Trim(ended)
	wantError(t, err, context.Canceled)
	_, err = b.Update(t.Context(), func(*retinue.Tx) error {
		_, err := b.Trim(t.Context())
		return err
	})
	wantError(t, err, messages.ErrReentrant)
	closeBus(t, b.Bus)
	_, err = b.Trim(t.Context())
	wantError(t, err, messages.ErrClosed)
}

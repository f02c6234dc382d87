package retinue_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/internal/wallclock"
	"github.com/retinue-go/retinue/messages"
)

// logSyncs counts syncs of Pebble's write-ahead log.
type logSyncs struct{ n atomic.Int64 }

func (s *logSyncs) String() string { return "syncs of the log" }

func (s *logSyncs) MaybeError(op errorfs.Op) error {
	if strings.HasSuffix(op.Path, ".log") {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			s.n.Add(1)
		}
	}
	return nil
}

// After a process that did not end well, entries that may have been in flight
// are marked on disk one by one, with a sync each: those without a commit,
// once. A failure of another entry does not begin with them anew.
func TestOnlyWhatMayHaveBeenInFlightIsTriedOneByOneAfterACrash(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const inFlight, entries, fails = 2048, 4000, 10
		fs := vfs.NewCrashableMem()
		bus := openBus(t, &retinue.Options{FS: fs})
		f := followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 2},
			Every: func(turn *followers.Turn) error {
				if turn.Entry().ID%(entries/fails) == 0 && turn.Attempt() == 1 {
					return errRefused
				}
				return nil
			}}
		mustFollow(t, bus, f)
		if err := bus.Unfollow(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		all := make([]messages.Event, entries)
		for i := range all {
			all[i] = note{"a"}
		}
		put(t, bus, all...)
		cut := powerCut(fs)
		closeBus(t, bus)

		var syncs logSyncs
		bus = openBus(t, &retinue.Options{FS: errorfs.Wrap(cut, &syncs)})
		before := syncs.n.Load()
		mustFollow(t, bus, f)
		for statusOf(t, bus, "f").Cursor <= entries {
			time.Sleep(time.Second)
		}
		if s := statusOf(t, bus, "f"); s.Restarts != fails || s.Handled != entries {
			t.Errorf("%d restarts, %d handled, want %d and %d", s.Restarts, s.Handled, fails, entries)
		}
		n := syncs.n.Load() - before
		if n < inFlight || n > inFlight+5*fails {
			t.Errorf("%d syncs of the log, want one for each of %d entries, and few for %d failures", n, inFlight, fails)
		}
	})
}

// The entry that may have killed the process was trimmed since: there is
// nothing to blame any more, and what the follower declared for such a loss
// holds.
func TestAFollowerWhoseSuspectWasTrimmedJumpsIfItDeclaredSo(t *testing.T) {
	for _, trimmed := range []followers.OnTrimmed{followers.Jump, followers.Fail} {
		t.Run(trimmed.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) { suspectTrimmedInBubble(t, trimmed) })
		})
	}
}

func suspectTrimmedInBubble(t *testing.T, trimmed followers.OnTrimmed) {
	clock := newWallClock(time.Now())
	options := func(fs vfs.FS) *retinue.Options {
		o := &retinue.Options{FS: fs, Trim: retinue.Trim{Off: true, MinEntries: -1, MinAge: -1, Hold: time.Hour}}
		wallclock.Set(o, clock.Now)
		return o
	}
	var j journal
	f := followers.Follower{Name: "f", Log: messages.TrimmableLog, Trimmed: trimmed,
		Poison: followers.Poison{Action: followers.Park, After: 10}}
	dying := f
	in, let := make(chan struct{}), make(chan struct{})
	dying.Every = func(turn *followers.Turn) error {
		if turn.Attempt() == 1 {
			return errRefused // so that the next attempt is marked on disk
		}
		close(in)
		<-let
		return nil
	}
	f.Every = func(turn *followers.Turn) error { j.add("%d", turn.Entry().TrimmableID); return nil }

	fs := vfs.NewCrashableMem()
	bus := openBus(t, options(fs))
	mustFollow(t, bus, dying)
	put(t, bus, hint{"a"})
	<-in
	cut := powerCut(fs)
	close(let)
	closeBus(t, bus)

	bus = openBus(t, options(cut))
	put(t, bus, hint{"b"}, hint{"c"})
	clock.Advance(2 * time.Hour)
	put(t, bus, hint{"d"})
	if pass, err := bus.Trim(t.Context()); err != nil || pass.Horizon != 4 {
		t.Fatalf("trim = %+v, %v, want the horizon at 4", pass, err)
	}
	mustFollow(t, bus, f)
	time.Sleep(time.Minute)
	s := statusOf(t, bus, "f")
	if trimmed == followers.Jump {
		j.want(t, "4")
		if s.State != "idle" || s.Missed != 3 || s.Handled != 1 || s.Attempts != 0 || s.Parked != 0 {
			t.Errorf("status = %+v, want 3 missed and 1 handled", s)
		}
		return
	}
	j.want(t)
	wantError(t, s.LastError, messages.ErrTrimmed)
	if s.State != "parked" || s.Cursor != 1 {
		t.Errorf("status = %+v, want it parked where it stood", s)
	}
}

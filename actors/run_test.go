package actors

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

type ping struct{ N int }

func (ping) EventType() messages.Type { return messages.Type{Module: "test", Kind: "ping"} }

// startEngine runs an engine on a file system of its own.
func startEngine(t *testing.T) *Engine {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	store, err := persistence.Open(persistence.Config{Dir: "store", FS: vfs.NewMem(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	e, err := Start(Config{
		Name: "test", System: system, Store: store, Logger: quiet, Now: time.Now,
		MaxEventSize: 1 << 20, MaxAppendSize: 1 << 24, MaxPendingBytes: 1 << 24, MaxPendingEvents: 1 << 16,
		KeyWindow: time.Hour, UpdateTimeout: time.Minute, Trim: Trim{Every: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Close(context.Background()), store.Close(context.Background())); err != nil {
			t.Error(err)
		}
		system.Shutdown()
	})
	return e
}

func TestTheWriterRefusesTheCommitOfAReplacedIncarnation(t *testing.T) {
	e := startEngine(t)
	plan, err := followers.Follower{Name: "f", Every: func(*followers.Turn) error { return nil }}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := e.Follow(plan); err != nil {
		t.Fatal(err)
	}
	ticket, err := e.Submit(ctx, Append{Events: []messages.Event{ping{1}, ping{2}}})
	if err != nil {
		t.Fatal(err)
	}
	at, err := ticket.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Await(ctx, "f", at), e.Pause(ctx, "f")); err != nil {
		t.Fatal(err)
	}
	tr, err := e.tracker("f")
	if err != nil {
		t.Fatal(err)
	}
	old, cursor, err := tr.begin()
	if err != nil {
		t.Fatal(err)
	}
	present, _, err := tr.begin()
	if err != nil || present != old+1 {
		t.Fatalf("incarnation %d after %d: %v", present, old, err)
	}
	back := cursor
	back.Next = 1
	late := func(incarnation, expect uint64) *commitJob {
		state := e.Store.FollowerState(tr.number)
		state.Set([]byte("k"), []byte("late"))
		return &commitJob{tracker: tr, incarnation: incarnation, expect: expect, cursor: back, state: state}
	}
	for name, job := range map[string]*commitJob{
		"of a replaced incarnation":     late(old, cursor.Next),
		"from where the cursor was not": late(present, cursor.Next-1),
	} {
		if err := e.commit(job); !errors.Is(err, errStale) {
			t.Errorf("commit %s: %v, want %v", name, err, errStale)
		}
	}
	if v, err := e.Store.FollowerState(tr.number).Get([]byte("k")); v != nil || err != nil {
		t.Errorf("the late commit has left %q, %v", v, err)
	}
	if got := tr.applied.Load(); got != cursor.Next {
		t.Errorf("the late commit has moved the cursor from %d to %d", cursor.Next, got)
	}
	if err := e.commit(late(present, cursor.Next)); err != nil {
		t.Errorf("commit of the present incarnation: %v", err)
	}
}

func TestACommandAfterForgetLeavesNoRecord(t *testing.T) {
	e := startEngine(t)
	plan, err := followers.Follower{Name: "f", Every: func(*followers.Turn) error { return nil }}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := errors.Join(e.Follow(plan), e.Unfollow(ctx, "f")); err != nil {
		t.Fatal(err)
	}
	tr, err := e.tracker("f") // as a command that passed the door before Forget
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Forget(ctx, "f"); err != nil {
		t.Fatal(err)
	}
	err = tr.changeControl(func(c *persistence.Control) { c.Paused = true })
	if !errors.Is(err, messages.ErrUnknownFollower) {
		t.Errorf("pause after Forget: %v", err)
	}
	if err := e.claim(tr); !errors.Is(err, messages.ErrUnknownFollower) {
		t.Errorf("follow after Forget: %v", err)
	}
	if err := e.Follow(plan); err != nil {
		t.Fatal(err)
	}
	again, err := e.tracker("f")
	if err != nil || again.number <= tr.number {
		t.Errorf("number %d after %d was forgotten, %v", again.number, tr.number, err)
	}
}

package faults

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// noted is a context that tells when somebody begins to wait for its end.
type noted struct {
	context.Context
	once  sync.Once
	waits chan struct{}
}

func newNoted() *noted {
	return &noted{Context: context.Background(), waits: make(chan struct{})}
}

func (n *noted) Done() <-chan struct{} {
	n.once.Do(func() { close(n.waits) })
	return n.Context.Done()
}

// fencedBus is a bus in a shared database whose fence a test may trip.
func fencedBus(t *testing.T, opts retinue.Options) (*retinue.Bus, *persistence.Fence) {
	t.Helper()
	o := &pebble.Options{FS: vfs.NewMem()}
	fence := persistence.Configure(o)
	db, err := pebble.Open("db", o)
	if err != nil {
		t.Fatal(err)
	}
	opts.DB, opts.Prefix, opts.Fence = db, []byte("p"), fence
	bus, err := retinue.Open("", &opts)
	if err != nil {
		t.Fatal(err)
	}
	return bus, fence
}

// hold keeps the writer in an Update, which writes nothing, until let is
// closed; gone is closed when it has returned.
func hold(bus *retinue.Bus, let <-chan struct{}) (gone <-chan struct{}) {
	in, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_, _ = bus.Update(context.Background(), func(*retinue.Tx) error {
			close(in)
			<-let
			return nil
		})
	}()
	<-in
	return done
}

func wantFailed(t *testing.T, what string, err, cause error) {
	t.Helper()
	if !errors.Is(err, messages.ErrFailed) || cause != nil && !errors.Is(err, cause) {
		t.Errorf("%s said %v, want ErrFailed with its cause %v", what, err, cause)
	}
}

// The writer comes to them one after the other, and must not hand itself over:
// each would hold it for as long as an Update may take.
func TestUpdatesThatWaitWhenTheBusFailsAreNotBegun(t *testing.T) {
	bus, fence := fencedBus(t, retinue.Options{UpdateTimeout: time.Hour})
	let := make(chan struct{})
	held := hold(bus, let)
	const n = 5
	answers := make(chan error, n)
	for range n {
		ctx := newNoted()
		go func() {
			_, err := bus.Update(ctx, func(*retinue.Tx) error { return errors.New("the closure ran") })
			answers <- err
		}()
		<-ctx.waits // it is in the queue
	}
	fence.Trip(errDisk)
	close(let)
	for range n {
		wantFailed(t, "Update", <-answers, errDisk)
	}
	<-held
	wantFailed(t, "Close", bus.Close(), errDisk)
}

func TestAnAppendThatWaitsForRoomWhenTheBusFailsIsRefused(t *testing.T) {
	for name, opts := range map[string]retinue.Options{
		"for events": {MaxPendingEvents: 1},
		"for bytes":  {MaxPendingBytes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			opts.UpdateTimeout = time.Hour
			bus, fence := fencedBus(t, opts)
			let := make(chan struct{})
			held := hold(bus, let)
			submit := func(ctx context.Context) (*retinue.Ticket, error) {
				return bus.Submit(ctx, retinue.Request{Events: []messages.Event{filler("x")}})
			}
			fills, err := submit(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			answers := make(chan error, 2)
			for range 2 {
				ctx := newNoted()
				go func() { _, err := submit(ctx); answers <- err }()
				<-ctx.waits
			}
			fence.Trip(errDisk)
			for range 2 {
				wantFailed(t, "Submit", <-answers, errDisk)
			}
			close(let)
			_, err = fills.Wait(context.Background())
			wantFailed(t, "the ticket of what was accepted", err, errDisk)
			<-held
			wantFailed(t, "Close", bus.Close(), errDisk)
		})
	}
}

func quiet() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}

// Only the program can do that, in its own actor system; a bus that lacks an
// actor says so, and hangs nobody.
func TestABusWhoseActorIsStoppedFromOutsideFails(t *testing.T) {
	for _, name := range []string{"writer", "trimmer", "followers", ""} {
		t.Run("retinue-bus/"+name, func(t *testing.T) {
			system := quiet()
			defer system.Shutdown()
			bus, err := retinue.Open("store", &retinue.Options{FS: vfs.NewMem(), ActorSystem: system, Name: "bus"})
			if err != nil {
				t.Fatal(err)
			}
			follower := func(name string) followers.Follower {
				return followers.Follower{Name: name, Every: func(*followers.Turn) error { return nil }}
			}
			if err := bus.Follow(follower("before")); err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			events := bus.Subscribe(ctx, retinue.Subscription{})
			id := "retinue-bus"
			if name != "" {
				id += "/" + name
			}
			if err := system.Root.StopFuture(actor.NewPID(system.Address(), id)).Wait(); err != nil {
				t.Fatal(err)
			}
			for _, err := range events { // ends when the bus has failed
				wantFailed(t, "Subscribe", err, nil)
			}
			wantFailed(t, "Status", bus.Status().Failed, nil)
			_, err = bus.Append(ctx, filler("x"))
			wantFailed(t, "Append", err, nil)
			_, err = bus.Update(ctx, func(*retinue.Tx) error { return nil })
			wantFailed(t, "Update", err, nil)
			_, err = bus.Trim(ctx)
			wantFailed(t, "Trim", err, nil)
			wantFailed(t, "Follow", bus.Follow(follower("behind")), nil)
			err = bus.Await(ctx, "before", messages.EventID(1)) // its actor may be gone with its parent
			if !errors.Is(err, messages.ErrFailed) && !errors.Is(err, messages.ErrUnknownFollower) {
				t.Errorf("Await said %v", err)
			}
			wantFailed(t, "Pause", bus.Pause(ctx, "before"), nil)
			wantFailed(t, "Close", bus.Close(), nil)
		})
	}
}

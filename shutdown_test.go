package retinue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// inside are the places from which a Close would wait for itself; each calls f
// there.
var inside = map[string]func(t *testing.T, bus *retinue.Bus, f func()){
	"a reaction": func(t *testing.T, bus *retinue.Bus, f func()) {
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(*followers.Turn) error { f(); return nil }})
		put(t, bus, note{"a"})
	},
	"a batch": func(t *testing.T, bus *retinue.Bus, f func()) {
		mustFollow(t, bus, followers.Follower{Name: "f", Batch: func(*followers.Turn, []messages.Entry) error { f(); return nil }})
		put(t, bus, note{"a"})
	},
	"an Update": func(t *testing.T, bus *retinue.Bus, f func()) {
		go func() { _, _ = bus.Update(t.Context(), func(*retinue.Tx) error { f(); return nil }) }()
	},
	"a View": func(_ *testing.T, bus *retinue.Bus, f func()) {
		go func() { _ = bus.View(func(*retinue.View) error { f(); return nil }) }()
	},
}

func TestCloseFromWhereItWouldWaitForItselfIsRefused(t *testing.T) {
	for name, enter := range inside {
		for _, other := range []string{"alone", "during another Close"} {
			t.Run(name+" "+other, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					bus := openBus(t, inMemory())
					let, refused := make(chan struct{}), make(chan error, 1)
					enter(t, bus, func() {
						<-let
						refused <- bus.Close()
					})
					synctest.Wait()
					closed := make(chan error, 1)
					if other != "alone" {
						go func() { closed <- bus.Close() }()
						synctest.Wait()
					}
					close(let)
					wantError(t, <-refused, messages.ErrReentrant)
					if other == "alone" {
						put(t, bus, note{"b"}) // the bus works on
						return
					}
					if err := <-closed; err != nil {
						t.Errorf("the other Close: %v", err)
					}
				})
			})
		}
	}
}

// shutFor is Shutdown with a deadline, which must be met, and missed.
func shutFor(t testing.TB, bus *retinue.Bus, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	before := time.Now()
	wantError(t, bus.Shutdown(ctx), context.DeadlineExceeded)
	if took := time.Since(before); took != d {
		t.Errorf("Shutdown took %v, want %v", took, d)
	}
	_, err := bus.Append(t.Context(), note{"late"})
	wantError(t, err, messages.ErrClosed)
}

func TestShutdownKeepsItsDeadlineBehindAnotherClose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		release := make(chan struct{})
		mustFollow(t, bus, blocking("f", &j, release))
		put(t, bus, note{"a"})
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- bus.Close() }()
		synctest.Wait()
		shutFor(t, bus, time.Second)
		close(release)
		if err := <-closed; err != nil {
			t.Errorf("the other Close: %v", err)
		}
		j.want(t, "in 1 attempt 1", "out")
	})
}

func TestCloseBehindACloseThatGaveUpGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		release := make(chan struct{})
		mustFollow(t, bus, blocking("f", &j, release))
		put(t, bus, note{"a"})
		synctest.Wait()
		gave, closed := make(chan error, 1), make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { gave <- bus.Shutdown(ctx) }()
		synctest.Wait()
		go func() { closed <- bus.Close() }()
		wantError(t, <-gave, messages.ErrStuck, context.DeadlineExceeded)
		close(release)
		if err := <-closed; err != nil {
			t.Errorf("the Close that waited: %v", err)
		}
	})
}

func TestShutdownKeepsItsDeadlineBehindAView(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		bus := openBus(t, opts)
		let, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- bus.View(func(*retinue.View) error { <-let; return nil }) }()
		synctest.Wait()
		for range 2 {
			shutFor(t, bus, time.Second)
		}
		close(let)
		if err := <-done; err != nil {
			t.Error(err)
		}
		closeBus(t, bus)
		closeBus(t, openBus(t, opts)) // the store is free
	})
}

func TestAViewUnderWayReadsOnWhileTheBusCloses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error { return tx.Set([]byte("k"), []byte("v")) })
		if err != nil {
			t.Fatal(err)
		}
		let, done := make(chan struct{}), make(chan error, 1)
		go func() {
			done <- bus.View(func(v *retinue.View) error {
				<-let
				value, err := v.Get([]byte("k"))
				if string(value) != "v" {
					t.Errorf("the view reads %q, %v", value, err)
				}
				for kv, err := range v.Scan(nil) {
					if string(kv.Value) != "v" || err != nil {
						t.Errorf("the view scans %q, %v", kv.Value, err)
					}
				}
				return err
			})
		}()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- bus.Close() }()
		synctest.Wait()
		close(let)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownKeepsItsDeadlineBehindALongUpdate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := &retinue.Options{FS: vfs.NewMem(), UpdateTimeout: time.Hour}
		bus := openBus(t, opts)
		let, done := make(chan struct{}), make(chan error, 1)
		go func() {
			_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error { <-let; return tx.Append(note{"a"}) })
			done <- err
		}()
		synctest.Wait()
		for range 2 {
			shutFor(t, bus, time.Second)
		}
		close(let)
		if err := <-done; err != nil {
			t.Errorf("an update that was accepted before: %v", err)
		}
		closeBus(t, bus)
		wantTexts(t, openBus(t, opts), messages.Permanent, "a")
	})
}

// tellable is a raw follower that answers every delivery, and waits for let
// when it is told to; told gets its PID.
func tellable(name string, told chan<- *actor.PID, let <-chan struct{}) followers.Follower {
	return followers.Follower{Name: name, Props: actor.PropsFromFunc(func(c actor.Context) {
		switch m := c.Message().(type) {
		case *actor.Started:
			told <- c.Self()
		case *followers.Deliver:
			c.Respond(m.Done(nil))
		case string:
			<-let
		}
	})}
}

// The behaviour is stuck outside of a delivery: no turn knows of it, but the
// tree cannot end.
func TestATreeThatWasStuckIsClosedByTheNextShutdown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		opts := inMemory()
		opts.ActorSystem = quietActors(t)
		bus := openBus(t, opts)
		told, let := make(chan *actor.PID, 1), make(chan struct{})
		mustFollow(t, bus, tellable("f", told, let))
		reached(t, bus, "f", put(t, bus, note{"a"}))
		opts.ActorSystem.Root.Send(<-told, "wait")
		synctest.Wait()
		for range 2 {
			shutFor(t, bus, time.Second)
		}
		close(let)
		if err := bus.Shutdown(t.Context()); err != nil {
			t.Errorf("the last Shutdown: %v", err)
		}
		wantTexts(t, openBus(t, opts), messages.Permanent, "a")
	})
}

// slowNote takes its time to encode.
type slowNote struct{ in, let chan struct{} }

func (slowNote) EventType() messages.Type { return messages.Type{Module: "test", Kind: "slow"} }

func (s slowNote) MarshalJSON() ([]byte, error) {
	close(s.in)
	<-s.let
	return []byte("{}"), nil
}

// What was staged must be answered, or refused: here Close comes between the
// door and the ticket.
func TestAStageCallThatCloseOvertakesIsAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := openDatabase(t, vfs.NewMem())
		bus := sharedBus(t, db, "p")
		b := batchOf(t, db, "mine")
		slow := slowNote{make(chan struct{}), make(chan struct{})}
		answer := make(chan error, 1)
		go func() {
			ticket, err := bus.Stage(b, slow)
			if err == nil {
				_, err = ticket.Wait(t.Context())
			}
			answer <- err
		}()
		<-slow.in
		closeBus(t, bus)
		close(slow.let)
		wantError(t, <-answer, messages.ErrClosed)
	})
}

// A ticket that was given out before Close is answered by it; what its batch
// holds is ordered by the next bus.
func TestCloseAnswersEveryTicketOfAStageCall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		db := openDatabase(t, vfs.NewMem())
		bus := sharedBus(t, db, "p")
		b := batchOf(t, db, "mine")
		ticket := stageInto(t, bus, b, note{"a"})
		answer := make(chan error, 1)
		go func() { _, err := ticket.Wait(t.Context()); answer <- err }()
		synctest.Wait()
		closeBus(t, bus)
		wantError(t, <-answer, messages.ErrClosed)
		if err := b.Commit(pebble.Sync); err != nil {
			t.Fatal(err)
		}
		wantTexts(t, sharedBus(t, db, "p"), messages.Permanent, "a")
	})
}

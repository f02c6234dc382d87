package retinue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
)

func TestAwaitEndsWithItsContextWhileTheWriterIsHeld(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		mustFollow(t, bus, refusing("f", followers.Poison{}))
		at := put(t, bus, note{"a"})
		synctest.Wait() // the turn is committed, and not synced
		held := make(chan error, 1)
		go func() {
			_, err := bus.Update(t.Context(), func(*retinue.Tx) error {
				time.Sleep(4 * time.Second)
				return nil
			})
			held <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := time.Now()
		wantError(t, bus.Await(ctx, "f", at), context.DeadlineExceeded)
		if d := time.Since(before); d != time.Second {
			t.Errorf("it took %v, want the second of its context", d)
		}
		if err := <-held; err != nil {
			t.Error(err)
		}
	})
}

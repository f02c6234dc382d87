package peers

import (
	"fmt"
	"sync"
	"testing"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
)

// TestEveryPeerDoesWhatItSaysItCan holds each of them to the little that the
// workloads ask for; one that answers without having done it would win.
func TestEveryPeerDoesWhatItSaysItCan(t *testing.T) {
	for _, p := range All() {
		for _, unsynced := range []bool{false, true} {
			if unsynced && !p.LaterSync {
				continue
			}
			t.Run(fmt.Sprintf("%s unsynced=%v", p.Name, unsynced), func(t *testing.T) { check(t, p, unsynced) })
		}
	}
}

func check(t *testing.T, p Peer, unsynced bool) {
	if p.Durability != measure.Synced && p.Durability != measure.Unsynced && p.Durability != measure.InMemory || p.Note == "" {
		t.Errorf("durability %q, note %q", p.Durability, p.Note)
	}
	log, err := p.Open(engines.Config{Dir: t.TempDir(), Payloads: engines.Payloads(128), Producers: 4, Unsynced: unsynced})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	const batch, producers, each = 300, 4, 2
	if err := log.(BatchAppender).AppendBatch(t.Context(), 0, batch); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range producers {
		all.Go(func() {
			for n := range each {
				if err := log.(Appender).Append(t.Context(), uint64(i*each+n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := log.(Consumer).Consume(t.Context(), batch+producers*each); err != nil {
		t.Errorf("consume: %v", err)
	}
	if u, can := log.(Updater); can {
		for range 2 {
			if err := u.Update(t.Context(), []byte("key")); err != nil {
				t.Errorf("update: %v", err)
			}
		}
	}
}

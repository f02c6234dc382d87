package workloads

import (
	"errors"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/peers"
)

// within opens a store, has do measure with it, and closes it.
func within[S interface{ Close() error }](open func(engines.Config) (S, error), c engines.Config, do func(S) (measure.Sample, error)) (measure.Sample, error) {
	store, err := open(c)
	if err != nil {
		return measure.Sample{}, err
	}
	s, err := do(store)
	return s, errors.Join(err, store.Close())
}

// able are the peers that are a T.
func able[T any]() []peers.Peer {
	var found []peers.Peer
	for _, peer := range peers.All() {
		if _, can := peer.Log.(T); can {
			found = append(found, peer)
		}
	}
	return found
}

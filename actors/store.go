package actors

import (
	"iter"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// turnStore is the follower's keys as a turn sees them.
type turnStore struct {
	run   *run
	batch *persistence.UserBatch
}

func (s *turnStore) Get(key []byte) ([]byte, error) { return s.run.state.Get(key) }

func (s *turnStore) Set(key, value []byte) error {
	s.run.state.Set(key, value)
	return nil
}

func (s *turnStore) Delete(key []byte) error {
	s.run.state.Delete(key)
	return nil
}

func (s *turnStore) Scan(prefix []byte) iter.Seq2[followers.KeyValue, error] {
	return func(yield func(followers.KeyValue, error) bool) {
		for kv, err := range s.run.state.Scan(prefix) {
			if !yield(followers.KeyValue{Key: kv.Key, Value: kv.Value}, err) {
				return
			}
		}
	}
}

// Batch returns the batch of the program's own database that commits with the
// turn. Errors: [messages.InvalidError] where the database is not shared.
func (s *turnStore) Batch() (*persistence.UserBatch, error) {
	if !s.run.tracker.engine.Store.Shared() {
		return nil, messages.Invalid("turn", "follower %q has no shared database", s.run.tracker.name)
	}
	if s.batch == nil {
		s.batch = s.run.tracker.engine.Store.NewUserBatch()
	}
	return s.batch, nil
}

// join adds the turn's batch to those of the turns before it.
func (s *turnStore) join(all **persistence.UserBatch) error {
	batch := s.batch
	s.batch = nil
	switch {
	case batch == nil:
	case *all == nil:
		*all = batch
	default:
		return (*all).Add(batch)
	}
	return nil
}

// size is what the turn's batch takes.
func (s *turnStore) size() int {
	if s.batch == nil {
		return 0
	}
	return s.batch.Size()
}

func (s *turnStore) drop() { s.batch = nil }

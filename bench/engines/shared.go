package engines

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Shared is a bus that lives in the program's own database.
type Shared struct {
	Retinue
	DB *pebble.DB
}

// OpenShared opens or creates the database in c.Dir and the bus in it.
func OpenShared(c Config) (*Shared, error) {
	o := PebbleOptions(c.Profile)
	fence := persistence.Configure(o)
	db, err := pebble.Open(c.Dir, o)
	if err != nil {
		return nil, err
	}
	bus, err := retinue.Open("", &retinue.Options{DB: db, Prefix: []byte("bus"), Fence: fence, Trim: TrimAll})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Shared{Retinue: Retinue{Bus: bus, Events: events(c.Payloads)}, DB: db}, nil
}

// SharedOptions are those of OpenShared's database, to open it without a bus.
func SharedOptions(p persistence.Profile) *pebble.Options {
	o := PebbleOptions(p)
	persistence.Configure(o)
	return o
}

// Close closes the bus, then the database.
func (s *Shared) Close() error { return errors.Join(s.Bus.Close(), s.DB.Close()) }

// StageOne sets one of the program's keys and stages one event in one batch,
// commits it, and returns when the event is ordered.
func (s *Shared) StageOne(ctx context.Context, key []byte, n uint64) error {
	batch := s.DB.NewBatch()
	defer batch.Close()
	ticket, err := s.Stage(batch, s.Events[n%uint64(len(s.Events))])
	if err != nil {
		return err
	}
	if err := errors.Join(batch.Set(key, make([]byte, ReactionSize), nil), batch.Commit(pebble.Sync)); err != nil {
		return err
	}
	s.Poke(ticket)
	_, err = ticket.Wait(ctx)
	return err
}

// CommitOne has the writer commit the same batch with the event.
func (s *Shared) CommitOne(ctx context.Context, key []byte, n uint64) error {
	batch := s.DB.NewBatch()
	defer batch.Close()
	if err := batch.Set(key, make([]byte, ReactionSize), nil); err != nil {
		return err
	}
	_, err := s.Commit(ctx, batch, s.Events[n%uint64(len(s.Events))])
	return err
}

// StageMany stages n events, one call each, in one batch that it commits.
func (s *Shared) StageMany(n int) error {
	batch := s.DB.NewBatch()
	defer batch.Close()
	for i := range n {
		if _, err := s.Stage(batch, s.Pick(i)); err != nil {
			return err
		}
	}
	return batch.Commit(pebble.Sync)
}

func events(payloads [][]byte) []messages.Event {
	events := make([]messages.Event, len(payloads))
	for i, payload := range payloads {
		events[i] = Event(payload)
	}
	return events
}

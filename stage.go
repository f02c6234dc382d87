package retinue

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/actors"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Commit commits the program's own batch together with events: the normal way
// to append in a shared database. The batch is copied into the writer's and
// must not be committed as well; it stays the caller's to close. events may be
// empty.
//
// Errors: those of Append, [messages.TooLargeError] for a batch over
// [Options.MaxAppendSize], and [messages.InvalidError] on a bus that shares no
// database.
func (b *Bus) Commit(ctx context.Context, batch *pebble.Batch, events ...messages.Event) (messages.Receipt, error) {
	if err := b.shared("Commit", batch); err != nil {
		return messages.Receipt{}, err
	}
	t, err := b.engine.Submit(ctx, actors.Append{Events: events, Beside: b.store.CopyBatch(batch)})
	if err != nil {
		return messages.Receipt{}, err
	}
	return t.Wait(ctx)
}

// Stage writes events into the program's own batch, for who must commit it
// himself. Once the batch is committed, the events are ordered: at the next
// [Bus.Poke], within a second or so, or when the bus is opened again after a
// crash. What an aborted batch staged never appears. Several Stage calls in
// one batch are all ordered, or none. A batch that is applied twice orders its
// events once, within [Options.KeyWindow].
//
// The ticket resolves when the events are ordered and durable; until then it
// is outstanding, also for a batch that is never committed.
//
// Errors: [messages.InvalidError] also for a transient event,
// [messages.TooLargeError], [messages.ErrReentrant], [messages.ErrClosed]. The
// ticket's: [messages.ErrNotStaged] after a Poke before the commit,
// [messages.ErrClosed], [messages.FailedError].
func (b *Bus) Stage(batch *pebble.Batch, events ...messages.Event) (*Ticket, error) {
	if err := b.shared("Stage", batch); err != nil {
		return nil, err
	}
	return b.engine.Stage(events, func(id persistence.StagedID, prepared []messages.Prepared) error {
		return b.store.Stage(batch, id, prepared)
	})
}

// Poke tells the writer that the batches of the tickets are committed, so that
// it need not wait until it looks by itself.
func (b *Bus) Poke(tickets ...*Ticket) { b.engine.Poke(tickets) }

func (b *Bus) shared(what string, batch *pebble.Batch) error {
	if !b.store.Shared() {
		return messages.Invalid(what, "the bus has a database of its own: use Update")
	}
	if batch == nil {
		return messages.Invalid(what, "no batch")
	}
	if b.store.Foreign(batch) {
		return messages.Invalid(what, "the batch is of another database")
	}
	return nil
}

// TurnBatch returns the batch of the program's own database that commits with
// the turn, to write to. It is valid until the turn ends; what was written
// into it is not visible before the commit, and counts against
// [Options.MaxAppendSize]. Errors: [messages.InvalidError] where the database
// is not shared, or the turn is a unit test's.
func TurnBatch(t *followers.Turn) (pebble.Writer, error) {
	store, ok := t.Store().(interface {
		Batch() (*persistence.UserBatch, error)
	})
	if !ok {
		return nil, messages.Invalid("turn", "it has no database")
	}
	batch, err := store.Batch()
	if err != nil {
		return nil, err
	}
	return batch.Writer(), nil
}

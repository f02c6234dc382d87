package engines

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Event is a persistent event of bytes.
type Event []byte

// EventType names it.
func (Event) EventType() messages.Type { return messages.Type{Module: "bench", Kind: "event"} }

// EventCodec writes it as it is.
func (Event) EventCodec() messages.Codec { return messages.Raw }

// Scrap is a trimmable event of bytes.
type Scrap []byte

// EventType names it.
func (Scrap) EventType() messages.Type {
	return messages.Type{Module: "bench", Kind: "scrap", Persistence: messages.Trimmable}
}

// EventCodec writes it as it is.
func (Scrap) EventCodec() messages.Codec { return messages.Raw }

// Rare is a persistent event of bytes that few entries are of.
type Rare []byte

// EventType names it.
func (Rare) EventType() messages.Type { return messages.Type{Module: "bench", Kind: "rare"} }

// EventCodec writes it as it is.
func (Rare) EventCodec() messages.Codec { return messages.Raw }

// Payment is a persistent event that is written as JSON, for typed reactions.
type Payment struct {
	Account string `json:"account"`
	Sats    uint64 `json:"sats"`
	Memo    string `json:"memo"`
	Ref     string `json:"ref"`
}

// EventType names it.
func (Payment) EventType() messages.Type { return messages.Type{Module: "bench", Kind: "payment"} }

// NewPayment returns a payment of size bytes as JSON, at least 92.
func NewPayment(size int) Payment {
	ref := make([]byte, size-len(`{"account":"alice","sats":2100000,"memo":"a payment of some kind","ref":""}`))
	for i := range ref {
		ref[i] = 'a' + byte(i*7)%26
	}
	return Payment{Account: "alice", Sats: 2_100_000, Memo: "a payment of some kind", Ref: string(ref)}
}

// Retinue is an open bus with the events to append.
type Retinue struct {
	*retinue.Bus
	// Events are the payloads of the config as persistent events.
	Events []messages.Event
}

// OpenRetinue opens or creates the store below c.Dir. Nothing is trimmed but
// by hand, and then as much as can be.
func OpenRetinue(c Config) (*Retinue, error) {
	bus, err := retinue.Open(filepath.Join(c.Dir, "store"), &retinue.Options{Profile: c.Profile, Trim: TrimAll})
	if err != nil {
		return nil, err
	}
	return &Retinue{Bus: bus, Events: events(c.Payloads)}, nil
}

// TrimAll lets Bus.Trim take all but the newest thousand entries.
var TrimAll = retinue.Trim{Off: true, MinEntries: 1000, MinAge: -1, MaxPerPass: 1 << 30}

// Append appends one event and waits for the disk.
func (r *Retinue) Append(ctx context.Context, n uint64) error {
	_, err := r.Bus.Append(ctx, r.Events[n%uint64(len(r.Events))])
	return err
}

// UpdateOne reads one of the application's keys and writes it.
func (r *Retinue) UpdateOne(ctx context.Context, key []byte) error {
	_, err := r.Bus.Update(ctx, func(tx *retinue.Tx) error {
		old, err := tx.Get(key)
		if err != nil {
			return err
		}
		return tx.Set(key, Counted(old))
	})
	return err
}

// Fill appends n events, pick of each, in large appends of which many are in
// flight, and returns when all are durable.
func (r *Retinue) Fill(ctx context.Context, n int, pick func(i int) messages.Event) error {
	events := make([]messages.Event, 0, fillBatch)
	var last *retinue.Ticket
	for i := range n {
		events = append(events, pick(i))
		if len(events) < fillBatch && i < n-1 {
			continue
		}
		var err error
		if last, err = r.Submit(ctx, retinue.Request{Events: events}); err != nil {
			return err
		}
		events = events[:0]
	}
	if last == nil {
		return errors.New("nothing to fill")
	}
	_, err := last.Wait(ctx)
	return err
}

// Pick returns the events of the config in turn.
func (r *Retinue) Pick(i int) messages.Event { return r.Events[i%len(r.Events)] }

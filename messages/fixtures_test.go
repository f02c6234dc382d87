package messages_test

import (
	"errors"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

type deposited struct {
	Account string
	Sats    uint64
}

func (deposited) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "deposited"}
}

type blob []byte

func (blob) EventType() messages.Type   { return messages.Type{Kind: "blob"} }
func (blob) EventCodec() messages.Codec { return messages.Raw }

// declared is an event of whatever type it is told to be: its value and its
// fresh value differ unless it is told nothing.
type declared messages.Type

func (d declared) EventType() messages.Type {
	if d.Kind == "" {
		d.Kind = "declared"
	}
	return messages.Type(d)
}

func wantInvalid(t *testing.T, err error, what string) *messages.InvalidError {
	t.Helper()
	var invalid *messages.InvalidError
	if !errors.As(err, &invalid) || !errors.Is(err, messages.ErrInvalid) {
		t.Fatalf("got %v, want an InvalidError", err)
	}
	if invalid.What != what {
		t.Fatalf("refused %q, want %q: %v", invalid.What, what, err)
	}
	return invalid
}

func prepared(t *testing.T, event messages.Event) messages.Prepared {
	t.Helper()
	p, err := messages.Prepare(event, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// entryOf is what a log would hold of event at id.
func entryOf(t *testing.T, id messages.EventID, event messages.Event) messages.Entry {
	t.Helper()
	p := prepared(t, event)
	return messages.Entry{
		Log: messages.Permanent, ID: id, TrimmableID: messages.TrimmableID(id),
		Type: p.Type, Instance: p.Instance, Codec: p.Codec, Time: p.Time,
		Correlation: p.Correlation, Headers: p.Headers, Payload: p.Payload,
	}
}

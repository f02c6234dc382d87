package followers_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

type deposited struct{ Sats int }

func (deposited) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "deposited"}
}

// credited is another view of the same kind.
type credited struct{ Sats float64 }

func (credited) EventType() messages.Type { return deposited{}.EventType() }

type withdrawn struct{ Sats int }

func (withdrawn) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "withdrawn"}
}

type traced struct{ Line string }

func (traced) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "traced", Persistence: messages.Trimmable}
}

type ticked struct{}

func (ticked) EventType() messages.Type {
	return messages.Type{Kind: "ticked", Persistence: messages.Transient}
}

type nameless struct{}

func (nameless) EventType() messages.Type { return messages.Type{Module: "wallet"} }

type blob []byte

func (blob) EventType() messages.Type   { return messages.Type{Kind: "blob"} }
func (blob) EventCodec() messages.Codec { return messages.Raw }

type unencodable struct{ C chan int }

func (unencodable) EventType() messages.Type { return messages.Type{Kind: "unencodable"} }

// entryOf returns an entry of event at ids 7 and 9, as a reader would.
func entryOf(t testing.TB, event messages.Event) messages.Entry {
	t.Helper()
	p, err := messages.Prepare(event, 0)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return messages.Entry{
		ID: 7, TrimmableID: 9, Type: p.Type, Codec: p.Codec,
		Time: at, Ordered: at, Payload: p.Payload,
	}
}

func newTurn(t testing.TB, event messages.Event) *followers.Turn {
	t.Helper()
	return followers.NewTurn(context.Background(), entryOf(t, event), followers.NewMemory())
}

func planOf(t testing.TB, f followers.Follower) *followers.Plan {
	t.Helper()
	plan, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func ignore[E messages.Event](*followers.Turn, E) error { return nil }

func pass(*followers.Turn) error { return nil }

var errBroken = errors.New("broken")

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

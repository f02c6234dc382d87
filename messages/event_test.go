package messages_test

import (
	"errors"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestTypesPrintAsModuleAndKind(t *testing.T) {
	for _, test := range []struct{ module, kind, want string }{
		{"wallet", "deposited", "wallet/deposited"},
		{"", "started", "started"},
	} {
		if got := (messages.Type{Module: test.module, Kind: test.kind}).String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestZeroPersistenceKeepsTheEvent(t *testing.T) {
	if got := (messages.Type{}).Persistence; got != messages.Persistent {
		t.Errorf("got %v", got)
	}
}

func TestPersistencesHaveNames(t *testing.T) {
	for persistence, name := range map[messages.Persistence]string{
		messages.Persistent: "persistent", messages.Trimmable: "trimmable", messages.Transient: "transient",
	} {
		text, err := persistence.MarshalText()
		if err != nil || string(text) != name || persistence.String() != name {
			t.Errorf("%s, %v", text, err)
		}
		var got messages.Persistence
		if err := got.UnmarshalText(text); err != nil || got != persistence {
			t.Errorf("%v, %v", got, err)
		}
	}
	if _, err := messages.Persistence(3).MarshalText(); !errors.Is(err, messages.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	persistence := messages.Transient
	if err := persistence.UnmarshalText([]byte("")); !errors.Is(err, messages.ErrInvalid) || persistence != messages.Transient {
		t.Errorf("%v, %v", persistence, err)
	}
	if got := messages.Persistence(3).String(); got != "persistence(3)" {
		t.Errorf("got %q", got)
	}
}

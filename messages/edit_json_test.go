package messages_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestEditJSONChangesWhatItIsToldAndKeepsTheRest(t *testing.T) {
	const before = `{ "Zeta":1.10, "Amount": 9007199254740993123, "Who":{"First" : "é", "Last":"<b>"}, "Alpha":[1, 2] , "Gone":null}`
	for _, test := range []struct {
		name string
		edit func(*messages.Object) error
		want string
	}{
		{"nothing", func(*messages.Object) error { return nil },
			`{"Zeta":1.10,"Amount":9007199254740993123,"Who":{"First" : "é", "Last":"<b>"},"Alpha":[1, 2],"Gone":null}`},
		{"rename", func(o *messages.Object) error { return found(o.Rename("Amount", "Sats")) },
			`{"Zeta":1.10,"Sats":9007199254740993123,"Who":{"First" : "é", "Last":"<b>"},"Alpha":[1, 2],"Gone":null}`},
		{"rename to itself", func(o *messages.Object) error { return found(o.Rename("Zeta", "Zeta") && o.Delete("Who")) },
			`{"Zeta":1.10,"Amount":9007199254740993123,"Alpha":[1, 2],"Gone":null}`},
		{"rename onto another", func(o *messages.Object) error { return found(o.Rename("Alpha", "Zeta") && o.Delete("Who")) },
			`{"Amount":9007199254740993123,"Zeta":[1, 2],"Gone":null}`},
		{"rename and delete what is not there", func(o *messages.Object) error {
			return found(!o.Rename("x", "Zeta") && !o.Delete("x") && o.Delete("Who"))
		},
			`{"Zeta":1.10,"Amount":9007199254740993123,"Alpha":[1, 2],"Gone":null}`},
		{"set", func(o *messages.Object) error {
			return errors.Join(o.Set("Zeta", map[string]int{"n": 1}), o.Set("New", json.RawMessage(`"<raw>"`)), found(o.Delete("Who")))
		}, `{"Zeta":{"n":1},"Amount":9007199254740993123,"Alpha":[1, 2],"Gone":null,"New":"<raw>"}`},
		{"copy", func(o *messages.Object) error {
			return errors.Join(o.Set("Copy", o.Get("Amount")), found(o.Delete("Who")))
		},
			`{"Zeta":1.10,"Amount":9007199254740993123,"Alpha":[1, 2],"Gone":null,"Copy":9007199254740993123}`},
		{"nested", func(o *messages.Object) error {
			return o.Edit("Who", func(who *messages.Object) error { return who.Set("Last", "Smith") })
		}, `{"Zeta":1.10,"Amount":9007199254740993123,"Who":{"First":"é","Last":"Smith"},"Alpha":[1, 2],"Gone":null}`},
	} {
		got, err := messages.EditJSON([]byte(before), test.edit)
		if err != nil || string(got) != test.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", test.name, got, err, test.want)
		}
	}
}

func found(ok bool) error {
	if !ok {
		return errors.New("not as expected")
	}
	return nil
}

func TestEditJSONTakesTheLastOfMembersOfOneName(t *testing.T) {
	const twice = `{"a":1,"b":2,"a":3}`
	for want, edit := range map[string]func(*messages.Object) error{
		`{"a":1,"b":2,"a":4}`: func(o *messages.Object) error { return o.Set("a", 4) },
		`{"b":2,"c":3}`:       func(o *messages.Object) error { return found(o.Rename("a", "c")) },
		`{"b":2}`:             func(o *messages.Object) error { return found(string(o.Get("a")) == "3" && o.Delete("a")) },
	} {
		if got, err := messages.EditJSON([]byte(twice), edit); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

func TestEditJSONRefusesWhatIsNotOneObject(t *testing.T) {
	for _, payload := range []string{``, `null`, `[]`, `1`, `{`, `{"a":}`, `{} {}`, `{"a":1}x`} {
		if got, err := messages.EditJSON([]byte(payload), func(*messages.Object) error { return nil }); err == nil {
			t.Errorf("%q became %s", payload, got)
		}
	}
}

func TestEditJSONReturnsTheErrorsOfItsEdits(t *testing.T) {
	refused := errors.New("refused")
	for why, edit := range map[string]func(*messages.Object) error{
		"refused":        func(*messages.Object) error { return refused },
		`"f": json`:      func(o *messages.Object) error { return o.Set("f", func() {}) },
		`"r": json`:      func(o *messages.Object) error { return o.Set("r", json.RawMessage(`{`)) },
		"no such member": func(o *messages.Object) error { return o.Edit("absent", nil) },
		"not an object":  func(o *messages.Object) error { return o.Edit("a", nil) },
	} {
		got, err := messages.EditJSON([]byte(`{"a":1}`), edit)
		if got != nil || err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("got %s, %v, want an error that says %q", got, err, why)
		}
	}
}

// transfer has lived through four versions.
type transfer struct {
	From, To string
	Msats    uint64
	Tags     []string
}

func (transfer) EventType() messages.Type { return messages.Type{Kind: "transfer", Version: 3} }

func (transfer) UpcastEvent(from uint32, payload []byte) ([]byte, error) {
	return messages.EditJSON(payload, func(o *messages.Object) error {
		switch from {
		case 0: // one account became two
			o.Rename("Account", "From")
			return o.Set("To", "cash")
		case 1: // sats became thousandths
			var sats uint64
			if err := json.Unmarshal(o.Get("Sats"), &sats); err != nil {
				return err
			}
			o.Rename("Sats", "Msats")
			return o.Set("Msats", sats*1000)
		case 2: // tags joined
			return o.Set("Tags", []string{})
		}
		return fmt.Errorf("no version %d", from)
	})
}

func TestUpcastIsChainedThroughEveryVersion(t *testing.T) {
	for version, payload := range []string{
		`{"Account":"alice","Sats":21}`,
		`{"From":"alice","To":"cash","Sats":21}`,
		`{"From":"alice","To":"cash","Msats":21000}`,
		`{"From":"alice","To":"cash","Msats":21000,"Tags":[]}`,
	} {
		e := entryOf(t, 7, transfer{})
		e.Type.Version, e.Payload = uint32(version), []byte(payload)
		got, err := messages.Decode[transfer](e)
		if err != nil || got.From != "alice" || got.To != "cash" || got.Msats != 21000 || got.Tags == nil && version < 3 {
			t.Errorf("version %d: %+v, %v", version, got, err)
		}
	}
}

// gappy cannot read version 1.
type gappy struct{ transfer }

func (g gappy) UpcastEvent(from uint32, payload []byte) ([]byte, error) {
	if from == 1 {
		return nil, errTooOld
	}
	return g.transfer.UpcastEvent(from, payload)
}

func TestGapsInTheChainAndDowngradesAreTypedErrors(t *testing.T) {
	decode := func(version uint32, payload string) *messages.DecodeError {
		e := entryOf(t, 7, gappy{})
		e.Type.Version, e.Payload = version, []byte(payload)
		_, err := messages.Decode[gappy](e)
		var failed *messages.DecodeError
		if !errors.As(err, &failed) || !errors.Is(err, messages.ErrDecode) {
			t.Fatalf("version %d: %v, want a DecodeError", version, err)
		}
		return failed
	}
	if e := decode(0, `{"Account":"alice"}`); e.Reason != messages.UpcastFailed || e.Got != "1" || e.Want != "2" || !errors.Is(e, errTooOld) {
		t.Errorf("a gap: %v", e)
	}
	if e := decode(4, `{}`); e.Reason != messages.NewerVersion || e.Got != "4" || e.Want != "3" {
		t.Errorf("a downgrade: %v", e)
	}
	if e := decode(2, `[]`); e.Reason != messages.UpcastFailed || e.Got != "2" {
		t.Errorf("a payload that cannot be edited: %v", e)
	}
}

package messages_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestDecodeReturnsWhatWasAppended(t *testing.T) {
	want := deposited{"alice", 21}
	entry := entryOf(t, 1, want)
	if got, err := messages.Decode[deposited](entry); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := messages.Decode[*deposited](entry); err != nil || *got != want {
		t.Errorf("%+v, %v", got, err)
	}
	entry = entryOf(t, 1, blob("bytes"))
	if got, err := messages.Decode[blob](entry); err != nil || string(got) != "bytes" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := messages.Decode[*blob](entry); err != nil || string(*got) != "bytes" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestDecodedEventSharesNoMemoryWithTheEntry(t *testing.T) {
	entry := entryOf(t, 1, blob("bytes"))
	got, err := messages.Decode[blob](entry)
	if err != nil {
		t.Fatal(err)
	}
	clear(entry.Payload)
	if string(got) != "bytes" {
		t.Errorf("the event changed with the reader's memory: %q", got)
	}
}

func TestFailedDecodeReturnsNoEvent(t *testing.T) {
	entry := entryOf(t, 1, deposited{"alice", 21})
	entry.Payload = []byte(`{"Account":"alice","Sats":"many"}`)
	if got, err := messages.Decode[deposited](entry); err == nil || got != (deposited{}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := messages.Decode[*deposited](entry); err == nil || got != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSeveralGoTypesReadOneKind(t *testing.T) {
	got, err := messages.Decode[depositedAmount](entryOf(t, 1, deposited{"alice", 21}))
	if err != nil || got.Sats != 21 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Trap 17: a kind that several modules share is not taken for one's own.
func TestKindSharedByModulesDecodesOnlyForItsModule(t *testing.T) {
	lightning, mint := entryOf(t, 1, lightningReceived{5}), entryOf(t, 2, mintReceived{6})
	if got, err := messages.Decode[lightningReceived](lightning); err != nil || got.Sats != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err := messages.Decode[lightningReceived](mint)
	failure := wantDecodeError(t, err, messages.WrongType)
	if failure.Want != "lightning/received" || failure.Got != "mint/received" || failure.At != messages.EventID(2) {
		t.Errorf("%+v", failure)
	}
	if got.Sats != 0 {
		t.Errorf("an event came with the error: %+v", got)
	}
}

func TestDecodeTellsWhyItFailed(t *testing.T) {
	change := func(f func(*messages.Entry)) messages.Entry {
		e := entryOf(t, 9, grown{Name: "n"})
		f(&e)
		return e
	}
	version := func(v uint32) messages.Entry {
		return change(func(e *messages.Entry) { e.Type.Version = v })
	}
	for _, test := range []struct {
		name      string
		entry     messages.Entry
		decode    func(messages.Entry) error
		reason    messages.DecodeReason
		want, got string
	}{
		{"other kind", change(func(e *messages.Entry) { e.Type.Kind = "other" }), decodeError[grown], messages.WrongType, "grown", "other"},
		{"newer", version(4), decodeError[grown], messages.NewerVersion, "3", "4"},
		{"older, no upcaster", version(2), decodeError[grownWithoutUpcast], messages.NoUpcast, "3", "2"},
		{"upcast fails", version(0), decodeError[grown], messages.UpcastFailed, "1", "0"},
		{"codec", change(func(e *messages.Entry) { e.Codec = "raw" }), decodeError[grown], messages.WrongCodec, "json", "raw"},
		{"payload", change(func(e *messages.Entry) { e.Payload = []byte("{") }), decodeError[grown], messages.BadPayload, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			failure := wantDecodeError(t, test.decode(test.entry), test.reason)
			if failure.Want != test.want || failure.Got != test.got {
				t.Errorf("want %q, got %q", failure.Want, failure.Got)
			}
			if failure.At != messages.EventID(9) || failure.Type != test.entry.Type {
				t.Errorf("names another entry: %+v", failure)
			}
			if text := failure.Error(); !strings.Contains(text, failure.Reason.String()) || !strings.Contains(text, "9") {
				t.Errorf("the text hides reason or entry: %s", text)
			}
		})
	}
}

func TestDecodeComparesTypeThenVersionThenCodecThenPayload(t *testing.T) {
	e := entryOf(t, 1, grown{})
	e.Payload, e.Codec, e.Type.Version, e.Type.Kind = []byte("{"), "raw", 9, "other"
	wantDecodeError(t, decodeError[grown](e), messages.WrongType)
	e.Type.Kind = "grown"
	wantDecodeError(t, decodeError[grown](e), messages.NewerVersion)
	e.Type.Version = 0
	wantDecodeError(t, decodeError[grownWithoutUpcast](e), messages.NoUpcast)
	wantDecodeError(t, decodeError[grown](e), messages.WrongCodec)
	e.Codec, e.Type.Version = "json", 3
	wantDecodeError(t, decodeError[grown](e), messages.BadPayload)
}

func TestUpcastGoesVersionByVersion(t *testing.T) {
	e := entryOf(t, 1, grown{})
	e.Type.Version, e.Payload = 1, []byte(`"alice"`)
	got, err := messages.Decode[grown](e)
	if want := (grown{Name: "alice", Steps: "1>2>3"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	pointer, err := messages.Decode[*grown](e)
	if err != nil || *pointer != got {
		t.Errorf("%+v, %v", pointer, err)
	}
	if string(e.Payload) != `"alice"` {
		t.Errorf("the entry's payload changed: %s", e.Payload)
	}
}

func TestUpcastErrorIsTheCause(t *testing.T) {
	e := entryOf(t, 1, grown{})
	e.Type.Version = 0
	if err := decodeError[grown](e); !errors.Is(err, errTooOld) || !errors.Is(err, messages.ErrDecode) {
		t.Errorf("got %v", err)
	}
}

func TestPanicsWhileDecodingAreErrors(t *testing.T) {
	e := entryOf(t, 1, panicky{})
	var panicked *messages.PanicError
	err := decodeError[panicky](e)
	wantDecodeError(t, err, messages.BadPayload)
	if !errors.As(err, &panicked) || panicked.Value != "decode" || len(panicked.Stack) == 0 {
		t.Errorf("got %v", err)
	}
	e.Type.Version = 0
	err = decodeError[panicky](e)
	wantDecodeError(t, err, messages.UpcastFailed)
	if !errors.As(err, &panicked) || panicked.Value != "upcast" {
		t.Errorf("got %v", err)
	}
}

func TestDecodeRefusesGoTypesThatAreNoEvents(t *testing.T) {
	e := entryOf(t, 1, deposited{})
	_, err := messages.Decode[messages.Event](e)
	wantInvalid(t, err, "event type")
	_, err = messages.Decode[messages.Draft](e)
	wantInvalid(t, err, "event type")
}

func TestDecodeErrorNamesThePlaceInTheLogItWasReadFrom(t *testing.T) {
	e := entryOf(t, 1, deposited{})
	e.Log, e.TrimmableID = messages.TrimmableLog, 5
	failure := wantDecodeError(t, decodeError[blob](e), messages.WrongType)
	if failure.At != messages.TrimmableID(5) {
		t.Errorf("got %T %v", failure.At, failure.At)
	}
}

// The one allocation is the event itself, which the codec needs a pointer to;
// bytes are a second one, because the payload belongs to the reader.
func TestDecodeAllocatesTheEventAndWhatItsCodecDoes(t *testing.T) {
	fixed, bytes := entryOf(t, 1, tick{42}), entryOf(t, 1, blob("bytes"))
	for _, test := range []struct {
		name   string
		want   float64
		decode func() error
	}{
		{"fixed size", 1, func() error { _, err := messages.Decode[tick](fixed); return err }},
		{"fixed size, pointer", 1, func() error { _, err := messages.Decode[*tick](fixed); return err }},
		{"bytes", 2, func() error { _, err := messages.Decode[blob](bytes); return err }},
	} {
		allocs := testing.AllocsPerRun(100, func() {
			if err := test.decode(); err != nil {
				t.Error(err)
			}
		})
		if allocs > test.want {
			t.Errorf("%s: %v allocations, want at most %v", test.name, allocs, test.want)
		}
	}
}

func decodeError[E messages.Event](e messages.Entry) error {
	_, err := messages.Decode[E](e)
	return err
}

func wantDecodeError(t *testing.T, err error, reason messages.DecodeReason) *messages.DecodeError {
	t.Helper()
	var failure *messages.DecodeError
	if !errors.As(err, &failure) || !errors.Is(err, messages.ErrDecode) {
		t.Fatalf("got %v, want a DecodeError", err)
	}
	if failure.Reason != reason {
		t.Fatalf("got %v, want %v: %v", failure.Reason, reason, err)
	}
	return failure
}

type (
	depositedAmount    struct{ Sats uint64 }
	lightningReceived  struct{ Sats uint64 }
	mintReceived       struct{ Sats uint64 }
	grown              struct{ Name, Steps string }
	grownWithoutUpcast struct{ Name string }
	panicky            struct{}
	tick               struct{ N uint64 }
)

func (depositedAmount) EventType() messages.Type { return deposited{}.EventType() }
func (lightningReceived) EventType() messages.Type {
	return messages.Type{Module: "lightning", Kind: "received"}
}
func (mintReceived) EventType() messages.Type {
	return messages.Type{Module: "mint", Kind: "received"}
}
func (grown) EventType() messages.Type              { return messages.Type{Kind: "grown", Version: 3} }
func (grownWithoutUpcast) EventType() messages.Type { return messages.Type{Kind: "grown", Version: 3} }
func (panicky) EventType() messages.Type            { return messages.Type{Kind: "panicky", Version: 1} }
func (panicky) EventCodec() messages.Codec          { return panickyCodec{named("panicky")} }
func (panicky) UpcastEvent(uint32, []byte) ([]byte, error) {
	panic("upcast")
}
func (tick) EventType() messages.Type   { return messages.Type{Kind: "tick"} }
func (tick) EventCodec() messages.Codec { return tickCodec{named("tick")} }

var errTooOld = errors.New("too old")

// UpcastEvent: version 1 was the name as a string, version 2 an object with
// it, version 3 has the steps.
func (grown) UpcastEvent(from uint32, payload []byte) ([]byte, error) {
	switch from {
	case 1:
		return []byte(`{"Name":` + string(payload) + `,"Steps":"1>2"}`), nil
	case 2:
		return []byte(strings.Replace(string(payload), "1>2", "1>2>3", 1)), nil
	}
	return nil, errTooOld
}

type panickyCodec struct{ named }

func (panickyCodec) Decode([]byte, any) error { panic("decode") }

type tickCodec struct{ named }

func (tickCodec) Append(dst []byte, event any) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, event.(tick).N), nil
}

func (tickCodec) Decode(payload []byte, into any) error {
	into.(*tick).N = binary.BigEndian.Uint64(payload)
	return nil
}

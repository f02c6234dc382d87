package messages_test

import (
	"bytes"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestJSONCodecAppendsWhatEncodingJSONWrites(t *testing.T) {
	event := deposited{"<alice>", 21}
	const want = `{"Account":"\u003calice\u003e","Sats":21}`
	for _, dst := range [][]byte{nil, {}, make([]byte, 0, 100), []byte("before ")} {
		got, err := messages.JSON.Append(dst, event)
		if err != nil || string(got) != string(dst)+want {
			t.Errorf("after %q: %q, %v", dst, got, err)
		}
	}
}

func TestJSONCodecLeavesTheBufferAsItWasOnError(t *testing.T) {
	got, err := messages.JSON.Append([]byte("before"), func() {})
	if err == nil || string(got) != "before" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRawCodecTakesBytesAndPointersToBytes(t *testing.T) {
	b := blob("bytes")
	for _, event := range []any{b, &b} {
		got, err := messages.Raw.Append([]byte("before "), event)
		if err != nil || string(got) != "before bytes" {
			t.Errorf("%T: %q, %v", event, got, err)
		}
	}
}

func TestRawCodecCopiesInBothDirections(t *testing.T) {
	event := blob("event")
	payload, err := messages.Raw.Append(nil, event)
	if err != nil {
		t.Fatal(err)
	}
	event[0] = 'E'
	if string(payload) != "event" {
		t.Errorf("the payload changed with the event: %q", payload)
	}
	var into blob
	if err := messages.Raw.Decode(payload, &into); err != nil {
		t.Fatal(err)
	}
	payload[0] = 'P'
	if string(into) != "event" {
		t.Errorf("the event changed with the payload: %q", into)
	}
}

func TestRawCodecRefusesWhatIsNotBytes(t *testing.T) {
	var none *blob
	for _, event := range []any{deposited{}, "text", []int{1}, none, nil} {
		if got, err := messages.Raw.Append(nil, event); err == nil {
			t.Errorf("%T appended as %q", event, got)
		}
	}
	for _, into := range []any{blob{}, &deposited{}, none, nil} {
		if err := messages.Raw.Decode([]byte("bytes"), into); err == nil {
			t.Errorf("decoded into %T", into)
		}
	}
}

func TestRawCodecDecodesNothingToNil(t *testing.T) {
	into := blob("before")
	if err := messages.Raw.Decode([]byte{}, &into); err != nil || into != nil {
		t.Errorf("%q, %v", into, err)
	}
}

func TestCodecNamesAreStoredAndDoNotChange(t *testing.T) {
	if messages.JSON.Name() != "json" || messages.Raw.Name() != "raw" {
		t.Errorf("%q, %q", messages.JSON.Name(), messages.Raw.Name())
	}
}

func FuzzRawCodecKeepsBytes(f *testing.F) {
	f.Add([]byte("\x00\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		payload, err := messages.Raw.Append(nil, blob(data))
		if err != nil || !bytes.Equal(payload, data) {
			t.Fatalf("%q, %v", payload, err)
		}
	})
}

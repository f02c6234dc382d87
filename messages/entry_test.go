package messages_test

import (
	"reflect"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestCloneSharesNoMemory(t *testing.T) {
	e := full
	e.Payload = []byte("payload")
	e.Headers = map[string]string{"k": "v"}
	kept := e.Clone()
	if !reflect.DeepEqual(kept, e) {
		t.Errorf("got %+v, want %+v", kept, e)
	}
	clear(e.Payload)
	e.Headers["k"] = "w"
	if string(kept.Payload) != "payload" || kept.Headers["k"] != "v" {
		t.Errorf("changed with the original: %q, %v", kept.Payload, kept.Headers)
	}
}

func TestPositionOfAnEntryIsItsIDInTheLogItWasReadFrom(t *testing.T) {
	e := messages.Entry{ID: 3, TrimmableID: 5}
	if got := e.Position(); got != messages.EventID(3) {
		t.Errorf("got %T %v", got, got)
	}
	e.Log = messages.TrimmableLog
	if got := e.Position(); got != messages.TrimmableID(5) {
		t.Errorf("got %T %v", got, got)
	}
}

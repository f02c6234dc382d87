package main

import (
	"encoding/binary"
	"fmt"

	"github.com/retinue-go/retinue/messages"
)

type (
	// body is what all events carry.
	body struct {
		Tag uint64
		Pad string
	}
	deposit  body // persistent
	remark   body // persistent, the application's own
	filler   body // persistent; nobody follows it where it occurs
	trace    body // trimmable
	tallying body // trimmable, appended by a follower
	blip     body // transient
)

func (deposit) EventType() messages.Type { return messages.Type{Module: "sim", Kind: "deposit"} }
func (remark) EventType() messages.Type  { return messages.Type{Kind: "remark"} }
func (filler) EventType() messages.Type  { return messages.Type{Module: "sim", Kind: "filler"} }
func (trace) EventType() messages.Type {
	return messages.Type{Module: "sim", Kind: "trace", Persistence: messages.Trimmable}
}
func (tallying) EventType() messages.Type {
	return messages.Type{Module: "books", Kind: "tally", Persistence: messages.Trimmable}
}
func (blip) EventType() messages.Type {
	return messages.Type{Module: "sim", Kind: "blip", Persistence: messages.Transient}
}

func (deposit) EventCodec() messages.Codec  { return codec{} }
func (remark) EventCodec() messages.Codec   { return codec{} }
func (filler) EventCodec() messages.Codec   { return codec{} }
func (trace) EventCodec() messages.Codec    { return codec{} }
func (tallying) EventCodec() messages.Codec { return codec{} }
func (blip) EventCodec() messages.Codec     { return codec{} }

// codec writes the tag in 8 bytes and the pad behind it.
type codec struct{}

func (codec) Name() string { return "sim" }

func (codec) Append(dst []byte, event any) ([]byte, error) {
	b, err := carried(event)
	return append(binary.BigEndian.AppendUint64(dst, b.Tag), b.Pad...), err
}

func carried(event any) (body, error) {
	switch e := event.(type) {
	case deposit:
		return body(e), nil
	case remark:
		return body(e), nil
	case filler:
		return body(e), nil
	case trace:
		return body(e), nil
	case tallying:
		return body(e), nil
	case blip:
		return body(e), nil
	}
	return body{}, fmt.Errorf("%T carries nothing", event)
}

func (codec) Decode(payload []byte, into any) error {
	if len(payload) < 8 {
		return fmt.Errorf("payload of %d bytes", len(payload))
	}
	b := body{binary.BigEndian.Uint64(payload), string(payload[8:])}
	switch e := into.(type) {
	case *deposit:
		*e = deposit(b)
	case *remark:
		*e = remark(b)
	default:
		return fmt.Errorf("nobody reads a %T", into)
	}
	return nil
}

// tagOf is the tag of an entry.
func tagOf(e messages.Entry) (uint64, error) {
	if len(e.Payload) < 8 || e.Codec != (codec{}).Name() {
		return 0, fmt.Errorf("entry %+v is in a log", e)
	}
	return binary.BigEndian.Uint64(e.Payload), nil
}

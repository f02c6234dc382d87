package retinue_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// fickle is an event whose codec has its own mind about what it decodes.
type fickle struct{ Text string }

func (fickle) EventType() messages.Type   { return messages.Type{Module: "test", Kind: "fickle"} }
func (fickle) EventCodec() messages.Codec { return fickleCodec{} }

type fickleCodec struct{}

func (fickleCodec) Name() string { return "fickle" }

func (fickleCodec) Append(dst []byte, event any) ([]byte, error) {
	b, err := json.Marshal(event)
	return append(dst, b...), err
}

func (fickleCodec) Decode(payload []byte, into any) error {
	if err := json.Unmarshal(payload, into); err != nil {
		return err
	}
	switch into.(*fickle).Text {
	case "error":
		return errRefused
	case "panic":
		panic("fickle")
	}
	return nil
}

func TestAnEntryThatDoesNotDecodeIsAFailedTurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := openBus(t, inMemory())
		var j journal
		mustFollow(t, bus, followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 2},
			Reactions: []followers.Reaction{followers.On(func(_ *followers.Turn, e fickle) error {
				j.add("%s", e.Text)
				return nil
			})}})
		for _, text := range []string{"error", "panic"} {
			wantError(t, bus.Await(t.Context(), "f", put(t, bus, fickle{text})), messages.ErrParked)
			var fault *messages.DecodeError
			if s := statusOf(t, bus, "f"); !errors.As(s.LastError, &fault) {
				t.Errorf("%s: last error %v, want a DecodeError", text, s.LastError)
			}
		}
		reached(t, bus, "f", put(t, bus, fickle{"well"}))
		j.want(t, "well")
		for p := range bus.Parked("f") {
			if p.Attempts != 2 {
				t.Errorf("entry %d: %d attempts, want 2", p.ID, p.Attempts)
			}
		}
		wantParked(t, bus, "f", 1, 2)
	})
}

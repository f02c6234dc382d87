package retinue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

type (
	// newerNote is what a later release makes of a note.
	newerNote struct{ Text, Language string }
	// remark is of a kind that the follower under test does not know.
	remark struct{ Text string }
)

func (newerNote) EventType() messages.Type {
	return messages.Type{Module: "test", Kind: "note", Version: 1}
}

func (remark) EventType() messages.Type { return messages.Type{Module: "test", Kind: "remark"} }

func TestUnknownKindsAndVersionsFollowTheirPolicy(t *testing.T) {
	errRaw := errors.New("raw is broken")
	const (
		halted    = "a"         // and the follower is parked
		beyond    = "a c"       // nobody saw the newer note
		handedOut = "a b! c d!" // the raw function saw what is marked
	)
	type outcome struct {
		seen                     string
		handled, skipped, parked uint64
		records                  int
		cause                    error
	}
	for _, test := range []struct {
		unknown followers.OnUnknown
		raw     error
		poison  followers.Action
		want    outcome
	}{
		{followers.FailTurn, nil, followers.Halt, outcome{halted, 1, 0, 0, 0, messages.ErrDecode}},
		{followers.FailTurn, nil, followers.Skip, outcome{beyond, 2, 1, 0, 1, nil}},
		{followers.FailTurn, nil, followers.Park, outcome{beyond, 2, 0, 1, 1, nil}},
		{followers.PassOver, nil, followers.Halt, outcome{beyond, 2, 1, 0, 0, nil}},
		{followers.PassOver, nil, followers.Skip, outcome{beyond, 2, 1, 0, 0, nil}},
		{followers.PassOver, nil, followers.Park, outcome{beyond, 2, 1, 0, 0, nil}},
		{followers.GiveRaw, nil, followers.Halt, outcome{handedOut, 4, 0, 0, 0, nil}},
		{followers.GiveRaw, nil, followers.Skip, outcome{handedOut, 4, 0, 0, 0, nil}},
		{followers.GiveRaw, nil, followers.Park, outcome{handedOut, 4, 0, 0, 0, nil}},
		{followers.GiveRaw, errRaw, followers.Halt, outcome{halted, 1, 0, 0, 0, errRaw}},
		{followers.GiveRaw, errRaw, followers.Skip, outcome{beyond, 2, 2, 0, 2, nil}},
		{followers.GiveRaw, errRaw, followers.Park, outcome{beyond, 2, 0, 2, 2, nil}},
	} {
		t.Run(fmt.Sprintf("%v %v, %v", test.unknown, test.raw, test.poison), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := openBus(t, inMemory())
				var seen []string
				f := followers.Follower{
					Name: "reader", Unknown: test.unknown,
					Poison: followers.Poison{Action: test.poison, After: 2}, Restart: followers.Restart{Budget: 3},
					Reactions: []followers.Reaction{followers.On(func(_ *followers.Turn, n note) error {
						seen = append(seen, n.Text)
						return nil
					})},
				}
				if test.unknown == followers.GiveRaw {
					f.Raw = func(turn *followers.Turn) error {
						if test.raw == nil {
							seen = append(seen, string(turn.Entry().Payload[9:10])+"!")
						}
						return test.raw
					}
				}
				if err := bus.Follow(f); err != nil {
					t.Fatal(err)
				}
				at := put(t, bus, note{"a"}, newerNote{"b", "en"}, note{"c"}, remark{"d"})
				err := bus.Await(t.Context(), "reader", at)
				got := outcome{seen: strings.Join(seen, " "), cause: test.want.cause}
				s := bus.Status().Followers[0]
				got.handled, got.skipped, got.parked = s.Handled, s.Skipped, s.Parked
				for range bus.Parked("reader") {
					got.records++
				}
				if got != test.want {
					t.Errorf("got %+v, want %+v", got, test.want)
				}
				wantReason(t, err, test.want.records, test.want.cause)
				if cause := test.want.cause; cause != nil && (!errors.Is(s.LastError, cause) || s.LastEntry != 2) {
					t.Errorf("status tells of %v at %d, want %v at 2", s.LastError, s.LastEntry, cause)
				}
				if s.Failures > 0 && test.want.cause == nil {
					t.Errorf("%d failures stand", s.Failures)
				}
			})
		})
	}
}

// wantReason asks for what Await must say: that the follower was given up on
// where there is a cause, and that an entry was put aside where there is a
// record.
func wantReason(t *testing.T, err error, records int, cause error) {
	t.Helper()
	switch {
	case cause != nil:
		wantError(t, err, messages.ErrParked, cause)
	case records > 0 && !errors.Is(err, messages.ErrSkipped) && !errors.Is(err, messages.ErrParked):
		t.Errorf("await = %v, want that an entry was put aside", err)
	case records == 0 && err != nil:
		t.Errorf("await = %v", err)
	}
}

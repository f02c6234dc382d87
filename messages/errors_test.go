package messages_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestErrorsMatchTheirSentinelAndTheirCause(t *testing.T) {
	cause := errors.New("disk on fire")
	for _, test := range []struct {
		err   error
		is    error
		cause error
		says  string
	}{
		{messages.Invalid("follower", "name %q", "x"), messages.ErrInvalid, nil, `follower: name "x"`},
		{&messages.InvalidError{What: "event", Why: "why", Cause: cause}, messages.ErrInvalid, cause, "why: disk on fire"},
		{&messages.TooLargeError{What: "event", Size: 3, Limit: 2}, messages.ErrTooLarge, nil, "3 bytes is over the limit of 2"},
		{&messages.ConditionError{Condition: messages.HeadIs(4), Head: 5}, messages.ErrConditionFailed, nil, "head is 5, want 4"},
		{&messages.ConditionError{Condition: messages.NoneSince(4, messages.Type{Kind: "k"}), Found: 6}, messages.ErrConditionFailed, nil, "entry 6 is of [k]"},
		{&messages.UncertainError{Cause: context.Canceled}, messages.ErrUncertain, context.Canceled, "context canceled"},
		{&messages.FailedError{Cause: cause}, messages.ErrFailed, cause, "disk on fire"},
		{&messages.TrimmedError{Wanted: 1, Horizon: 2}, messages.ErrTrimmed, nil, "entry 1 is below the horizon 2"},
		{&messages.DecodeError{At: messages.EventID(1), Reason: messages.BadPayload, Cause: cause}, messages.ErrDecode, cause, "bad payload"},
		{&messages.FollowerError{Follower: "f", Cause: messages.ErrParked}, messages.ErrParked, messages.ErrParked, `follower "f": retinue: parked`},
		{&messages.FollowerError{Follower: "f", Entry: 3, Type: messages.Type{Kind: "k"}, Cause: cause}, cause, cause, "entry 3 (k)"},
		{&messages.StuckError{Names: []string{"f"}}, messages.ErrStuck, nil, `"f"`},
		{&messages.GapError{Lost: 7}, messages.ErrGap, nil, "7 entries"},
		{messages.Corrupt("head", "%d < %d", 1, 2), messages.ErrCorrupt, nil, "head: 1 < 2"},
		{&messages.PanicError{Value: cause}, cause, cause, "panic: disk on fire"},
	} {
		if !errors.Is(test.err, test.is) {
			t.Errorf("%T is not %v", test.err, test.is)
		}
		if errors.Is(test.err, messages.ErrClosed) {
			t.Errorf("%T is ErrClosed", test.err)
		}
		if test.cause != nil && !errors.Is(test.err, test.cause) {
			t.Errorf("%T hides its cause", test.err)
		}
		if !strings.Contains(test.err.Error(), test.says) {
			t.Errorf("%T does not say %q: %v", test.err, test.says, test.err)
		}
	}
}

func TestPanicErrorUnwrapsErrorsOnly(t *testing.T) {
	if err := errors.Unwrap(&messages.PanicError{Value: "text"}); err != nil {
		t.Errorf("got %v", err)
	}
	if got := (&messages.PanicError{}).Error(); !strings.Contains(got, "Goexit") {
		t.Errorf("got %q", got)
	}
}

func TestDecodeReasonsHaveWords(t *testing.T) {
	seen := make(map[string]bool)
	for reason := messages.WrongType; reason <= messages.BadPayload; reason++ {
		seen[reason.String()] = true
	}
	if len(seen) != 6 || seen["reason(0)"] {
		t.Errorf("got %v", seen)
	}
	if got := messages.DecodeReason(0).String(); got != "reason(0)" {
		t.Errorf("got %q", got)
	}
}

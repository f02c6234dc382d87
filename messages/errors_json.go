package messages

import (
	"context"
	"errors"
	"slices"
)

// RemoteError is an error that crossed a wire: what it said, and which of the
// errors of this package, and of a context's, it was. [errors.Is] finds those;
// the fields of the original are in its message only. Its JSON form is
//
//	{"codes":["paused"],"message":"follower \"mail\": retinue: follower is paused"}
//
// Codes are stable; a reader leaves out those that it does not know.
type RemoteError struct {
	// Codes of the errors, empty where it was none of them.
	Codes []string `json:"codes,omitempty"`
	// Message is what the original's Error returned.
	Message string `json:"message"`
	// Trimmed is the original where it was one: [errors.As] finds it.
	Trimmed *TrimmedError `json:"trimmed,omitempty"`
}

// Remote returns the form of err that crosses a wire, nil for nil.
func Remote(err error) *RemoteError {
	var already *RemoteError
	if err == nil || errors.As(err, &already) && already.Message == err.Error() {
		return already
	}
	e := &RemoteError{Message: err.Error()}
	errors.As(err, &e.Trimmed)
	for _, c := range codes {
		if errors.Is(err, c.err) {
			e.Codes = append(e.Codes, c.code)
		}
	}
	return e
}

func (e *RemoteError) Error() string { return e.Message }

// Is reports whether the original was target.
func (e *RemoteError) Is(target error) bool {
	i := slices.IndexFunc(codes, func(c coded) bool { return c.err == target })
	return i >= 0 && slices.Contains(e.Codes, codes[i].code)
}

// As finds a [TrimmedError].
func (e *RemoteError) As(target any) bool {
	t, ok := target.(**TrimmedError)
	if !ok || e.Trimmed == nil {
		return false
	}
	*t = e.Trimmed
	return true
}

// Err returns e as an error that is nil where e is.
func (e *RemoteError) Err() error {
	if e == nil {
		return nil
	}
	return e
}

type coded struct {
	code string
	err  error
}

// codes are written to wires and into scripts: a code never changes its
// meaning.
var codes = []coded{
	{"closed", ErrClosed},
	{"failed", ErrFailed},
	{"reentrant", ErrReentrant},
	{"invalid", ErrInvalid},
	{"too_large", ErrTooLarge},
	{"condition_failed", ErrConditionFailed},
	{"key_conflict", ErrKeyConflict},
	{"uncertain", ErrUncertain},
	{"not_in_log", ErrNotInLog},
	{"bad_id", ErrBadID},
	{"trimmed", ErrTrimmed},
	{"decode", ErrDecode},
	{"unknown_follower", ErrUnknownFollower},
	{"duplicate_follower", ErrDuplicateFollower},
	{"other_log", ErrOtherLog},
	{"paused", ErrPaused},
	{"parked", ErrParked},
	{"skipped", ErrSkipped},
	{"cursor_moved", ErrCursorMoved},
	{"out_of_range", ErrOutOfRange},
	{"timeout", ErrTimeout},
	{"in_use", ErrInUse},
	{"not_store", ErrNotStore},
	{"newer_format", ErrNewerFormat},
	{"corrupt", ErrCorrupt},
	{"damaged", ErrDamaged},
	{"not_staged", ErrNotStaged},
	{"stuck", ErrStuck},
	{"gap", ErrGap},
	{"read_only", ErrReadOnly},
	{"exists", ErrExists},
	{"no_space", ErrNoSpace},
	{"import", ErrImport},
	{"unfinished_import", ErrUnfinishedImport},
	{"ended", ErrEnded},
	{"canceled", context.Canceled},
	{"deadline_exceeded", context.DeadlineExceeded},
}

package messages

import (
	"errors"
	"fmt"
)

// Sentinels. Functions say which they return; match with [errors.Is].
var (
	// ErrClosed: the bus is closed or closing.
	ErrClosed = errors.New("retinue: bus is closed")
	// ErrFailed: the store failed; see [FailedError].
	ErrFailed = errors.New("retinue: store failed")
	// ErrReentrant: a call that would wait for itself.
	ErrReentrant = errors.New("retinue: reentrant call")
	// ErrInvalid: the caller's input; see [InvalidError].
	ErrInvalid = errors.New("retinue: invalid")
	// ErrTooLarge: an event or an append over its limit; see [TooLargeError].
	ErrTooLarge = errors.New("retinue: too large")
	// ErrConditionFailed: see [ConditionError].
	ErrConditionFailed = errors.New("retinue: condition failed")
	// ErrKeyConflict: the idempotency key was used for other content.
	ErrKeyConflict = errors.New("retinue: idempotency key used for other content")
	// ErrUncertain: the append may or may not be in the log.
	ErrUncertain = errors.New("retinue: outcome uncertain")
	// ErrNotInLog: the position has no id in the log that was asked.
	ErrNotInLog = errors.New("retinue: not in this log")
	// ErrBadID: text that is not an id.
	ErrBadID = errors.New("retinue: bad id")
	// ErrTrimmed: see [TrimmedError].
	ErrTrimmed = errors.New("retinue: trimmed")
	// ErrDecode: see [DecodeError].
	ErrDecode = errors.New("retinue: cannot decode")
	// ErrUnknownFollower: no follower of that name, in this process or at all.
	ErrUnknownFollower = errors.New("retinue: unknown follower")
	// ErrDuplicateFollower: the name is followed already.
	ErrDuplicateFollower = errors.New("retinue: follower exists")
	// ErrOtherLog: a follower's stored cursor belongs to the other log.
	ErrOtherLog = errors.New("retinue: cursor of the other log")
	// ErrPaused: the follower is paused.
	ErrPaused = errors.New("retinue: follower is paused")
	// ErrParked: the follower, or the entry for it, is parked.
	ErrParked = errors.New("retinue: parked")
	// ErrSkipped: the entry was skipped by the follower's policy, or by a Seek.
	ErrSkipped = errors.New("retinue: entry was skipped")
	// ErrCursorMoved: a compare-and-set on a cursor lost.
	ErrCursorMoved = errors.New("retinue: cursor moved")
	// ErrOutOfRange: a position outside the log.
	ErrOutOfRange = errors.New("retinue: position out of range")
	// ErrTimeout: a transaction or a turn took longer than allowed.
	ErrTimeout = errors.New("retinue: timeout")
	// ErrInUse: another bus has the store open.
	ErrInUse = errors.New("retinue: store is in use")
	// ErrNotStore: the directory is not empty and holds no store.
	ErrNotStore = errors.New("retinue: not a store")
	// ErrNewerFormat: the store was written by a newer Retinue.
	ErrNewerFormat = errors.New("retinue: store has a newer format")
	// ErrCorrupt: the store contradicts itself; see [CorruptError].
	ErrCorrupt = errors.New("retinue: store is corrupt")
	// ErrDamaged: files of the store are lost or cut; see [DamagedError].
	ErrDamaged = errors.New("retinue: store is damaged")
	// ErrNotStaged: the ticket's batch has not been committed.
	ErrNotStaged = errors.New("retinue: batch has not been committed")
	// ErrStuck: see [StuckError].
	ErrStuck = errors.New("retinue: reaction does not return")
	// ErrGap: see [GapError].
	ErrGap = errors.New("retinue: subscriber was too slow")
	// ErrReadOnly: the bus was opened to read.
	ErrReadOnly = errors.New("retinue: opened read-only")
	// ErrExists: the target of a backup, a restore or an import is there and is
	// not empty.
	ErrExists = errors.New("retinue: target exists")
	// ErrNoSpace: a disk is full.
	ErrNoSpace = errors.New("retinue: no space left")
	// ErrImport: see [ImportError].
	ErrImport = errors.New("retinue: cannot import")
	// ErrUnfinishedImport: an import into the store was not finished; to import
	// the same file again finishes it.
	ErrUnfinishedImport = errors.New("retinue: unfinished import")
	// ErrEnded: a transaction, a turn or a view used after its end.
	ErrEnded = errors.New("retinue: used after its end")
)

// InvalidError is input that is refused before anything is written. It is
// [ErrInvalid].
type InvalidError struct {
	// What was refused: "event type", "follower", "options" and the like.
	What string
	// Why it was refused, with the value.
	Why string
	// Cause is what the caller's own code returned or panicked with (a
	// [PanicError]); nil where the input itself is at fault.
	Cause error
}

func (e *InvalidError) Error() string {
	if e.Cause != nil {
		return "retinue: invalid " + e.What + ": " + e.Why + ": " + e.Cause.Error()
	}
	return "retinue: invalid " + e.What + ": " + e.Why
}
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }
func (e *InvalidError) Unwrap() error        { return e.Cause }

// Invalid returns an [InvalidError].
func Invalid(what, format string, args ...any) error {
	return &InvalidError{What: what, Why: fmt.Sprintf(format, args...)}
}

// TooLargeError is an event or an append over its limit, in bytes. It is
// [ErrTooLarge].
type TooLargeError struct {
	// What is "event" or "append".
	What        string
	Size, Limit int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("retinue: %s of %d bytes is over the limit of %d", e.What, e.Size, e.Limit)
}
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// ConditionError is a condition that did not hold. Nothing was appended. It
// is [ErrConditionFailed].
type ConditionError struct {
	Condition Condition
	// Head is the permanent log's head when the condition was checked.
	Head EventID
	// Found is the entry that stood in the way, 0 for a condition on the head.
	Found EventID
}

func (e *ConditionError) Error() string {
	if e.Condition.OnHead() {
		return fmt.Sprintf("retinue: condition failed: head is %v, want %v", e.Head, e.Condition.At)
	}
	return fmt.Sprintf("retinue: condition failed: entry %v is of %v, want none since %v", e.Found, e.Condition.Types, e.Condition.At)
}
func (e *ConditionError) Is(target error) bool { return target == ErrConditionFailed }

// UncertainError is an append whose ctx ended after the writer had accepted
// it: it may be in the log. A key makes the retry safe. It is [ErrUncertain]
// and, through its Cause, the context's error.
type UncertainError struct{ Cause error }

func (e *UncertainError) Error() string {
	return "retinue: outcome uncertain: " + e.Cause.Error()
}
func (e *UncertainError) Is(target error) bool { return target == ErrUncertain }
func (e *UncertainError) Unwrap() error        { return e.Cause }

// FailedError ends every call on a bus whose store has failed. It is
// [ErrFailed] and unwraps to its Cause: the first failure, which is never
// nil. An append that it ends may be found in the log when the store is
// opened again.
type FailedError struct{ Cause error }

func (e *FailedError) Error() string        { return "retinue: store failed: " + e.Cause.Error() }
func (e *FailedError) Is(target error) bool { return target == ErrFailed }
func (e *FailedError) Unwrap() error        { return e.Cause }

// TrimmedError is a wish for an entry below the horizon. It is [ErrTrimmed].
type TrimmedError struct {
	// Wanted is the id that was asked for; Horizon, the lowest that is left, is
	// above it.
	Wanted  TrimmableID `json:"wanted"`
	Horizon TrimmableID `json:"horizon"`
}

func (e *TrimmedError) Error() string {
	return fmt.Sprintf("retinue: trimmable entry %v is below the horizon %v", e.Wanted, e.Horizon)
}
func (e *TrimmedError) Is(target error) bool { return target == ErrTrimmed }

// FollowerError is what went wrong with one follower. It unwraps to its
// cause: [ErrPaused], [ErrParked], [ErrSkipped], [ErrUnknownFollower] or what
// a reaction returned.
type FollowerError struct {
	Follower string
	// Entry is the id in the follower's log, 0 where no entry is concerned.
	Entry uint64
	Type  Type
	Cause error
}

func (e *FollowerError) Error() string {
	if e.Entry == 0 {
		return fmt.Sprintf("follower %q: %v", e.Follower, e.Cause)
	}
	return fmt.Sprintf("follower %q, entry %d (%v): %v", e.Follower, e.Entry, e.Type, e.Cause)
}
func (e *FollowerError) Unwrap() error { return e.Cause }

// PanicError is a panic of a user's function, or a runtime.Goexit in one.
type PanicError struct {
	// Value is what was panicked with; nil for a runtime.Goexit.
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	if e.Value == nil {
		return "runtime.Goexit in a user's function"
	}
	return fmt.Sprintf("panic: %v", e.Value)
}

// Unwrap returns the panic's value where it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// StuckError names what still runs although its context has ended. It is
// [ErrStuck].
type StuckError struct{ Names []string }

func (e *StuckError) Error() string        { return fmt.Sprintf("retinue: does not return: %q", e.Names) }
func (e *StuckError) Is(target error) bool { return target == ErrStuck }

// GapError tells a subscriber how many entries it lost. It is [ErrGap].
type GapError struct{ Lost uint64 }

func (e *GapError) Error() string {
	return fmt.Sprintf("retinue: subscriber was too slow and lost %d entries", e.Lost)
}
func (e *GapError) Is(target error) bool { return target == ErrGap }

// CorruptError is a store that contradicts itself. It is [ErrCorrupt].
type CorruptError struct {
	// What is the record that was looked at.
	What string
	// Why tells the two values that disagree.
	Why string
}

func (e *CorruptError) Error() string        { return "retinue: corrupt " + e.What + ": " + e.Why }
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// DamagedError is a store of which a file is lost, cut or not its own. Nothing
// was changed; a backup helps. It is [ErrDamaged].
type DamagedError struct {
	// File that is damaged, or that the damage shows in.
	File string
	// Want is what should be there, Got what is.
	Want, Got string
	// Cause is what the file system or Pebble said, where it was them.
	Cause error
}

func (e *DamagedError) Error() string {
	text := fmt.Sprintf("retinue: store is damaged: %s: want %s, got %s", e.File, e.Want, e.Got)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }
func (e *DamagedError) Unwrap() error        { return e.Cause }

// Corrupt returns a [CorruptError].
func Corrupt(what, format string, args ...any) error {
	return &CorruptError{What: what, Why: fmt.Sprintf(format, args...)}
}

// ImportError is a line of an export that cannot be imported. Nothing of the
// line is in the store; what came before it stays, and is not read again once
// the line is repaired. It is [ErrImport].
type ImportError struct {
	// Line counts from 1, the header.
	Line  uint64
	Cause error
}

func (e *ImportError) Error() string {
	return fmt.Sprintf("retinue: cannot import line %d: %v", e.Line, e.Cause)
}
func (e *ImportError) Is(target error) bool { return target == ErrImport }
func (e *ImportError) Unwrap() error        { return e.Cause }

package followers

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/retinue-go/retinue/messages"
)

// Follower describes an actor that walks one log and reacts. It is a plain
// value: what is checked and run is its [Plan].
//
// Invariant: exactly one of Reactions, Every, Batch and Props is set.
type Follower struct {
	// Name owns the cursor and the follower's keys, so it outlives the
	// process: 1 to [messages.MaxName] bytes of UTF-8, unique in its store.
	Name string
	// Log to walk. A name keeps its log; zero is the permanent one.
	Log messages.Log
	// Start says where a follower begins that has no cursor yet. With a cursor
	// it is ignored. Zero is [Earliest].
	Start Start

	// Reactions are one per kind; for entries of other kinds see Unknown.
	Reactions []Reaction
	// Unknown says what becomes of an entry that no reaction can read. Zero is
	// [FailTurn].
	Unknown OnUnknown
	// Raw is what [GiveRaw] calls, and is set with it only.
	Raw func(*Turn) error
	// Every is called for every entry that Filter passes.
	Every func(*Turn) error
	// Batch is called with up to 256 entries that Filter passes, as one turn:
	// all or nothing. If it fails, the batch comes again in halves. The turn's
	// own entry is the last of the batch; the slice, which may be reordered, and
	// its entries, which are only to be read, are valid until the turn ends.
	Batch func(*Turn, []messages.Entry) error
	// Props make a protoactor actor that speaks the raw protocol; see
	// [Deliver]. Its producer must return a fresh value every time, because
	// each incarnation gets one.
	Props *actor.Props
	// CaughtUp, if not nil, is called between turns when the follower has
	// handled and committed every entry that was durable when the host last
	// looked: once after the start of each incarnation, and once after each
	// falling behind. At is the cursor, the next id that the follower will
	// read; ctx ends with the incarnation, so that what is started here, a
	// timer, can end with it. No turn begins until it returns. An error or a
	// panic fails the incarnation, and no entry is to blame. With Props it is
	// not set: a raw behaviour gets a message, [CaughtUp].
	CaughtUp func(ctx context.Context, at messages.Position) error

	// Filter narrows what is delivered; zero passes everything.
	Filter messages.Filter
	// Restart says how long to wait after a failure, and when to give up.
	Restart Restart
	// Poison says what becomes of an entry that fails again and again.
	Poison Poison
	// Key returns an entry's sequence key: while an entry is parked, later
	// ones of the same key are parked behind it, in order, so that a replay
	// finds them as they stood. The empty key is in no sequence. Nil: no
	// sequences. It must depend on the entry alone, and not keep it.
	Key func(messages.Entry) string
	// Timeout of one turn, after which its context ends and it fails with
	// [messages.ErrTimeout]; 0 is none. A reaction that ignores its context is
	// reported as stuck, and not replaced while it runs.
	Timeout time.Duration
	// Sync makes every commit of this follower durable before the next turn.
	// Without it a crash may take back its last commits: cursor, writes and
	// events together, so that the turns run again as if they never had.
	Sync bool
	// Trimmed says what to do where the cursor has fallen below the horizon.
	// The permanent log has none, and there it is without effect.
	Trimmed OnTrimmed
}

// OnUnknown says what becomes of an entry that no reaction can read: one that
// does not decode, because its version is newer than the reaction's Go type,
// an upcast fails, or the payload or its codec is another; or one of a kind
// that no reaction names.
type OnUnknown uint8

const (
	// FailTurn fails the turn of an entry that does not decode with its
	// [messages.DecodeError], so that [Poison] decides. Entries of other kinds
	// are none of the follower's business and are not delivered.
	FailTurn OnUnknown = iota
	// PassOver moves on from an entry that does not decode and counts it as
	// skipped. Entries of other kinds are not delivered.
	PassOver
	// GiveRaw calls Raw for an entry that does not decode, and for every other
	// entry that Filter passes and no reaction names. What Raw returns is the
	// turn's outcome: nil goes on, an error is a failure as any other. A
	// follower that asks for this reads the whole log, unless Filter narrows
	// it to some modules, kinds or types.
	GiveRaw
)

// String returns "fail turn", "pass over" or "give raw".
func (o OnUnknown) String() string {
	switch o {
	case FailTurn:
		return "fail turn"
	case PassOver:
		return "pass over"
	case GiveRaw:
		return "give raw"
	}
	return fmt.Sprintf("unknown(%d)", uint8(o))
}

// OnTrimmed says what a follower does whose cursor is below the horizon of
// the trimmable log.
type OnTrimmed uint8

const (
	// Fail stops the follower, visibly, with [messages.TrimmedError].
	Fail OnTrimmed = iota
	// Jump goes on at the horizon and counts what was missed.
	Jump
)

// String returns "fail" or "jump".
func (o OnTrimmed) String() string {
	if o == Jump {
		return "jump"
	}
	return "fail"
}

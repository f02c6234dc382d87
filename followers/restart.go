package followers

import (
	"fmt"
	"math"
	"time"
)

// Restart says how a follower comes back after a failure: as a fresh
// incarnation that starts at the stored cursor, after a delay that doubles
// with every failure in a row, give or take 20 %. Failures are in a row until
// the cursor moves.
type Restart struct {
	// Initial is the delay after the first failure; 0 means 100 ms.
	Initial time.Duration
	// Max is where doubling ends; 0 means 30 s, or Initial where that is more.
	Max time.Duration
	// Budget is how many failures in a row are borne: with 3 the fourth parks
	// the follower, until it is resumed by hand. 0 is no limit.
	Budget int
}

// Poison says what becomes of an entry whose turns fail.
type Poison struct {
	// Action is taken at the failure of attempt After; zero is [Halt].
	Action Action
	// After is how many attempts an entry gets; 0 means 5. [Halt] does not
	// look at it.
	After int
}

// Action is what is done with a poisonous entry.
type Action uint8

const (
	// Halt keeps the cursor where it is and tries again, for ever or until
	// the budget of [Restart] is spent. Nothing is lost, nothing moves.
	Halt Action = iota
	// Skip moves the cursor past the entry and counts it.
	Skip
	// Park sets the entry aside with its error, to be replayed or dropped by
	// hand, and moves the cursor past it.
	Park
)

// Decision is what the supervisor does about a failure.
type Decision struct {
	// Action to take; zero is Retry.
	Action Verdict
	// Delay before the next incarnation starts; above 0 with Retry only.
	Delay time.Duration
}

// Verdict is the kind of a [Decision].
type Verdict uint8

const (
	// Retry starts a new incarnation after the delay.
	Retry Verdict = iota
	// SkipEntry moves past the entry and goes on.
	SkipEntry
	// ParkEntry parks the entry, moves past it and goes on.
	ParkEntry
	// ParkFollower gives the follower up until it is resumed by hand.
	ParkFollower
)

const (
	defaultInitial  = 100 * time.Millisecond
	defaultMax      = 30 * time.Second
	defaultAttempts = 5
	// jitter is the part of a delay by which it may differ either way, so
	// that followers that failed together do not come back together.
	jitter = 0.2
)

// Decide is the whole policy of a failure, and has no effect. failures counts
// those in a row since the cursor last moved, this one included; attempts are
// those of the entry that failed, this one included, and 0 where no entry is
// to blame; random is in [0, 1).
//
// An entry that has used its attempts is skipped or parked before the budget
// is looked at: one that is set aside fails nobody any more.
func (f Follower) Decide(failures, attempts int, random float64) Decision {
	after := f.Poison.After
	if after == 0 {
		after = defaultAttempts
	}
	if attempts >= after {
		switch f.Poison.Action {
		case Skip:
			return Decision{Action: SkipEntry}
		case Park:
			return Decision{Action: ParkEntry}
		}
	}
	if f.Restart.Budget > 0 && failures > f.Restart.Budget {
		return Decision{Action: ParkFollower}
	}
	return Decision{Action: Retry, Delay: f.Restart.delay(failures, random)}
}

// delay returns min(Initial * 2^(failures-1), Max) * (1 ± jitter).
func (r Restart) delay(failures int, random float64) time.Duration {
	initial, limit := r.Initial, r.Max
	if initial == 0 {
		initial = defaultInitial
	}
	if limit == 0 {
		limit = max(defaultMax, initial)
	}
	d := min(initial, limit)
	for ; failures > 1 && d < limit; failures-- {
		if d > limit/2 {
			d = limit
		} else {
			d *= 2
		}
	}
	jittered := float64(d) * (1 - jitter + 2*jitter*random)
	if jittered >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(jittered)
}

// String returns "halt", "skip" or "park".
func (a Action) String() string {
	switch a {
	case Halt:
		return "halt"
	case Skip:
		return "skip"
	case Park:
		return "park"
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// String returns "retry", "skip entry", "park entry" or "park follower".
func (v Verdict) String() string {
	switch v {
	case Retry:
		return "retry"
	case SkipEntry:
		return "skip entry"
	case ParkEntry:
		return "park entry"
	case ParkFollower:
		return "park follower"
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

package followers

import (
	"log/slog"

	"github.com/retinue-go/retinue/messages"
)

// Deliver is what a raw behaviour, the actor of [Follower.Props], receives
// for every entry. It answers each one, once:
//
//	host                         behaviour
//	  | -- *Deliver{Turn} ------>  |   works on the turn
//	  | <----- *Done -------------  |   c.Respond(d.Done(err)), and lets go of the turn
//	  |   commit, or a new incarnation where err is not nil
//	  | -- *Deliver{Turn} ------>  |
//	  | -- *CaughtUp ----------->  |   nothing left to read for now; no answer
//
// One delivery is under way at a time. The behaviour may answer in a later
// message than the one that brought the delivery, as long as it keeps the
// sender and touches the turn in its own Receive only. It must not keep the
// Turn after answering, because the host uses it again.
//
// An answer carries its delivery's token. The host ignores one that is not to
// the delivery under way: a late one of an earlier incarnation, a second one
// to the same delivery. A behaviour that panics or stops has failed the turn
// under way.
//
// A behaviour may Become what it likes between deliveries. What it keeps in
// its fields is gone with the incarnation; what must stay goes into the
// turn's keys. Given that, its turns are as exactly-once as any reaction's.
type Deliver struct {
	Turn  *Turn
	token uint64
}

// Done is the answer to a [Deliver]. Make it with [Deliver.Done].
type Done struct {
	token uint64
	err   error
}

// CaughtUp tells a raw behaviour that it has handled every entry that was
// durable when the host last looked. It comes once after the start and once
// after each falling behind, and is not answered.
type CaughtUp struct {
	// At is the cursor: the next id that the follower will read.
	At messages.Position
}

// NewDeliver returns a delivery of t. The host gives every delivery another
// token, over all incarnations of the follower.
func NewDeliver(t *Turn, token uint64) *Deliver { return &Deliver{Turn: t, token: token} }

// Done returns the answer to d. With a nil err the turn commits, unless one
// of its methods has failed; otherwise it leaves nothing and comes again.
func (d *Deliver) Done(err error) *Done { return &Done{token: d.token, err: err} }

// LogValue keeps the turn, which is another goroutine's, out of the log lines
// that an actor system writes about messages it could not deliver.
func (d *Deliver) LogValue() slog.Value {
	return slog.GroupValue(slog.Uint64("delivery", d.token))
}

// Token is that of the delivery that is answered.
func (d *Done) Token() uint64 { return d.token }

// Err is what the behaviour said about its turn.
func (d *Done) Err() error { return d.err }

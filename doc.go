// Package retinue is an embedded, ordered, durable event log, followed by
// supervised actors.
//
//	bus, err := retinue.Open("wallet.db", nil)
//	defer bus.Close()
//
//	err = bus.Follow(followers.Follower{
//		Name: "balance",
//		Reactions: []followers.Reaction{followers.On(func(t *followers.Turn, e Deposited) error {
//			return t.Set([]byte(e.Account), add(t, e)) // commits with the cursor
//		})},
//	})
//	at, err := bus.Append(ctx, Deposited{"alice", 21}) // ordered, durable, ids known
//	err = bus.Await(ctx, "balance", at)                // the follower has reacted, durably
//
// The parts of a program append events, inside their own transactions if they
// like. One writer actor puts them into one gap-free order in Pebble.
// Followers, each a supervised actor, walk that order, react, append events
// of their own, and commit their cursor in the same batch as their reactions:
// inside the database a reaction happens exactly once, whatever crashes.
//
// # Two logs
//
// Persistent events are kept for ever in the permanent log; they and
// trimmable ones are read in the trimmable log until the trimmer takes them.
// Ids of both are contiguous from 1 and never reused. Transient events are
// never written; [Bus.Subscribe] hears them.
//
// # Appending
//
// [Bus.Append] for events alone; [Bus.Submit] to keep many in flight, with an
// idempotency key or a condition; [Bus.Update] to read, decide, write the
// application's own keys and append as one serial transaction. In a shared
// database [Bus.Commit] commits the program's own batch with the events, and
// [Bus.Stage] with [Bus.Poke] is for a batch that the program must commit
// itself.
//
// # Following
//
// A [followers.Follower] is a struct literal with one of four bodies: typed
// Reactions, Every, Batch, or the Props of a raw protoactor behaviour. A
// panic or an error leaves nothing of its turn; the supervisor starts a fresh
// incarnation from the stored cursor after a backoff, and the follower's
// poison policy says what becomes of an entry that keeps failing. [Bus.Await]
// waits for a reaction, [Bus.Status] tells the state of everything.
//
// # Errors
//
// Every error a caller may match is in package messages: sentinels ErrX for
// [errors.Is], types XError for [errors.As].
//
// # Where to read on
//
// docs/guarantees.md links each promise to the test that would fail;
// docs/format.md draws the bytes; docs/supervision.md the states of a
// follower. Package actors is exported for this package only and is outside
// the compatibility promise.
package retinue

// Package followers holds what a user of Retinue writes: a [Follower] that
// walks one log in order and reacts to its entries, one [Turn] after the
// other.
//
//	followers.Follower{
//		Name: "balance",
//		Reactions: []followers.Reaction{
//			followers.On(func(t *followers.Turn, e Deposited) error {
//				return t.Set([]byte(e.Account), add(t, e))
//			}),
//		},
//	}
//
// A turn is one delivery: one entry, or one batch for a batch handler. What
// it writes into the follower's own keys, the events that it appends and the
// cursor are one commit. A reaction that returns an error or panics leaves
// none of them; it comes again, in a fresh incarnation, after the delay that
// [Follower.Decide] gives.
//
// A reaction is an ordinary function of a turn and an event, so it is tested
// without a bus: [NewTurn] over [NewMemory].
//
// # What to know before writing one
//
// Effects outside the database are at least once. A mail sent, a file written
// or a remote call made by a turn that then fails, or whose process dies,
// happens again with the next attempt. Give the other side (store id, entry
// id) as its idempotency key: the pair names the entry for ever.
//
// A reaction added later does not see what the cursor has passed. The cursor
// belongs to the follower and not to its reactions: a follower that has read
// up to entry 900 and gets a reaction for another kind sees that kind from
// entry 901 on. Give the new reaction a follower of its own, or move the
// cursor back with Seek and bear that the old reactions run again.
//
// A turn and its entry are borrowed. Neither may be used after the reaction
// has returned, least of all by a goroutine that it left behind: the host
// uses the same Turn for the next entry. [messages.Entry.Clone] keeps an entry.
//
// A follower's keys are written by this follower only and may be read by
// everyone. Followers share by events, not by writes.
//
// The package touches no disk and starts no goroutine; [Follower.Plan],
// [Turn.Begin], [Turn.End] and [NewDeliver] are for the runtime that does.
package followers

// Package actors is what runs in a bus: the writer, the trimmer, and a
// supervisor with a host for each follower. It is exported for package retinue
// only and is outside the compatibility promise.
//
//	engine, err := actors.Start(config)                     // spawns the tree, orders what was staged
//	ticket, err := engine.Submit(ctx, actors.Append{Events: events})
//	receipt, err := ticket.Wait(ctx)
//	err = engine.Follow(plan)
//	err = engine.Close(ctx)                                 // the store is left open, synced
//
// # The tree
//
//	retinue-<name>        rootActor: owns everything that runs for one bus
//	 |- writer            the one door to the store: every commit goes through it
//	 |- trimmer           a pass every Trim.Every, the first one pause after Open
//	 `- followers         followerGroup: parent of all supervisors
//	     `- <name>        supervisor of one follower: backoff, budget, parked
//	         `- host      one incarnation: reads, runs turns, commits
//	             `- actor the user's actor, where the follower is a raw behaviour
//
// The bus's own actors are supervised by lastResort: a panic in one of them is
// a broken invariant, and fails the bus as a whole, visibly. A host is
// supervised by its supervisor, the user's actor by its host; both are stopped
// and never restarted in place.
//
// # Who owns what
//
//	heads, horizon, open batch, key window, clock   the writer's goroutine
//	a tracker's cursor, control, incarnation        changed by the writer only; the cursor only for
//	                                                who holds the tracker's slot, who may also read it
//	slot                                            a run of the host, or one command at a time
//	run: page, turn, state, events                  the holder of the slot
//	durable marks, durable cursor                   published by the writer after the sync, read by all
//	report (what Status shows)                      guarded by tracker.mu
//	idempotency keys on disk, staged records        the writer
//
// A mailbox message to a host is a hint to look at the log, at most one is on
// its way, and losing it loses nothing: the truth is the cursor on disk.
//
// # A round of the writer
//
//  1. Gather. Jobs that wait together are one round, up to about 1,024 events
//     or 256 KiB. While its only round is smaller than rounds have been lately,
//     the mailbox lets producers run a few times: those that were just answered
//     come back within that time.
//  2. Walk the jobs in the order they came. An append looks up its idempotency
//     key, checks its conditions, and gets its ids. The commit of a follower is
//     refused unless it comes from the present incarnation and from the cursor
//     that it started from. What was placed so far is written into the batch
//     before anything else goes into it.
//  3. The closure of an Update goes on where those before it in the round have
//     left the application's keys. If the round holds anything else that it
//     could read, that is committed first, unsynced. The closure runs on its
//     caller's goroutine while the writer waits, at most UpdateTimeout.
//  4. Commit the batch, and sync once if any job's answer rests on a sync: an
//     append's, an Update's, a refusal's that looked at unsynced state, a
//     command's, a turn's that appended events or that somebody awaits.
//  5. Numbers of new event types become known to readers.
//  6. If everything is durable: publish the heads, wake the followers, publish
//     the durable cursors and answer who waits for them, give subscribers what
//     was ordered and what is transient. If not: see to a sync within a second.
//  7. Count the round for [Engine.Metrics], and answer every job: one channel is
//     closed for all callers of Append, who look at their contexts only where a
//     round takes longer than patience, and then one for everybody else.
//
// A round that fails fails the store: everybody is answered with
// [messages.FailedError], and no id is guessed.
//
// # A run of a follower
//
// A host that is woken starts a run on a goroutine of its own, so that the
// host stays reachable while user code is called, and a runtime.Goexit in a
// reaction ends that goroutine and not an actor. The run holds the follower's
// slot, and does, until it has reached the durable head:
//
//  1. Read a page: up to 1,024 entries below the durable head.
//  2. For each entry, begin a turn and call the user. What the turn writes and
//     appends is collected apart and joins the commit only if it returns nil.
//  3. Commit: writes, events, the cursor and parked entries in one batch of the
//     writer - at the end of the page, after 20 ms, after 1 MiB of writes or
//     1,024 events, and before anything that ends the run.
//
// A failing turn commits the turns before it, leaves the cursor at its entry,
// counts the attempt and ends the incarnation. The supervisor stops the host,
// waits until nothing of it runs, and starts a fresh one after the delay that
// [followers.Follower.Decide] gives. docs/supervision.md draws the states.
//
// # When the power fails in the middle of a reaction
//
// Say that follower f stands at cursor 7, and its turn over entry 7 has called
// Set and Append when the power fails.
//
// What was there. Entry 7 was durable before f was given it: a run reads below
// the durable head only, which the writer publishes after the sync. So entry 7
// is still there, with the same id. What the turn wrote was in memory only:
// Set and Append collect, nothing reaches Pebble before the commit. So it is
// gone, whole.
//
// If the turn had returned, and its commit was under way. The commit is one
// Pebble batch that holds f's keys, the events that f appended with their ids,
// the heads that they moved, parked records, and the cursor 8. The write-ahead
// log has all of it or nothing: the turn happened with its cursor, or did not
// happen and the cursor is 7. There is no third case.
//
// If its commit was answered. Where the turn appended events, where Await
// waits for it, where the follower is declared Sync, the answer came after the
// sync, and it all stays. Otherwise the commit is synced within a second, and
// until then the power may take it back - again as a whole, cursor, keys and
// records, and with everything that was committed after it, because there is
// one log. Nobody has seen it: Await, Status and readers go by what is
// durable. A View may have.
//
// What happens at the next Open. Pebble replays its log. The bus counts a new
// epoch and sees that the one before was not closed. What a committed batch of
// the program had staged is ordered before Open returns. When f is followed, a
// new incarnation begins at the cursor on disk: the turn over entry 7 runs
// again, or entry 8 is next. For the database the reaction happens exactly
// once.
//
// The attempt. With the poison policy Halt nothing more is counted: the turn
// is simply tried again. With Skip or Park, the first entries after such an
// end, as many as could have been without a commit, are tried one by one, and before
// each the cursor is written, synced, with the mark that the entry is being
// tried. If that process dies too, the next incarnation finds the mark and
// counts the attempt as failed; so an entry that kills the process every time
// is set aside in the end, like one that returns an error.
//
// What cannot be taken back. A mail that the reaction sent, a file that it
// wrote, a call to another machine: they happen again with the second attempt.
// The pair (store id, entry id) names the entry for ever: give it to the other
// side as its idempotency key.
//
// # Order of stopping
//
// [Engine.Close]:
//
//  1. Refuse new work: the writer's mailbox takes no more of callers' jobs, and
//     those that it has taken will be answered.
//  2. End the runs: the context of every turn under way is cancelled, and Close
//     waits until it has returned, and committed or rolled back. What does not
//     return in time is named in [messages.StuckError]; then nothing below it
//     has been stopped, and Close may be called again.
//  3. Sync on the writer: behind everything that was accepted, which is
//     answered by then.
//  4. Stop timers, end subscriptions, answer tickets of Stage and waiters with
//     [messages.ErrClosed].
//  5. Stop the tree and wait for its root.
//
// Package retinue closes the store after that, and shuts the actor system down
// only if it is the bus's own.
package actors

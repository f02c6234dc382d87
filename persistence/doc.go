// Package persistence is the bytes of Retinue: the key space in Pebble, the
// record of an entry, cursors, parked entries, idempotency keys, opening and
// recovery, reading the log, and the fence between a failing disk and the
// program. It alone calls Pebble.
//
//	store, err := persistence.Open(persistence.Config{Dir: "wallet.db"})
//	opened := store.Opened()         // heads, horizon, cursors as they are on disk
//	batch := store.NewBatch()        // the writer's, and nobody else's
//	batch.Place(placed)              // entries that have their place
//	batch.SetHeads(heads)            // in the same batch as what moved them
//	err = batch.Commit(true)         // one apply, one sync
//	err = store.ReadPage(&page, q)   // any goroutine
//	err = store.Close(ctx)
//
// A program that only appends and follows needs none of this but [Configure],
// which prepares a database that it shares with a bus. docs/format.md draws
// every key and value to the byte.
//
// # Key space
//
// Behind the store's prefix, which is empty in a database of its own, the
// first byte of a key is its space:
//
//	'P' 'T'   entries: permanent, and trimmable only     [Batch.Place], [Store.ReadPage]
//	'K'       numbers of event types                     [Batch.NameType], [Store.Learn]
//	'C' 'Q'   cursors; paused and parked followers       [Cursor], [Control]
//	'D'       entries that followers have set aside      [Parked]
//	'F' 'A'   keys of followers, keys of the application [State]
//	'I'       idempotency keys                           [Appended]
//	'U'       staged events                              [Staged]
//	'M'       format, store id, epochs, heads, horizon, the next follower's number
//
// # Opening and recovery
//
// [Open] of a directory:
//
//  1. Resolve symbolic links, and reserve the place within this process: one
//     store is open once ([messages.ErrInUse]).
//  2. Read the sentinel RETINUE. It says format and store id; a newer format
//     is refused ([messages.ErrNewerFormat]). A directory without one must be
//     empty, or hold RETINUE.new, the mark of a first Open that did not finish
//     ([messages.ErrNotStore]).
//  3. Lock the subdirectory pebble against other processes
//     ([messages.ErrInUse]). Where no sentinel stands even now, remove what an
//     unfinished first Open left there: nothing was ever accepted into it.
//  4. Open Pebble, which replays its write-ahead log. Where the sentinel
//     stands, a database that is not there, or has lost a file, is
//     [messages.DamagedError] and not a new one.
//  5. The first time only: write the store id, sync, make HEADS, then make the
//     sentinel appear, then remove RETINUE.new.
//
// In a shared database it reserves database and prefix instead. Then, in both:
//
//  6. Read format, store id, the epoch, and whether that epoch was closed well.
//  7. Read heads and clock, and the horizon. In a directory compare the store
//     id with the sentinel's, and the heads with the second mark in HEADS; in
//     both compare the last entries with the heads. A log that has lost its
//     end is [messages.DamagedError]. Nothing was changed by then.
//  8. Read the dictionary, the cursors and control records, and which buckets
//     hold idempotency keys. What contradicts itself - a horizon or a cursor
//     past its head, a hole in the dictionary, a follower's number not below
//     the next one - is [messages.CorruptError].
//  9. Count this Open as a new epoch, synced.
//
// Entries need no recovery of their own: a batch of the write-ahead log is
// there whole or not at all, and what belongs together is one batch. What was
// staged and not ordered is left in 'U'; package actors orders it before the
// bus is open, and looks after turns that were under way.
//
// [Store.Close] marks the epoch as closed well, synced, waits for reads in
// flight, and writes the second mark a last time. While the store is open it is
// written at most once a second, behind the log and off the writer's path. A
// store that has failed is abandoned: its files stay locked until
// the process ends, because Pebble cannot be closed any more.
//
// # Copies
//
// [Store.Backup] has Pebble make a checkpoint, [Restore] copies files; both
// work in a directory that is not a store until it is verified and renamed
// (partial). [Export] reads one snapshot; [Import] writes batches that say how
// far they come. A store that is opened to read ([Config.ReadOnly]) replays
// its log in memory and keeps what it finds.
//
// # Who may write
//
// One goroutine, the writer: [Batch] is the only way to change the store, and
// so the order of the write-ahead log is the writer's order. Exceptions: an
// [Import] and a [Restore] have the store to themselves; Open and Close write
// their own keys of 'M' before and after the writer runs; and [Store.Stage]
// writes a 'U' key into a batch that the program commits itself. Everything that reads - [Store.ReadPage], [Store.Entry],
// [Store.SeekTime], [State], [View] - is safe at any time from any goroutine,
// but each [Page], [State] and [Selection] belongs to one goroutine.
//
// # Failing disks
//
// Pebble ends the process where it cannot write its log, or reports a success
// that was none. A [Fence] is in its way, below it and behind it: the file
// system that Pebble sees keeps an error on a log, a manifest, a marker or a
// directory to itself, and the logger does not come back from a fatal message.
// The first failure trips the fence, the goroutine that met it is parked for
// ever, and so is every later one that would change the disk; reads go on.
// Every commit from then on is [messages.FailedError]. No sync is tried twice,
// and nobody guesses whether the batch under way is on disk: only the next
// Open knows.
package persistence

// Package retinuetest is the test kit for programs that use Retinue: a bus on
// a disk in memory that power cuts and faults can be tried on, followers that
// go turn by turn or fail by plan, and assertions that say what they found
// instead.
//
//	func TestADepositIsBooked(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			bus := retinuetest.Open(t, nil)
//			retinuetest.Follow(t, bus, Balance())
//			retinuetest.Await(t, bus, "balance", retinuetest.Append(t, bus, Deposited{"alice", 21}))
//
//			bus = retinuetest.Crash(t, bus, retinuetest.Cut{Unsynced: 30, Seed: 7})
//			retinuetest.RunUntilIdle(t, bus)
//			// and look at what is left
//		})
//	}
//
// Many tests need none of it. A reaction is a function of a turn and an event,
// and is tested as one: [followers.NewTurn] over [followers.NewMemory], with
// [WantEvents] on what the turn appended and [RoundTrip] for the events.
//
// # Time
//
// The kit is made for testing/synctest: there backoffs of minutes take no
// time, nothing depends on the machine's speed, and a goroutine that is left
// behind fails the test by itself. Give Open the T of the bubble. What waits -
// Await, RunUntilIdle, Step, Expect - gives up after ten minutes of the
// bubble's time, and says what it saw. Outside a bubble all works too, in real
// time, and gives up after half a minute.
//
// # What the kit wraps
//
// [Follow] gives the bus a follower that does what was declared, with a gate
// around each turn: [Hold], [Step], [Turns], [Inject], [Crash] and [Reopen]
// work through it, and do not know followers that were given to the bus by its
// own Follow. [Failures], [ExpectFailures] and [Tree] tell of all.
//
// # Which helper
//
//	open, end, begin again      Open  Reopen  Crash
//	wait                        Await  RunUntilIdle  Step
//	have a turn fail            Inject  Heal  Hold  Release
//	have a disk fail            NewDisk  FailSync  Fail
//	look at events              Entries  Kinds  Appended  WantEvents  One  RoundTrip
//	look at a follower          StatusOf  Turns  Failures  ExpectFailures
//	look at actors              Tree  WantTree  NewProbe  Expect  ExpectNone  ExpectTerminated
//	be told at the end          WatchDeadLetters  CheckLeaks
//
// # Disks that fail
//
// A write-ahead log that fails trips the bus's fence, and the goroutines that
// met it are parked for ever, by design. So a test in which a [Disk] fails a
// sync can neither run in a bubble nor under a leak check.
//
// Functions that take a [TB] belong to the test's goroutine; those without
// may be called from anywhere.
package retinuetest

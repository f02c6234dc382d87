package actors

import (
	"time"

	"github.com/retinue-go/retinue/persistence"
)

// Metrics is what a bus has counted and measured since it was opened. Counts
// never go down while it is open. What one call reads is not one moment: two
// figures may differ by a round.
type Metrics struct {
	// Bus is its name, Store the identity of its store.
	Bus   string
	Store persistence.StoreID

	// Append is the time from the hand-over to the writer to the answer, for
	// every Append, Submit and Commit, whatever its answer. Those that share a
	// round count with the time of its oldest job: the quantiles are upper
	// bounds.
	Append persistence.Histogram[time.Duration]
	// Order is the time that the writer spends on a round, commit and sync
	// included.
	Order persistence.Histogram[time.Duration]
	// Synced is the time that commits took which waited for the disk, Unsynced
	// that of those which did not.
	Synced, Unsynced persistence.Histogram[time.Duration]
	// Update is how long closures of Update have held the writer.
	Update persistence.Histogram[time.Duration]
	// Wait is how long appends waited because too much was pending
	// ([Config.MaxPendingBytes]); those that found room do not count.
	Wait persistence.Histogram[time.Duration]
	// RoundEvents is how many events a round has ordered, of those that
	// ordered any; RoundBytes what a commit took in the write-ahead log.
	RoundEvents, RoundBytes persistence.Histogram[int64]

	// Persistent, Trimmable and Transient are the events that were ordered or
	// broadcast, whoever appended them.
	Persistent, Trimmable, Transient uint64
	// Repeated are the appends that a key found done already, Refused those
	// whose condition did not hold.
	Repeated, Refused uint64
	// Trimmed are the entries that the trimmer let go.
	Trimmed uint64
	// Gaps is how often a subscriber was too slow, Lost how many entries it
	// missed.
	Gaps, Lost uint64

	// Subscribers and StagedTickets are those of the moment: a ticket is
	// outstanding until the batch of its Stage call is found committed.
	Subscribers, StagedTickets int
	// Followers, by name, followed in this process or not.
	Followers []FollowerMetrics
	// Database is what Pebble says of itself.
	Database persistence.Database
}

// FollowerMetrics is what was measured of one follower since the bus was
// opened. What is kept with its cursor - handled, skipped, parked and missed
// entries - is in its [FollowerStatus].
type FollowerMetrics struct {
	// Name of the follower.
	Name string
	// Turn is how long its turns took, each as the mean of those that share a
	// commit, which is made at least every 20 ms; Commit how long a commit
	// took, waiting for the writer included, and the page read meanwhile.
	Turn, Commit persistence.Histogram[time.Duration]
	// Failed are the turns that failed, Retried those at an entry that had
	// failed before. Interrupted turns do not count.
	Failed, Retried uint64
	// Restarts are the incarnations after the first.
	Restarts uint64
}

// Metrics returns what the bus has measured. It is cheap enough to be asked
// every second, and works on a failed or closed bus too.
func (e *Engine) Metrics() Metrics {
	m := &e.measured
	all := Metrics{
		Bus: e.Name, Store: e.Store.ID(),
		Append: m.append.snapshot(), Order: m.order.snapshot(),
		Synced: m.synced.snapshot(), Unsynced: m.unsynced.snapshot(),
		Update: m.update.snapshot(), Wait: e.mail.waited.snapshot(),
		RoundEvents: m.roundEvents.snapshot(), RoundBytes: m.roundBytes.snapshot(),
		Persistent: m.persistent.Load(), Trimmable: m.trimmable.Load(), Transient: m.transient.Load(),
		Repeated: m.repeated.Load(), Refused: m.refused.Load(), Trimmed: m.trimmed.Load(),
		Gaps: m.gaps.Load(), Lost: m.lost.Load(),
		Subscribers: int(e.broadcast.count.Load()), StagedTickets: e.staged.count(),
		Database: e.Store.Database(),
	}
	for _, t := range e.known() {
		f := &t.measured
		all.Followers = append(all.Followers, FollowerMetrics{
			Name: t.name, Turn: f.turn.snapshot(), Commit: f.commit.snapshot(),
			Failed: f.failed.Load(), Retried: f.retried.Load(), Restarts: uint64(t.snapshot().restarts),
		})
	}
	return all
}

// count returns how many Stage calls are outstanding.
func (s *stagedTickets) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

package actors

import (
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long the caller of an append waits before he looks at his
// context: nearly every round is answered by then, and to wait for one channel
// costs half of what it costs to wait for two.
const patience = 5 * time.Millisecond

// A round takes at most about this much; what comes later goes into the next.
// Larger batches gain nothing in throughput and cost latency.
const (
	roundEvents = 1024
	roundBytes  = 256 << 10
)

// job is a message to the writer.
type job interface {
	// weight is what the job adds to its round's size.
	weight() weight
	// enlist tells the job its round; every job that was enlisted is answered.
	enlist(r *round)
	// run does the job's part of the round; called on the writer.
	run(w *writer)
	// finish answers the job: err is nil once what it asked for is on disk.
	finish(err error)
}

// errand is the part of a job that waits for its answer.
type errand struct{ answered <-chan struct{} }

func (e *errand) enlist(r *round) { e.answered = r.answered }

// weight is a size in events and in bytes.
type weight struct{ events, bytes int }

// room is how much callers' jobs may weigh that are not answered yet.
//
// Invariant: 0 <= free <= most.
type room struct{ free, most weight }

// take reserves room for a job, or reports false. A job that is larger than
// all there is waits until it is alone.
func (r *room) take(w weight) (reserved weight, ok bool) {
	w = weight{min(w.events, r.most.events), min(w.bytes, r.most.bytes)}
	if w.events > r.free.events || w.bytes > r.free.bytes {
		return weight{}, false
	}
	r.free.events -= w.events
	r.free.bytes -= w.bytes
	return w, true
}

// give takes back what jobs have reserved.
func (r *room) give(reserved weight) {
	r.free.events += reserved.events
	r.free.bytes += reserved.bytes
}

// round is a run of jobs that share one commit.
type round struct {
	jobs []job
	// returning is how many of the jobs have a caller that waits.
	returning int
	// size is what all of them weigh, reserved what those of callers have
	// taken of the mailbox's room.
	size, reserved weight
	born           time.Duration // when its first job came

	// answered is closed with the answer. stirred is closed a little earlier,
	// or after patience: done says which.
	answered, stirred chan struct{}
	done              atomic.Bool
	stirring          sync.Once
	impatient         *time.Timer
}

// newRound returns an empty round that may use memory again.
func newRound(jobs []job) *round {
	r := &round{jobs: jobs, answered: make(chan struct{}), stirred: make(chan struct{}), born: ticks()}
	r.impatient = time.AfterFunc(patience, r.stir)
	return r
}

func (r *round) stir() { r.stirring.Do(func() { close(r.stirred) }) }

func (r *round) add(j job, reserved weight, returns bool) {
	w := j.weight()
	r.size.events += w.events
	r.size.bytes += w.bytes
	r.reserved.events += reserved.events
	r.reserved.bytes += reserved.bytes
	if returns {
		r.returning++
	}
	r.jobs = append(r.jobs, j)
	j.enlist(r)
}

func (r *round) full() bool { return r.size.events >= roundEvents || r.size.bytes >= roundBytes }

// answer tells every job how the round ended, and lets their callers go: those
// of appends first, who may come back before the next round is taken.
func (r *round) answer(err error) {
	for _, j := range r.jobs {
		j.finish(err)
	}
	r.impatient.Stop()
	r.done.Store(true)
	r.stir()
	close(r.answered)
}

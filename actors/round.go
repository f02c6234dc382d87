package actors

import "time"

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
	// enlist tells the job the channel that is closed once it is answered;
	// every job that was enlisted is.
	enlist(answered <-chan struct{})
	// run does the job's part of the round; called on the writer.
	run(w *writer)
	// finish answers the job: err is nil once what it asked for is on disk.
	finish(err error)
}

// errand is the part of a job that waits for its answer.
type errand struct{ answered <-chan struct{} }

func (e *errand) enlist(answered <-chan struct{}) { e.answered = answered }

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
	answered       chan struct{}
	born           time.Duration // when its first job came
}

// newRound returns an empty round that may use memory again.
func newRound(jobs []job) *round {
	return &round{jobs: jobs, answered: make(chan struct{}), born: ticks()}
}

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
	j.enlist(r.answered)
}

func (r *round) full() bool { return r.size.events >= roundEvents || r.size.bytes >= roundBytes }

// answer tells every job how the round ended, and lets their callers go.
func (r *round) answer(err error) {
	for _, j := range r.jobs {
		j.finish(err)
	}
	close(r.answered)
}

package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Status of a bus at one moment.
type Status struct {
	// Store is the store's identity.
	Store persistence.StoreID `json:"store"`
	// Failed is why the bus has failed as a whole, nil while it works.
	Failed error `json:"-"`
	// Guarded is true where a failing disk turns into errors. It is false in a
	// shared database without a fence: there it ends the process.
	Guarded bool `json:"guarded"`
	// ReadOnly is true where the store was opened to read.
	ReadOnly bool `json:"read_only,omitempty"`
	// Staged is how many Stage calls a crash has left to be ordered; it is 0
	// unless ReadOnly, since any other Open orders them.
	Staged int `json:"staged,omitempty"`
	// Closing is true once Close was called.
	Closing bool `json:"closing"`
	// Permanent and Trimmable are the two logs.
	Permanent LogStatus `json:"permanent"`
	Trimmable LogStatus `json:"trimmable"`
	// ClockOffset is how far ordering time runs ahead of the wall clock, as of
	// the last entry; it is above 0 after the wall clock was set back.
	ClockOffset time.Duration `json:"-"`
	// Followers, by name, followed in this process or not.
	Followers []FollowerStatus `json:"followers"`
	// Tree of actors.
	Tree Node `json:"tree"`
}

// LogStatus is what is durable of one log.
type LogStatus struct {
	// Head is the next id to be given.
	Head uint64 `json:"head"`
	// Horizon is the lowest id still there.
	Horizon uint64 `json:"horizon"`
	// Entries is Head - Horizon.
	Entries uint64 `json:"entries"`
	// Bytes on disk, as Pebble estimates it; entries in memtables do not
	// count, and persistent ones count for the permanent log.
	Bytes uint64 `json:"bytes"`
}

// State of a follower.
type State string

// States of a follower; docs/supervision.md draws them.
const (
	// NotFollowed: known to the store, not followed in this process.
	NotFollowed State = "not followed"
	// Running: turns are under way.
	Running State = "running"
	// Idle: waiting for the log to grow.
	Idle State = "idle"
	// BackingOff: between two incarnations, until RetryAt.
	BackingOff State = "backing off"
	// Paused by Pause, until Resume.
	Paused State = "paused"
	// ParkedState: given up on, until Resume.
	ParkedState State = "parked"
	// Stuck: a reaction does not return although its context has ended.
	Stuck State = "stuck"
)

// FollowerStatus is one follower at one moment.
type FollowerStatus struct {
	// Name and Log as it was declared.
	Name string       `json:"name"`
	Log  messages.Log `json:"log"`
	// State, and Why in words.
	State State  `json:"state"`
	Why   string `json:"why"`
	// Started is the start that was chosen when the follower was new.
	Started string `json:"started"`
	// Cursor is the next id to be read, as it is stored; Head the durable head
	// of its log.
	Cursor uint64 `json:"cursor"`
	Head   uint64 `json:"head"`
	// Lag is how many entries it has not passed yet; LagTime the age of the
	// oldest of them, in ordering time.
	Lag     uint64        `json:"lag"`
	LagTime time.Duration `json:"-"`
	// Stalled is true where it has entries to read, is neither paused nor
	// parked, and has not moved for Options.StallAfter.
	Stalled bool `json:"stalled"`
	// CaughtUp is true once it has reached the head since it was followed.
	CaughtUp bool `json:"caught_up"`
	// Attempts of the entry at the cursor that failed; Failures in a row since
	// the cursor moved; Restarts after failures and parking in this process.
	Attempts int `json:"attempts"`
	Failures int `json:"failures"`
	Restarts int `json:"restarts"`
	// LastError of a turn, with the entry's id and type, and when; RetryAt is
	// when the next incarnation starts.
	LastError error         `json:"-"`
	LastEntry uint64        `json:"last_entry,omitempty"`
	LastType  messages.Type `json:"-"`
	LastTime  time.Time     `json:"last_time,omitzero"`
	RetryAt   time.Time     `json:"retry_at,omitzero"`
	// Handled, Skipped, Parked and Missed count entries since the follower was
	// new.
	Handled uint64 `json:"handled"`
	Skipped uint64 `json:"skipped"`
	Parked  uint64 `json:"parked"`
	Missed  uint64 `json:"missed"`
}

// Position returns the cursor as a position of the follower's log.
func (f FollowerStatus) Position() messages.Position {
	if f.Log == messages.Permanent {
		return messages.EventID(f.Cursor)
	}
	return messages.TrimmableID(f.Cursor)
}

// Node is one actor of the tree.
type Node struct {
	// Name of the actor within its parent.
	Name string `json:"name"`
	// Incarnation counts starts, from 1; 0 where it does not run.
	Incarnation int `json:"incarnation"`
	// State in words.
	State string `json:"state"`
	// Children of the actor.
	Children []Node `json:"children,omitempty"`
}

// Status returns what is going on. It reads one entry per lagging follower.
func (e *Engine) Status() Status {
	marks := e.Durable()
	s := Status{
		Store:       e.Store.ID(),
		Guarded:     e.Store.Fence().Guards(),
		Permanent:   LogStatus{Head: uint64(marks.Event), Horizon: 1, Entries: uint64(marks.Event) - 1},
		Trimmable:   LogStatus{Head: uint64(marks.Trimmable), Horizon: uint64(marks.Horizon), Entries: uint64(marks.Trimmable - marks.Horizon)},
		ClockOffset: marks.Offset,
		Closing:     errors.Is(e.open(), messages.ErrClosed),
		ReadOnly:    e.Store.ReadOnly(),
		Staged:      e.left,
	}
	if cause := e.Store.Fence().Cause(); cause != nil {
		s.Failed = &messages.FailedError{Cause: cause}
	}
	s.Permanent.Bytes = e.Store.SizeOf(messages.Permanent)
	s.Trimmable.Bytes = e.Store.SizeOf(messages.TrimmableLog)
	group := Node{Name: "followers", Incarnation: 1, State: "running"}
	for _, t := range e.known() {
		f, node := t.status(marks, e.Now())
		s.Followers = append(s.Followers, f)
		if f.State != NotFollowed {
			group.Children = append(group.Children, node)
		}
	}
	if s.ReadOnly {
		s.Tree = Node{Name: "retinue-" + e.Name, State: "read only"}
		return s
	}
	running := Node{Incarnation: 1, State: "running"}
	writer, trimmer := running, running
	writer.Name, trimmer.Name = "writer", "trimmer"
	s.Tree = Node{Name: "retinue-" + e.Name, Incarnation: 1, State: "running", Children: []Node{writer, trimmer, group}}
	return s
}

func (t *tracker) status(marks *Marks, now time.Time) (FollowerStatus, Node) {
	t.mu.Lock()
	r, host, supervisor, present := t.report, t.host, t.supervisor, t.present
	t.mu.Unlock()
	f := FollowerStatus{
		Name: t.name, Log: t.log, Started: r.cursor.Started,
		Cursor: t.applied.Load(), Head: marks.Head(t.log), CaughtUp: r.caughtUp, Stalled: r.stalled,
		Attempts: int(r.cursor.Attempts), Failures: r.failures, Restarts: r.restarts,
		LastError: r.lastErr, LastEntry: r.lastAt, LastType: r.lastType, LastTime: r.lastTime, RetryAt: r.retryAt,
		Handled: r.cursor.Handled, Skipped: r.cursor.Skipped, Parked: r.cursor.Parked, Missed: r.cursor.Missed,
	}
	if passed := max(t.position.Load(), f.Cursor); passed < f.Head {
		f.Lag = f.Head - passed
		if e, err := t.engine.Store.Entry(t.log, max(passed, marks.Low(t.log))); err == nil {
			f.LagTime = max(now.Add(marks.Offset).Sub(e.Ordered), 0)
		}
	}
	f.State, f.Why = r.state(supervisor != nil, host != nil, f)
	node := Node{Name: t.name, Incarnation: 1, State: string(f.State)}
	if host != nil && present != nil {
		child := Node{Name: "host", Incarnation: int(present.incarnation), State: string(f.State)}
		if present.plan.Props != nil {
			child.Children = []Node{{Name: "actor", Incarnation: child.Incarnation, State: string(f.State)}}
		}
		node.Children = []Node{child}
	}
	return f, node
}

func (r *report) state(supervised, hosted bool, f FollowerStatus) (State, string) {
	switch {
	case r.running && (r.interrupted || r.overdue > 0):
		return Stuck, fmt.Sprintf("a reaction has not returned since its context ended; its run began %v", r.since.Format(time.RFC3339))
	case r.control.Parked:
		return ParkedState, r.control.Why
	case r.control.Paused:
		return Paused, "since " + r.control.Since.Format(time.RFC3339)
	case !supervised:
		return NotFollowed, "not followed in this process"
	case !hosted && r.retryAt.IsZero():
		return Running, "an incarnation is about to start"
	case !hosted:
		return BackingOff, fmt.Sprintf("until %v after %v", r.retryAt.Format(time.RFC3339), r.lastErr)
	case r.running || f.Lag > 0:
		return Running, fmt.Sprintf("%d entries behind", f.Lag)
	}
	return Idle, "waiting for entries"
}

// Number returns the number that stands for a follower in keys. Errors:
// [messages.ErrUnknownFollower].
func (e *Engine) Number(name string) (uint32, error) {
	t, err := e.tracker(name)
	if err != nil {
		return 0, err
	}
	return t.number, nil
}

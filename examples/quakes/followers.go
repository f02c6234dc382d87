package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/join"
)

// staff are the followers, each with a cursor and keys of its own. What they
// know is in those keys, never in memory: a run that is killed loses nothing.
func staff(bus *retinue.Bus) ([]followers.Follower, error) {
	latency, err := reviews.Follower(bus, "latency", measure)
	return []followers.Follower{
		{Name: "alerts", Reactions: []followers.Reaction{followers.On(raise)}},
		{Name: "catalog", Reactions: []followers.Reaction{followers.On(remember)}},
		latency,
		{Name: "live", Props: actor.PropsFromFunc(count)},
	}, err
}

// Alert is raised for a quake that is felt far away. It is of use for a while
// only: the trimmable log keeps the latest ten thousand entries and two weeks.
type Alert struct {
	ID        string  `json:"id"`
	Magnitude float64 `json:"magnitude"`
}

// EventType names the event on disk.
func (Alert) EventType() messages.Type {
	return messages.Type{Kind: "alert-raised", Persistence: messages.Trimmable}
}

// alarming is the magnitude from which on an alert is raised.
const alarming = 5

// raise appends an alert in the commit that moves the cursor past the quake:
// once, whatever happens in between.
func raise(t *followers.Turn, e Detected) error {
	if e.Magnitude < alarming {
		return nil
	}
	return t.Append(Alert{e.ID, e.Magnitude})
}

// remember keeps the strongest quake of each network: network -> Detected.
func remember(t *followers.Turn, e Detected) error {
	known, err := t.Get([]byte(e.Network))
	if err != nil {
		return err
	}
	if known != nil {
		var strongest Detected
		if err := json.Unmarshal(known, &strongest); err != nil {
			return err
		}
		if e.Magnitude <= strongest.Magnitude {
			return nil
		}
	}
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return t.Set([]byte(e.Network), value)
}

// reviews joins a detection with its review. It goes by the order of the log,
// because the replay appends a week in a second: a review is never before its
// detection there.
var reviews = join.Join[Detected]{
	Left:   join.On(func(e Detected) string { return e.ID }),
	Rights: []join.Right{join.With(func(e Reviewed) string { return e.ID })},
	Within: 365 * 24 * time.Hour,
}

// measure keeps how long a review took in truth: id -> milliseconds.
func measure(t *followers.Turn, r join.Result[Detected]) error {
	if r.Outcome != join.Matched {
		return fmt.Errorf("quake %s: %v", r.Key, r.Outcome)
	}
	return setNumber(t, r.Key, r.RightEntry.Time.Sub(r.LeftEntry.Time).Milliseconds())
}

// count is a raw behaviour, here a plain receive function of protoactor: it
// answers each delivery, and counts those that it sees as they happen.
func count(c actor.Context) {
	if d, ok := c.Message().(*followers.Deliver); ok {
		c.Respond(d.Done(countLive(d.Turn)))
	}
}

func countLive(t *followers.Turn) error {
	if !t.Live() {
		return nil
	}
	const key = "live"
	value, err := t.Get([]byte(key))
	if err != nil {
		return err
	}
	n, _ := number(value) // there is none before the first
	return setNumber(t, key, n+1)
}

func number(value []byte) (int64, error) { return strconv.ParseInt(string(value), 10, 64) }

func setNumber(t *followers.Turn, key string, n int64) error {
	return t.Set([]byte(key), strconv.AppendInt(nil, n, 10))
}

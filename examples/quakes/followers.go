package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// staff are the followers, each with a cursor and keys of its own. What they
// know is in those keys, never in memory: a run that is killed loses nothing.
func staff() []followers.Follower {
	return []followers.Follower{
		{Name: "alerts", Reactions: []followers.Reaction{followers.On(raise)}},
		{Name: "catalog", Reactions: []followers.Reaction{followers.On(remember)}},
		{Name: "latency", Reactions: []followers.Reaction{followers.On(expect), followers.On(measure)}},
		{Name: "live", Props: actor.PropsFromFunc(count)},
	}
}

func names() (all []string) {
	for _, f := range staff() {
		all = append(all, f.Name)
	}
	return all
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

// The keys of latency. A quake has one of the two:
//
//	waiting/<id> -> when it was detected, in milliseconds since 1970
//	took/<id>    -> how long its review took, in milliseconds
const (
	waiting = "waiting/"
	took    = "took/"
)

// expect is one half of a join by id: the detection waits for its review.
func expect(t *followers.Turn, e Detected) error {
	return setNumber(t, waiting+e.ID, t.Entry().Time.UnixMilli())
}

// measure is the other half. A review is never before its detection, neither
// in time nor in the log.
func measure(t *followers.Turn, e Reviewed) error {
	value, err := t.Get([]byte(waiting + e.ID))
	if err != nil {
		return err
	}
	detected, err := number(value)
	if err != nil {
		return fmt.Errorf("quake %s was reviewed without a detection: %w", e.ID, err)
	}
	if err := t.Delete([]byte(waiting + e.ID)); err != nil {
		return err
	}
	return setNumber(t, took+e.ID, t.Entry().Time.UnixMilli()-detected)
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

package retinuetest_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

type (
	// paid is persistent, seen trimmable, blinked transient.
	paid    struct{ Sats int }
	seen    struct{ By string }
	blinked struct{}
)

func (paid) EventType() messages.Type { return messages.Type{Module: "wallet", Kind: "paid"} }
func (seen) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "seen", Persistence: messages.Trimmable}
}
func (blinked) EventType() messages.Type {
	return messages.Type{Kind: "blinked", Persistence: messages.Transient}
}

var errRefused = errors.New("the reaction refuses")

func inBubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// complains wants exactly one complaint, with all of the parts in it.
func complains(t testing.TB, complaints []string, parts ...string) {
	t.Helper()
	if len(complaints) != 1 {
		t.Fatalf("%d complaints, want one: %q", len(complaints), complaints)
	}
	for _, part := range parts {
		if !strings.Contains(complaints[0], part) {
			t.Errorf("the complaint does not say %q:\n%s", part, complaints[0])
		}
	}
}

// journal is what reactions note.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) want(t testing.TB, want string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if got := strings.Join(j.lines, " "); got != want {
		t.Errorf("journal = %q, want %q", got, want)
	}
}

// forms are the ways to follow; each notes the ids that it is given, and
// appends a seen for each.
func forms(j *journal) map[string]followers.Follower {
	react := func(turn *followers.Turn, e messages.Entry) error {
		j.add(strconv.Itoa(int(e.ID)))
		return turn.Append(seen{"f"})
	}
	return map[string]followers.Follower{
		"reactions": {Reactions: []followers.Reaction{followers.On(func(turn *followers.Turn, _ paid) error {
			return react(turn, turn.Entry())
		})}},
		"every": {Every: func(turn *followers.Turn) error { return react(turn, turn.Entry()) }},
		"batch": {Batch: func(turn *followers.Turn, entries []messages.Entry) error {
			for _, e := range entries {
				if err := react(turn, e); err != nil {
					return err
				}
			}
			return nil
		}},
		"props": {Props: actor.PropsFromProducer(func() actor.Actor {
			return actor.ReceiveFunc(func(c actor.Context) {
				if d, ok := c.Message().(*followers.Deliver); ok {
					c.Respond(d.Done(react(d.Turn, d.Turn.Entry())))
				}
			})
		})},
	}
}

// eachForm runs f for each way to follow, as follower "f".
func eachForm(t *testing.T, f func(t *testing.T, form followers.Follower, j *journal)) {
	for _, name := range []string{"reactions", "every", "batch", "props"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				j := &journal{}
				form := forms(j)[name]
				form.Name = "f"
				f(t, form, j)
			})
		})
	}
}

// noting is a follower that notes the ids of what it is given.
func noting(name string, j *journal) followers.Follower {
	return followers.Follower{Name: name, Every: func(turn *followers.Turn) error {
		j.add(strconv.Itoa(int(turn.Entry().ID)))
		return nil
	}}
}

func refusing(name string) followers.Follower {
	return followers.Follower{Name: name, Every: func(*followers.Turn) error { return errRefused }}
}

var _ retinuetest.TB = (testing.TB)(nil)

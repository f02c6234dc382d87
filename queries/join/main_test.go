package join_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries/join"
)

// A message to an actor that has just stopped has protoactor count dead letters
// for a second, on a goroutine that ends by itself, maybe after the last test.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/asynkron/protoactor-go/actor.NewDeadLetter.NewThrottle.func4.1"))
}

func inBubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// A payment is started, and succeeds or fails. What became of it is decided.
type (
	started   struct{ Payment string }
	succeeded struct {
		Payment string
		Fee     int
	}
	failed  struct{ Payment, Why string }
	decided struct{ What string }
	hint    struct{ Payment string }
	blink   struct{ Payment string }
)

func (started) EventType() messages.Type   { return messages.Type{Module: "pay", Kind: "started"} }
func (succeeded) EventType() messages.Type { return messages.Type{Module: "pay", Kind: "succeeded"} }
func (failed) EventType() messages.Type    { return messages.Type{Module: "pay", Kind: "failed"} }
func (decided) EventType() messages.Type   { return messages.Type{Module: "pay", Kind: "decided"} }
func (hint) EventType() messages.Type {
	return messages.Type{Module: "pay", Kind: "hint", Persistence: messages.Trimmable}
}
func (blink) EventType() messages.Type {
	return messages.Type{Module: "pay", Kind: "blink", Persistence: messages.Transient}
}

func byPayment(e started) string { return e.Payment }

var rights = []join.Right{
	join.With(func(e succeeded) string { return e.Payment }),
	join.With(func(e failed) string { return e.Payment }),
}

// payments is the join of the tests.
func payments(w join.Window) join.Join[started] {
	return join.Join[started]{
		Left: join.On(byPayment), Rights: rights,
		Within: w.Within, Time: w.Time, Lateness: w.Lateness, Many: w.Many,
	}
}

// spellResult writes a result as "matched 1-3", with ids of the permanent log.
func spellResult(r join.Result[started]) string {
	side := func(e messages.Entry) string {
		if e.ID == 0 {
			return ""
		}
		return fmt.Sprint(e.ID)
	}
	return strings.TrimSpace(fmt.Sprintf("%v %s-%s", r.Outcome, side(r.LeftEntry), side(r.RightEntry)))
}

// decide appends what became of a payment.
func decide(t *followers.Turn, r join.Result[started]) error {
	return t.Append(decided{spellResult(r)})
}

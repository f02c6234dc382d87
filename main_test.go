package retinue_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, or, in a child process that a test started, the
// part that the test wants played there. No goroutine may be left; but those
// that a failing disk met are parked for ever, by design, and a message to an
// actor that has just stopped has protoactor count dead letters for a second.
func TestMain(m *testing.M) {
	if part := os.Getenv(partVariable); part != "" {
		if err := parts[part](); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/retinue-go/retinue/persistence.(*fenceLogger).Fatalf"),
		goleak.IgnoreAnyFunction("github.com/retinue-go/retinue/persistence.(*fencedFS).guard"),
		goleak.IgnoreAnyFunction("github.com/retinue-go/retinue/persistence.(*fencedFS).pass"),
		goleak.IgnoreAnyFunction("github.com/asynkron/protoactor-go/actor.NewDeadLetter.NewThrottle.func4.1"))
}

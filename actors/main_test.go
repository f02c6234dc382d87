package actors

import (
	"testing"

	"go.uber.org/goleak"
)

// A message to an actor that has just stopped has protoactor count dead letters
// for a second, on a goroutine that ends by itself, maybe after the last test.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/asynkron/protoactor-go/actor.NewDeadLetter.NewThrottle.func4.1"))
}

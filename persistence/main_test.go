package persistence

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that a store left; those that met a failing disk
// are parked for ever, by design.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/retinue-go/retinue/persistence.(*fenceLogger).Fatalf"),
		goleak.IgnoreAnyFunction("github.com/retinue-go/retinue/persistence.(*fencedFS).guard"),
		goleak.IgnoreAnyFunction("github.com/retinue-go/retinue/persistence.(*fencedFS).pass"))
}

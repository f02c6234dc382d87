package retinuetest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// TB is what the kit needs of a test; *testing.T is one, and so is what [Try]
// gives. Helper, Errorf, Fatalf, Cleanup and Context mean what they mean there.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

// Try runs f as a test of its own, cleanups included, and returns what it
// complained of, in order. With it a helper is tested failing, and a testable
// example uses helpers that want a TB. f runs on a goroutine of its own, which
// Fatalf ends.
func Try(f func(t TB)) (complaints []string) {
	t := &trial{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	t.ctx = ctx
	t.apart(func() { f(t) })
	cancel()
	for {
		t.mu.Lock()
		n := len(t.cleanups)
		if n == 0 {
			defer t.mu.Unlock()
			return t.said
		}
		last := t.cleanups[n-1]
		t.cleanups = t.cleanups[:n-1]
		t.mu.Unlock()
		t.apart(last)
	}
}

// trial is the TB of a Try.
type trial struct {
	ctx      context.Context
	mu       sync.Mutex
	said     []string
	cleanups []func()
}

func (*trial) apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (*trial) Helper() {}

func (t *trial) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = append(t.said, fmt.Sprintf(format, args...))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

func (t *trial) Context() context.Context { return t.ctx }

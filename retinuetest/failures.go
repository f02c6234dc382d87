package retinuetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/retinue-go/retinue"
)

// Failure is the end of one incarnation of a follower, as the bus logged it.
type Failure struct {
	Follower string
	// Entry that is to blame, by its id in the follower's log, and its type;
	// 0 where none is.
	Entry uint64
	Type  string
	// Err is why: what a reaction returned, a [messages.PanicError] and the
	// like.
	Err error
	// Verdict in words ("retry", "skip entry", "park entry", "park follower")
	// and, for a retry, the Delay before it.
	Verdict string
	Delay   time.Duration
	// Time is when the failure was noticed, by the clock of the bubble.
	Time time.Time
}

func (f Failure) String() string {
	return fmt.Sprintf("%q at entry %d: %v (%s)", f.Follower, f.Entry, f.Err, f.Verdict)
}

// Failures returns the failures of followers since Open, over
// [Crash] and [Reopen], in the order in which they were noticed, whatever way the follower was followed.
func Failures(t TB, bus *retinue.Bus) []Failure {
	t.Helper()
	return kitOf(t, bus, "failures").failed()
}

func (k *kit) failed() []Failure {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.failures)
}

// Expected is what [ExpectFailures] wants to see.
type Expected struct {
	// Follower that must fail; empty is any.
	Follower string
	// Times is how often: exactly; 0 means not at all.
	Times int
	// Reason is an error that each failure must be, as errors.Is has it; nil
	// is any. Text must stand in its text.
	Reason error
	Text   string
}

func (e Expected) matches(f Failure) bool {
	return (e.Follower == "" || e.Follower == f.Follower) &&
		(e.Reason == nil || errors.Is(f.Err, e.Reason)) && strings.Contains(f.Err.Error(), e.Text)
}

func (e Expected) String() string {
	s := fmt.Sprintf("%d failures", e.Times)
	if e.Follower != "" {
		s += fmt.Sprintf(" of %q", e.Follower)
	}
	if e.Reason != nil {
		s += fmt.Sprintf(" with %q", e.Reason)
	}
	if e.Text != "" {
		s += fmt.Sprintf(" saying %q", e.Text)
	}
	return s
}

// ExpectFailures calls do, waits through backoffs until the failures have come
// and the followers are at rest ([RunUntilIdle]), and returns those since its
// call that match. It fails the test unless they are exactly as many as wanted.
// Failures that do not match are not looked at, but told of.
func ExpectFailures(t TB, bus *retinue.Bus, want Expected, do func()) []Failure {
	t.Helper()
	k := kitOf(t, bus, "expect failures")
	before := len(k.failed())
	do()
	matching := func() (found []Failure) {
		for _, f := range k.failed()[before:] {
			if want.matches(f) {
				found = append(found, f)
			}
		}
		return found
	}
	rested := until(func() bool { return len(matching()) >= want.Times && idle(bus) }, func() time.Duration { return nextRetry(bus) })
	found := matching()
	if n := len(found); n != want.Times {
		var came strings.Builder
		for _, f := range k.failed()[before:] {
			fmt.Fprintf(&came, "\n%v", f)
		}
		if came.Len() == 0 {
			came.WriteString("\nno failure came")
		}
		if !rested {
			fmt.Fprintf(&came, "\nand now\n%s", describe(bus))
		}
		t.Errorf("%d failures match, want %v; what came:%s", n, want, came.String())
	}
	return found
}

// nextRetry is how long until the next follower ends its backoff, 0 where none
// waits.
func nextRetry(bus *retinue.Bus) (next time.Duration) {
	for _, f := range bus.Status().Followers {
		if d := untilRetry(f); d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	return next
}

// listener hears what the bus logs about failing followers, and passes all on.
type listener struct {
	kit  *kit
	next slog.Handler
}

// Enabled implements [slog.Handler]. Failures that come fast are of the level
// Debug.
func (l *listener) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements [slog.Handler].
func (l *listener) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "follower failed" {
		l.kit.note(r)
	}
	if !l.next.Enabled(ctx, r.Level) {
		return nil
	}
	return l.next.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (l *listener) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &listener{l.kit, l.next.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (l *listener) WithGroup(name string) slog.Handler {
	return &listener{l.kit, l.next.WithGroup(name)}
}

func (k *kit) note(r slog.Record) {
	f := Failure{Time: r.Time}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "follower":
			f.Follower = a.Value.String()
		case "entry":
			f.Entry = a.Value.Uint64()
		case "type":
			f.Type = a.Value.String()
		case "verdict":
			f.Verdict = a.Value.String()
		case "delay":
			f.Delay = a.Value.Duration()
		case "error":
			f.Err, _ = a.Value.Any().(error)
		}
		return true
	})
	if f.Err == nil {
		f.Err = errors.New("unknown")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failures = append(k.failures, f)
}

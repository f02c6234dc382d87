package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

// Fence stands between a failing disk and the program: the first failure that
// Pebble would end the process for trips it, the goroutine that met it is
// parked for ever, and every commit from then on returns the cause. A tripped
// fence never opens again; only a new process, or a new store, reads on.
type Fence struct {
	tripped chan struct{}
	once    sync.Once
	// armed is set once the database is open. Until then a failing file makes
	// its Open fail, which Pebble does well.
	armed atomic.Bool
	// guards is true where the file system below Pebble is fenced, embedded
	// where this package opens the database.
	guards, embedded bool
	// outside is where a backup is being made, nil for nowhere.
	outside atomic.Pointer[outside]
	// cause is written before tripped is closed, read after.
	cause error
}

// NewFence returns a fence that is not tripped.
func NewFence() *Fence { return &Fence{tripped: make(chan struct{})} }

// Guards reports whether the fence was made by [Configure]: without that a
// failing disk ends the process.
func (f *Fence) Guards() bool { return f.guards }

// Trip fails the store with cause; only the first call counts.
func (f *Fence) Trip(cause error) {
	f.once.Do(func() {
		f.cause = cause
		close(f.tripped)
	})
}

// Tripped is closed by the first failure.
func (f *Fence) Tripped() <-chan struct{} { return f.tripped }

// Cause returns what tripped the fence, nil while it stands.
func (f *Fence) Cause() error {
	select {
	case <-f.tripped:
		return f.cause
	default:
		return nil
	}
}

// await calls do where a failing disk does not hang this goroutine. Errors:
// [messages.FailedError].
func (f *Fence) await(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-f.tripped:
		return &messages.FailedError{Cause: f.cause}
	}
}

// Configure prepares the options of a Pebble database that the program opens
// itself and shares with a bus: the block-property collectors (without them
// filtered reads are slow, never wrong), the format version, and a file
// system, logger and event listener that keep a failing disk from ending the
// process. It returns the fence to pass in the bus's options. Call it once,
// before pebble.Open. A logger already set goes on receiving what Pebble says, but
// is never told to exit, and of errors that follow each other hears one a
// second. Once the fence is tripped, the program's own writes to the database
// never return.
func Configure(o *pebble.Options) *Fence {
	f := NewFence()
	f.guards = true
	if o.FormatMajorVersion < formatMajorVersion {
		o.FormatMajorVersion = formatMajorVersion
	}
	if o.FS == nil {
		o.WithFSDefaults()
	}
	o.FS = &fencedFS{FS: o.FS, fence: f}
	o.BlockPropertyCollectors = append(o.BlockPropertyCollectors, blockPropertyCollectors()...)
	if o.Logger == nil && o.LoggerAndTracer != nil {
		o.Logger = o.LoggerAndTracer
	}
	o.Logger, o.LoggerAndTracer = &fenceLogger{fence: f, next: limited(o.Logger)}, nil
	if o.EventListener == nil {
		o.EventListener = &pebble.EventListener{}
	}
	// Pebble's defaults call Fatalf for the first and print the second.
	corruption, background := o.EventListener.DataCorruption, o.EventListener.BackgroundError
	o.EventListener.DataCorruption = func(info pebble.DataCorruptionInfo) {
		o.Logger.Errorf("data corruption: %v", info)
		if corruption != nil {
			corruption(info)
		}
	}
	o.EventListener.BackgroundError = func(err error) {
		o.Logger.Errorf("background error: %v", err)
		if background != nil {
			background(err)
		}
	}
	return f
}

// formatMajorVersion is fixed per release: ratcheting it is one-way.
const formatMajorVersion = pebble.FormatValueSeparation

// fenceLogger gives Pebble's messages to next, whose Fatalf returns, and turns
// its exits into a tripped fence. A Fatalf that returned would make a failed
// fsync a success.
type fenceLogger struct {
	fence *Fence
	next  pebble.Logger // nil is silent
}

func (l *fenceLogger) Infof(format string, args ...any) {
	if l.next != nil {
		l.next.Infof(format, args...)
	}
}

func (l *fenceLogger) Errorf(format string, args ...any) {
	if l.next != nil {
		l.next.Errorf(format, args...)
	}
}

func (l *fenceLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			err = cause
		}
	}
	l.fence.Trip(err) // first: the logger may write to the same disk
	if l.next != nil {
		l.next.Fatalf("fatal: %v", err)
	}
	select {}
}

// limit lets one message a second pass: Pebble retries a failing flush without
// a pause.
type limit struct {
	mu   sync.Mutex
	last time.Time
	held int
}

// pass reports whether a message may pass, and how many before it might not.
func (l *limit) pass() (held int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.last) < time.Second {
		l.held++
		return 0, false
	}
	held, l.last, l.held = l.held, now, 0
	return held, true
}

// slogLogger writes Pebble's errors to a slog.Logger.
type slogLogger struct {
	log   *slog.Logger
	limit limit
}

func (l *slogLogger) Infof(string, ...any) {}

func (l *slogLogger) Errorf(format string, args ...any) {
	if held, ok := l.limit.pass(); ok {
		l.write(held, format, args)
	}
}

// Fatalf returns.
func (l *slogLogger) Fatalf(format string, args ...any) { l.write(0, format, args) }

func (l *slogLogger) write(held int, format string, args []any) {
	l.log.LogAttrs(context.Background(), slog.LevelError, "database error",
		slog.String("error", fmt.Sprintf(format, args...)), slog.Int("suppressed", held))
}

// limitedLogger is the logger of a program's own database.
type limitedLogger struct {
	pebble.Logger
	limit limit
}

// limited makes a logger whose Fatalf returns; nil of nil.
func limited(program pebble.Logger) pebble.Logger {
	if _, ours := program.(*slogLogger); ours || program == nil {
		return program
	}
	return &limitedLogger{Logger: program}
}

func (l *limitedLogger) Errorf(format string, args ...any) {
	held, ok := l.limit.pass()
	if ok && held > 0 {
		format, args = format+" (%d errors before it were not logged)", append(slices.Clip(args), held)
	}
	if ok {
		l.Logger.Errorf(format, args...)
	}
}

// Fatalf returns.
func (l *limitedLogger) Fatalf(format string, args ...any) { l.Logger.Errorf(format, args...) }

var errAbandoned = errors.New("the store was abandoned after a failure")

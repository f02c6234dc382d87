package retinue

import (
	"context"
	"log/slog"
	"runtime/debug"

	"github.com/retinue-go/retinue/messages"
)

// quietly is a program's handler of log records. One that panics loses its
// records, and takes neither the bus nor the process with it: it is called by
// the writer, the followers' hosts and timers.
type quietly struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (q quietly) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() { _ = recover() }()
	return q.Handler.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (q quietly) Handle(ctx context.Context, r slog.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &messages.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return q.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (q quietly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return q.derived(func() slog.Handler { return q.Handler.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (q quietly) WithGroup(name string) slog.Handler {
	return q.derived(func() slog.Handler { return q.Handler.WithGroup(name) })
}

func (q quietly) derived(derive func() slog.Handler) (h slog.Handler) {
	defer func() {
		if p := recover(); p != nil {
			h = q
		}
	}()
	return quietly{derive()}
}

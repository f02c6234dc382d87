package retinue

import (
	"context"
	"log/slog"
	"runtime/debug"

	"github.com/retinue-go/retinue/messages"
)

// guardedHandler is a program's handler of log records. One that panics loses its
// records, and takes neither the bus nor the process with it: it is called by
// the writer, the followers' hosts and timers.
type guardedHandler struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (g guardedHandler) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() { _ = recover() }()
	return g.Handler.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (g guardedHandler) Handle(ctx context.Context, r slog.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &messages.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return g.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (g guardedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return g.derived(func() slog.Handler { return g.Handler.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (g guardedHandler) WithGroup(name string) slog.Handler {
	return g.derived(func() slog.Handler { return g.Handler.WithGroup(name) })
}

func (g guardedHandler) derived(derive func() slog.Handler) (h slog.Handler) {
	defer func() {
		if p := recover(); p != nil {
			h = g
		}
	}()
	return guardedHandler{derive()}
}

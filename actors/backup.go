package actors

import (
	"context"
	"errors"
	"io"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Backup copies the store while the bus works on: everything that was
// appended before the call, and whole batches after it. Errors: those of
// [persistence.Store.Backup], [messages.ErrReentrant].
func (e *Engine) Backup(ctx context.Context, dir string) error {
	ctx, done, err := e.long(ctx, "Backup")
	if err != nil {
		return err
	}
	defer done()
	heads := e.Durable().Heads // before the sync: without durability they run ahead of it
	if err := e.settle(); err != nil {
		return err
	}
	return cause(ctx, e.Store.Backup(ctx, dir, heads, e.Logger))
}

// Export writes the store as lines of JSON. Errors: those of
// [persistence.Export.Write], [messages.ErrReentrant], [messages.ErrClosed].
func (e *Engine) Export(ctx context.Context, w io.Writer, o persistence.ExportOptions) (persistence.ExportReport, error) {
	ctx, done, err := e.long(ctx, "Export")
	if err != nil {
		return persistence.ExportReport{}, err
	}
	defer done()
	x, err := e.Store.NewExport()
	if err != nil {
		return persistence.ExportReport{}, err
	}
	defer x.Close()
	if err := e.settle(); err != nil { // nothing is told before it is durable
		return persistence.ExportReport{}, err
	}
	report, err := x.Write(ctx, w, o)
	return report, cause(ctx, err)
}

// settle makes what was committed durable.
func (e *Engine) settle() error {
	if e.Store.ReadOnly() {
		return nil
	}
	return e.Sync()
}

// cause says that the bus was closed where that ended ctx.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); err != nil && errors.Is(why, messages.ErrClosed) {
		return why
	}
	return err
}

// long is the door of what takes its time: its context ends with ctx, or when
// the bus closes.
func (e *Engine) long(ctx context.Context, what string) (context.Context, func(), error) {
	if err := e.Readable(what); err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if e.Store.ReadOnly() {
		return ctx, func() { cancel(nil) }, nil
	}
	go func() {
		select {
		case <-e.down:
			cancel(messages.ErrClosed)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }, nil
}

package actors

import "github.com/retinue-go/retinue/messages"

// still makes an engine over a store that was opened to read: it has no
// actors, so it has stopped before it began.
func (e *Engine) still() error {
	close(e.down)
	close(e.ended)
	staged, err := e.Store.CountStaged()
	e.left = staged
	return err
}

// writable is open for what needs the writer. Errors: [messages.ErrClosed],
// [messages.ErrReadOnly].
func (e *Engine) writable() error {
	if err := e.open(); err != nil {
		return err
	}
	if e.Store.ReadOnly() {
		return messages.ErrReadOnly
	}
	return nil
}

package actors

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/retinue-go/retinue/messages"
)

// callers knows which goroutines run a user's closure or reaction, so that a
// call from inside it which would wait for itself is refused. Go gives no
// other way to tell: such a call has no context of ours.
type callers struct {
	// updating counts the closures that run: more than one where one was
	// poisoned and has not ended.
	updating  atomic.Int32
	updates   sync.Map // goroutine -> struct{}
	reactions sync.Map // goroutine -> struct{}
	views     sync.Map // goroutine -> struct{}
}

// EnterView marks this goroutine as one that holds a view, until leave.
func (e *Engine) EnterView() (leave func()) {
	id := goroutine()
	if _, nested := e.callers.views.LoadOrStore(id, struct{}{}); nested {
		return func() {}
	}
	return func() { e.callers.views.Delete(id) }
}

// MayClose refuses to close the bus from where Close would wait for itself.
// Errors: [messages.ErrReentrant].
func (e *Engine) MayClose() error {
	_, viewing := e.callers.views.Load(goroutine())
	if viewing || e.callers.current() {
		return fmt.Errorf("Close from inside a reaction, an Update or a View: %w", messages.ErrReentrant)
	}
	return nil
}

// enterUpdate marks a goroutine until leaveUpdate.
func (c *callers) enterUpdate(id uint64) {
	c.updates.Store(id, struct{}{})
	c.updating.Add(1)
}

func (c *callers) leaveUpdate(id uint64) {
	c.updating.Add(-1)
	c.updates.Delete(id)
}

// enterReaction marks this goroutine until leave.
func (c *callers) enterReaction() (leave func()) {
	id := goroutine()
	c.reactions.Store(id, struct{}{})
	return func() { c.reactions.Delete(id) }
}

// inUpdate reports whether this goroutine runs an Update's closure. It costs
// nothing while none runs.
func (c *callers) inUpdate() bool { return c.updating.Load() > 0 && c.isUpdate(goroutine()) }

func (c *callers) isUpdate(id uint64) bool {
	_, ok := c.updates.Load(id)
	return ok
}

// current reports whether this goroutine runs an Update's closure or a
// follower's reaction.
func (c *callers) current() bool {
	if c.inUpdate() {
		return true
	}
	_, ok := c.reactions.Load(goroutine())
	return ok
}

// goroutine returns this goroutine's number from the first line of its stack,
// "goroutine 17 [running]:".
func goroutine() uint64 {
	var buf [64]byte
	line := buf[:runtime.Stack(buf[:], false)]
	line = bytes.TrimPrefix(line, []byte("goroutine "))
	digits, _, _ := bytes.Cut(line, []byte(" "))
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic("actors: no goroutine number in " + string(line))
	}
	return id
}

package retinue_test

import (
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

// scriptedListener accepts until accept returns, which is an error, and calls
// closed when it is closed.
type scriptedListener struct {
	accept func() error
	closed func()
}

func (l scriptedListener) Accept() (net.Conn, error) { return nil, l.accept() }
func (l scriptedListener) Addr() net.Addr            { return &net.UnixAddr{Name: "scripted", Net: "unix"} }
func (l scriptedListener) Close() error {
	l.closed()
	return nil
}

func TestAListenerThatFailsWhileTheBusClosesDoesNotHoldItUp(t *testing.T) {
	bus := openBus(t, inMemory())
	broken := errors.New("broken")
	failing, serving, stopping := make(chan struct{}), make(chan struct{}), make(chan struct{})
	errs := make(chan error, 2)
	var began sync.Once
	for _, l := range []scriptedListener{
		{accept: func() error { return broken }, closed: func() {
			close(failing)
			<-stopping // it ends once the bus is at the other one
		}},
		{accept: func() error {
			began.Do(func() { close(serving) })
			<-stopping
			return net.ErrClosed
		}, closed: func() { close(stopping) }},
	} {
		go func() { errs <- bus.ServeAdmin(l) }()
	}
	<-failing
	<-serving
	closeBus(t, bus)
	for range 2 {
		if err := <-errs; !errors.Is(err, broken) && !errors.Is(err, messages.ErrClosed) {
			t.Error(err)
		}
	}
}

package retinuetest

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue"
)

// WatchDeadLetters fails the test, at its end, if from now on a message in the
// bus's actor system was sent to an actor that is not there. The hints that
// the bus's own actors give each other, answers to deliveries and protoactor's
// system messages do not count: losing one of those loses nothing.
//
// The returned function tells what came so far, and makes that count no more;
// a test that means to send one calls it.
func WatchDeadLetters(t TB, bus *retinue.Bus) (take func() []*actor.DeadLetterEvent) {
	t.Helper()
	system := System(t, bus)
	var mu sync.Mutex
	var came []*actor.DeadLetterEvent
	subscription := system.EventStream.Subscribe(func(event any) {
		if letter, ok := event.(*actor.DeadLetterEvent); ok && !isHint(letter.Message) {
			mu.Lock()
			defer mu.Unlock()
			came = append(came, letter)
		}
	})
	take = func() []*actor.DeadLetterEvent {
		settle()
		mu.Lock()
		defer mu.Unlock()
		taken := came
		came = nil
		return taken
	}
	t.Cleanup(func() {
		letters := take()
		system.EventStream.Unsubscribe(subscription)
		if len(letters) == 0 {
			return
		}
		var b strings.Builder
		for _, l := range letters {
			fmt.Fprintf(&b, "\n%T %+v to %s", l.Message, l.Message, l.PID.GetId())
		}
		t.Errorf("%d dead letters:%s", len(letters), b.String())
	})
	return take
}

// Packages whose messages among actors may be lost.
const (
	protoactor = "github.com/asynkron/protoactor-go/actor"
	library    = "github.com/retinue-go/retinue/"
)

// isHint reports whether a message is one that may be lost.
func isHint(message any) bool {
	if _, poison := message.(*actor.PoisonPill); poison {
		return false
	}
	t := reflect.TypeOf(message)
	if t == nil {
		return false
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.PkgPath() {
	case protoactor, library + "actors", library + "followers", library + "retinuetest":
		return true
	}
	return false
}

package queries_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries"
	"github.com/retinue-go/retinue/retinuetest"
)

type (
	paid struct{ Sats int }
	// paidV1 and paidV2 are later releases' payments.
	paidV1 struct{ Msats int }
	paidV2 struct {
		Msats int
		Payer string
	}
	// step is what reactions append to what they reacted to; its trace is
	// trimmable.
	step    struct{ Name string }
	traced  struct{ Name string }
	blinked struct{}
)

func paidAt(version uint32) messages.Type {
	return messages.Type{Module: "wallet", Kind: "paid", Version: version}
}

func (paid) EventType() messages.Type   { return paidAt(0) }
func (paidV1) EventType() messages.Type { return paidAt(1) }
func (paidV2) EventType() messages.Type { return paidAt(2) }
func (step) EventType() messages.Type   { return messages.Type{Kind: "step"} }
func (traced) EventType() messages.Type {
	return messages.Type{Kind: "traced", Persistence: messages.Trimmable}
}
func (blinked) EventType() messages.Type {
	return messages.Type{Kind: "blinked", Persistence: messages.Transient}
}

var errNegative = errors.New("negative")

func (paidV2) UpcastEvent(from uint32, payload []byte) ([]byte, error) {
	return messages.EditJSON(payload, func(o *messages.Object) error {
		if from == 1 {
			return o.Set("Payer", "unknown")
		}
		sats := string(o.Get("Sats"))
		if strings.HasPrefix(sats, "-") {
			return errNegative
		}
		o.Delete("Sats")
		return o.Set("Msats", json.RawMessage(sats+"000"))
	})
}

func inBubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// collect spells what a sequence yields, and returns its last error.
func collect[T any](seq iter.Seq2[T, error], spell func(T) string) (string, error) {
	var all []string
	var last error
	for v, err := range seq {
		if last = err; err == nil {
			all = append(all, spell(v))
		}
	}
	return strings.Join(all, " "), last
}

// chain spells links as depth:name, where a name is what the event says, and a
// trimmed one as depth:†id.
func chain(seq iter.Seq2[queries.Link, error]) (string, error) {
	return collect(seq, func(l queries.Link) string {
		if l.Trimmed {
			return fmt.Sprintf("%d:†%d", l.Depth, l.Entry.TrimmableID)
		}
		return fmt.Sprintf("%d:%s", l.Depth, nameOf(l.Entry))
	})
}

func nameOf(e messages.Entry) string {
	if s, err := messages.Decode[step](e); err == nil {
		return s.Name
	}
	if s, err := messages.Decode[traced](e); err == nil {
		return s.Name
	}
	return e.Type.Kind
}

// react follows steps and traces: a name that tree knows is answered with its
// children; those in capitals are steps, the others are trimmable traces.
func react(t *testing.T, bus *retinue.Bus, tree map[string]string) {
	t.Helper()
	answer := func(turn *followers.Turn, name string) error {
		for child := range strings.FieldsSeq(tree[name]) {
			if err := turn.Append(named(child)); err != nil {
				return err
			}
		}
		return nil
	}
	retinuetest.Follow(t, bus, followers.Follower{Name: "answers", Log: messages.TrimmableLog, Reactions: []followers.Reaction{
		followers.On(func(turn *followers.Turn, s step) error { return answer(turn, s.Name) }),
		followers.On(func(turn *followers.Turn, s traced) error { return answer(turn, s.Name) }),
	}})
}

func named(name string) messages.Event {
	if name == strings.ToUpper(name) {
		return step{name}
	}
	return traced{name}
}

package main

import (
	"strings"
	"testing"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Each case changes the chain of Updates, so that it does not follow from the
// log any more.
func TestABrokenChainOfUpdatesIsNoticed(t *testing.T) {
	change := func(w *world, do func(tx *retinue.Tx) error) {
		w.disk = newDisk(w.mem, cut{}, w.peek)
		w.open()
		ctx, cancel := within()
		defer cancel()
		_, err := w.bus.Update(ctx, do)
		w.must(err, "update")
		w.close()
	}
	for name, c := range map[string]struct {
		want   string
		tamper func(*world)
	}{
		"an Update that another one undid": {"it ends with", func(w *world) {
			change(w, func(tx *retinue.Tx) error { return tx.Set([]byte(w.chain.key), []byte("1")) })
		}},
		"an Update that is lost": {"it ends with", func(w *world) {
			change(w, func(tx *retinue.Tx) error { return tx.Delete([]byte(w.chain.key)) })
		}},
		"an Update that took nothing away": {"each Update takes one away", func(w *world) {
			change(w, func(tx *retinue.Tx) error { return tx.Set([]byte(linkPrefix), []byte("1")) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			const chaining = 25
			err := simulate(chaining, newTally(), sabotage{tamper: c.tamper})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v, want %q", err, c.want)
			}
		})
	}
}

func TestUpdatesThatAreNotSerialAreNoticed(t *testing.T) {
	one, two := chained{"link 1", 5}, chained{"link 2", 6}
	saw := func(key string, at messages.TrimmableID, saw chained) *link {
		return &link{write: &write{link: key, receipt: &messages.Receipt{FirstTrimmable: at}}, saw: saw}
	}
	undone := func(saw chained) *link {
		l := &link{write: &write{link: "link 9"}, saw: saw}
		l.rollback = true
		return l
	}
	for name, c := range map[string]struct {
		links []*link
		want  string // empty: nothing is found
	}{
		"one after the other":                       {[]*link{saw("link 3", 8, two), saw("link 2", 7, one), undone(one), undone(two)}, ""},
		"the second saw what the first did":         {[]*link{saw("link 2", 7, one), saw("link 3", 8, one)}, "the one before it has left"},
		"the second was before the first":           {[]*link{saw("link 2", 8, one), saw("link 3", 7, two)}, "the one before it has left"},
		"what was rolled back saw a rolled back":    {[]*link{undone(chained{"link 9", 6})}, "which none has left"},
		"an Update saw one that was rolled back":    {[]*link{undone(one), saw("link 3", 8, chained{"link 9", 6})}, "the one before it has left"},
		"an Update saw nothing of what came before": {[]*link{saw("link 2", 7, chained{})}, "the one before it has left"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{model: newModel()}
			w.chain = one
			found := ""
			func() {
				defer func() {
					if f, ok := recover().(failure); ok {
						found = string(f)
					}
				}()
				w.checkSerial(c.links)
			}()
			if !strings.Contains(found, c.want) || (found == "") != (c.want == "") {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

package actors

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Replay chooses entries that a follower has put aside, to be given to it once
// more. Exactly one of All, Key and At is set.
type Replay struct {
	// All chooses everything that is parked.
	All bool
	// Key chooses what is parked of one sequence.
	Key string
	// At chooses entries by their ids; what was skipped can be chosen so only.
	// With an entry of a sequence, At has all that are parked before it.
	At []messages.Position
	// Limit is how many turns may run; 0 is no limit.
	Limit int
	// Preview counts what is chosen, and runs nothing.
	Preview bool
}

// Replayed is what became of a [Replay]. What was chosen and is not Done is
// still put aside.
type Replayed struct {
	// Found counts the entries that were chosen, whatever the limit.
	Found int `json:"found"`
	// Done counts those whose turn committed, Failed those whose turn did not.
	Done   int `json:"done"`
	Failed int `json:"failed"`
}

// Replay gives chosen entries to the follower once more, by ascending id: each
// in a turn of its own that deletes the parked record in the same commit and
// does not touch the cursor. An entry that fails stays, with its error, and so
// does what is behind it in its sequence; the others go on. Errors: of the
// first entry that failed a [messages.FollowerError] with what the reaction
// returned; before anything runs [messages.InvalidError],
// [messages.ErrNotInLog], and [messages.ErrOutOfRange] for an entry that is not
// parked; those of Pause.
func (e *Engine) Replay(ctx context.Context, name string, choice Replay) (Replayed, error) {
	door := e.commandable
	if choice.Preview {
		door = e.readable
	}
	t, err := door(ctx, "Replay", name)
	if err != nil {
		return Replayed{}, err
	}
	if err := choice.check(); err != nil {
		return Replayed{}, err
	}
	ids, err := t.idsAt(choice.At)
	if err != nil {
		return Replayed{}, err
	}
	if choice.Preview {
		chosen, err := t.choose(choice, ids)
		return Replayed{Found: len(chosen)}, err
	}
	p := replaying{choice: choice, ids: ids, blocked: make(map[string]bool)}
	for more := true; more && err == nil; {
		more, err = t.replay(ctx, &p)
	}
	if err == nil {
		err = p.failure
	}
	return p.Replayed, err
}

// readable is commandable for what only reads.
func (e *Engine) readable(_ context.Context, what, name string) (*tracker, error) {
	if err := e.Readable(what); err != nil {
		return nil, err
	}
	return e.tracker(name)
}

// check refuses a choice of nothing: a list of ids that came out empty must not
// stand for everything.
func (c Replay) check() error {
	ways := 0
	for _, set := range [...]bool{c.All, c.Key != "", len(c.At) > 0} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return messages.Invalid("replay", "%d of All, Key and At are set, exactly one is needed", ways)
	}
	if c.Limit < 0 {
		return messages.Invalid("replay", "limit %d is below 0", c.Limit)
	}
	return nil
}

// replaying is a Replay under way.
type replaying struct {
	Replayed
	choice Replay
	ids    []uint64 // of choice.At
	begun  bool
	chosen []pick // what is left of them
	// blocked are the sequences whose entry has failed.
	blocked map[string]bool
	failure error // the first one
}

// pick is one chosen entry.
type pick struct {
	id  uint64
	key string
}

// choose lists the chosen entries, ascending.
func (t *tracker) choose(choice Replay, ids []uint64) ([]pick, error) {
	var chosen []pick
	left := make(map[string]uint64) // the first of a sequence that was not chosen
	for p, err := range t.engine.Store.ParkedEntries(t.number, 0) {
		if err != nil {
			return nil, err
		}
		switch _, named := slices.BinarySearch(ids, p.ID); {
		case named:
			if first, ok := left[p.Key]; ok && !p.Skipped {
				return nil, messages.Invalid("replay", "entry %d of key %q is parked before entry %d", first, p.Key, p.ID)
			}
		case p.Skipped:
			continue
		case choice.Key != "" && p.Key == choice.Key:
		case !choice.All:
			if _, ok := left[p.Key]; !ok && p.Key != "" {
				left[p.Key] = p.ID
			}
			continue
		}
		chosen = append(chosen, pick{p.ID, p.Key})
	}
	for i, id := range ids {
		if i == len(chosen) || chosen[i].id != id {
			return nil, t.notParked(id)
		}
	}
	return chosen, nil
}

// replay works off chosen entries within one incarnation; more: the next one is
// to go on, because this one has lost its actor.
func (t *tracker) replay(ctx context.Context, p *replaying) (more bool, err error) {
	r, err := t.holdRun(ctx)
	if err != nil {
		return false, err
	}
	defer t.letGo()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.busy(cancel)
	defer t.busy(nil)
	if t.wanted.Load() > 0 || t.ended.Load() { // they came before they could see cancel
		cancel()
	}
	if !p.begun {
		if p.chosen, err = t.choose(p.choice, p.ids); err != nil {
			return false, err
		}
		p.begun, p.Found = true, len(p.chosen)
	}
	r.blockedBy = nil
	for len(p.chosen) > 0 && (p.choice.Limit == 0 || p.Done+p.Failed < p.choice.Limit) {
		next := p.chosen[0]
		if err := ctx.Err(); err != nil {
			return false, t.fault(fmt.Errorf("before entry %d: %w", next.id, err))
		}
		p.chosen = p.chosen[1:]
		if p.blocked[next.key] {
			continue
		}
		if err := r.replay(ctx, p, next.id); err != nil {
			return false, err
		}
		if r.lostActor() != nil {
			return true, nil
		}
	}
	return false, nil
}

// replay is one turn over a parked entry; the slot is held.
func (r *run) replay(ctx context.Context, p *replaying, id uint64) error {
	parked, err := r.tracker.engine.Store.ParkedEntry(r.tracker.number, id)
	if err != nil || parked == nil { // dropped between two incarnations
		return err
	}
	entry, err := r.tracker.parkedPayload(parked)
	if err != nil {
		return err
	}
	failure, err := r.again(ctx, parked, entry)
	switch {
	case err != nil:
		return err
	case failure == nil:
		p.Done++
		return nil
	}
	p.Failed++
	if parked.Key != "" {
		p.blocked[parked.Key] = true
	}
	if p.failure == nil {
		p.failure = &messages.FollowerError{Follower: r.tracker.name, Entry: id, Type: entry.Type, Cause: failure}
	}
	if r.child != nil { // what its actor remembers is of a turn that never was
		r.relieved = true
		r.lose(failure)
	}
	return nil
}

// again tries a parked entry. Its failure is recorded; err is why it could not
// be tried, or recorded.
func (r *run) again(ctx context.Context, p *persistence.Parked, e messages.Entry) (failure, err error) {
	if r.tracker.cursor.Next != r.committed {
		r.position = 0 // a Seek has moved the cursor: the next run reads from there
	}
	r.cursor = r.tracker.cursor
	r.committed = r.cursor.Next
	r.reset()
	defer r.reset()
	call := r.react
	if r.plan.Batch != nil {
		call = func(t *followers.Turn) error { return r.plan.Batch(t, []messages.Entry{e}) }
	}
	r.earlier = p.Attempts
	defer func() { r.earlier = 0 }()
	failure = r.attempt(ctx, []messages.Entry{e}, false, func(t *followers.Turn) error {
		return r.apart(func() error { return call(t) })
	})
	if failure != nil && ctx.Err() != nil { // an interruption is not a failure
		return nil, &messages.FollowerError{Follower: r.tracker.name, Entry: p.ID, Type: e.Type, Cause: failure}
	}
	job := &commitJob{tracker: r.tracker, incarnation: r.incarnation, expect: r.committed, cursor: r.cursor, sync: true}
	if failure == nil {
		job.state, job.events, job.beside, job.unpark = r.state, r.events, r.beside, []uint64{p.ID}
	} else {
		p.Attempts++
		p.Error, p.Last = errorText(failure), time.Now().UTC()
		if p.First.IsZero() {
			p.First = p.Last
		}
		job.park = []*persistence.Parked{p}
	}
	return failure, r.tracker.engine.commit(job)
}

package actors

import (
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// block keeps the order of a sequence key: what follows is parked behind.
func (r *run) block(e *messages.Entry, p *persistence.Parked) {
	if r.plan.Key == nil {
		return
	}
	if p.Key, _ = r.keyOf(e); p.Key != "" {
		r.blockedBy[p.Key] = true
	}
}

// keyOf asks the user's function, which may panic.
func (r *run) keyOf(e *messages.Entry) (key string, err error) {
	err = r.apart(func() error {
		key = r.plan.Key(*e)
		return nil
	})
	return key, err
}

// blockedAt returns where the first entry stands whose sequence key has parked
// entries before it, or cannot be told; len(entries) where none does.
func (r *run) blockedAt(entries []messages.Entry) int {
	if r.plan.Key == nil || len(r.blockedBy) == 0 {
		return len(entries)
	}
	for i := range entries {
		if key, err := r.keyOf(&entries[i]); err != nil || r.blockedBy[key] {
			return i
		}
	}
	return len(entries)
}

// parkBehind parks an entry whose sequence key has parked entries before it.
func (r *run) parkBehind(e *messages.Entry) (bool, error) {
	if r.plan.Key == nil || len(r.blockedBy) == 0 {
		return false, nil
	}
	key, err := r.keyOf(e)
	if err != nil || !r.blockedBy[key] {
		return false, err
	}
	p := &persistence.Parked{ID: idOf(r.tracker.log, e), Key: key}
	if r.tracker.log == messages.TrimmableLog {
		clone := e.Clone()
		p.Entry = &clone
		r.parkBytes += len(e.Payload)
	}
	r.park = append(r.park, p)
	r.parkBytes += eventOverhead
	r.passed(e, 0)
	r.cursor.Parked++
	return true, nil
}

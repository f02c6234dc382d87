package actors

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Subscription is what a subscriber wants to hear.
type Subscription struct {
	// Filter of the entries; zero passes everything.
	Filter messages.Filter
	// Buffer is how many entries wait for a slow subscriber before the oldest
	// is lost; 0 means 256.
	Buffer int
	// Ordered delivers persistent and trimmable events too.
	Ordered bool
}

// broadcaster gives entries to subscribers, in the writer's order, as they
// become durable.
type broadcaster struct {
	count atomic.Int32 // of subscribers, so that the writer need not lock
	mu    sync.Mutex
	subs  map[*subscriber]struct{}
	ended bool
	// held are entries whose sync is still to come.
	held []messages.Entry
	// ordered is true while held has an entry that rests on a sync: an ordered
	// one, or what a turn has appended.
	ordered bool
}

// subscriber is a ring of the newest entries.
type subscriber struct {
	Subscription
	mu    sync.Mutex
	ring  []messages.Entry // len(ring) = Buffer
	start int
	size  int
	lost  uint64
	ended bool
	ready chan struct{} // buffered 1

	measured *measures
}

// publish takes what a round placed; durable tells whether it is on disk.
func (b *broadcaster) publish(placed []persistence.Placed, durable bool) {
	if b.count.Load() == 0 || len(placed) == 0 && !durable {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range placed {
		b.held = append(b.held, entryOf(&placed[i]))
		b.ordered = b.ordered || placed[i].Trimmable != 0 || placed[i].Cause != (messages.Cause{})
	}
	if b.ordered && !durable {
		return
	}
	for sub := range b.subs {
		for i := range b.held {
			sub.offer(&b.held[i])
		}
	}
	clear(b.held)
	b.held, b.ordered = b.held[:0], false
}

// entryOf makes the entry of an event that was just placed. The payload is
// copied: its memory is the append's.
func entryOf(p *persistence.Placed) messages.Entry {
	e := messages.Entry{
		Log: messages.TrimmableLog, ID: p.Event, TrimmableID: p.Trimmable, Type: p.Prepared.Type,
		Instance: p.Instance, Codec: p.Codec, Time: p.Time, Ordered: orderedTime(p.Ordered),
		Correlation: p.Correlation, Cause: p.Cause, Headers: p.Headers, Payload: slices.Clone(p.Payload),
	}
	if p.Event != 0 {
		e.Log = messages.Permanent
	}
	return e
}

func (s *subscriber) offer(e *messages.Entry) {
	if !s.Ordered && e.TrimmableID != 0 || !s.Filter.Match(*e) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size == len(s.ring) {
		s.start = (s.start + 1) % len(s.ring)
		s.size--
		s.measured.miss(s.lost == 0)
		s.lost++
	}
	s.ring[(s.start+s.size)%len(s.ring)] = *e
	s.size++
	s.signal()
}

func (s *subscriber) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// take returns the next entry, or what was lost before it.
func (s *subscriber) take() (e messages.Entry, lost uint64, ok, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost > 0 {
		lost, s.lost = s.lost, 0
		return e, lost, false, false
	}
	if s.size == 0 {
		return e, 0, false, s.ended
	}
	e = s.ring[s.start].Clone()
	s.ring[s.start] = messages.Entry{}
	s.start = (s.start + 1) % len(s.ring)
	s.size--
	return e, 0, true, false
}

// Subscribe starts to listen at once, and ends with ctx or the loop. The
// sequence yields [messages.GapError] where the subscriber was too slow and
// goes on; it ends with ctx's error, [messages.ErrClosed] or
// [messages.FailedError]. It can be ranged over once.
func (e *Engine) Subscribe(ctx context.Context, want Subscription) iter.Seq2[messages.Entry, error] {
	err := e.Readable("Subscribe")
	if err == nil {
		err = e.writable()
	}
	if err != nil {
		return func(yield func(messages.Entry, error) bool) { yield(messages.Entry{}, err) }
	}
	if want.Buffer <= 0 {
		want.Buffer = 256
	}
	sub := &subscriber{measured: &e.measured, Subscription: want, ring: make([]messages.Entry, want.Buffer), ready: make(chan struct{}, 1)}
	e.broadcast.add(sub)
	leave := context.AfterFunc(ctx, func() { e.broadcast.remove(sub) })
	return func(yield func(messages.Entry, error) bool) {
		defer func() {
			leave()
			e.broadcast.remove(sub)
		}()
		for {
			entry, lost, ok, ended := sub.take()
			switch {
			case lost > 0:
				if !yield(messages.Entry{}, &messages.GapError{Lost: lost}) {
					return
				}
			case ok:
				if !yield(entry, nil) {
					return
				}
			case ended:
				yield(messages.Entry{}, messages.ErrClosed)
				return
			default:
				select {
				case <-sub.ready:
				case <-ctx.Done():
					yield(messages.Entry{}, ctx.Err())
					return
				case <-e.Failed():
					yield(messages.Entry{}, &messages.FailedError{Cause: e.Store.Fence().Cause()})
					return
				}
			}
		}
	}
}

func (b *broadcaster) add(s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		s.ended = true
		return
	}
	if b.subs == nil {
		b.subs = make(map[*subscriber]struct{})
	}
	if len(b.subs) == 0 {
		b.held, b.ordered = nil, false // left by subscribers that are gone
	}
	b.subs[s] = struct{}{}
	b.count.Add(1)
}

func (b *broadcaster) remove(s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.subs[s]; ok {
		delete(b.subs, s)
		b.count.Add(-1)
	}
}

// close ends all subscriptions, after what they have not read yet.
func (b *broadcaster) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for s := range b.subs {
		s.mu.Lock()
		s.ended = true
		s.signal()
		s.mu.Unlock()
	}
}

package persistence

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/messages"
)

// StoreID names a store for ever: with an entry's id it is the idempotency
// key for effects outside the database. A restored or imported store gets a
// new one.
type StoreID [16]byte

func newStoreID() (id StoreID) {
	rand.Read(id[:])
	return id
}

// String returns 32 hexadecimal digits.
func (id StoreID) String() string { return hex.EncodeToString(id[:]) }

// Heads is what every batch of entries moves: the next ids and the clock.
type Heads struct {
	// Event and Trimmable are the next ids to be given, from 1.
	Event     messages.EventID
	Trimmable messages.TrimmableID
	// Ordered is the last ordering time given, in nanoseconds since 1970.
	Ordered uint64
	// Offset is how far ordering time runs ahead of the wall clock.
	Offset time.Duration
}

// Store is the bytes of one bus. Reads are safe from any goroutine; batches
// are committed by one goroutine only, the writer.
//
// Invariant: every key of the store starts with keys.prefix, and nothing else
// writes there but what the program commits through a batch of Stage.
type Store struct {
	db     *pebble.DB
	keys   keyspace
	types  dictionary
	tail   tail
	recent recent
	fence  *Fence

	id    StoreID
	epoch uint32
	// opened is what was found on disk; the writer keeps the present values.
	opened Opened

	// rename: the store was opened to get another id, and is not signed;
	// importing: to be filled; doubtful: doubts holds what else refuses it.
	readOnly, rename, importing, doubtful bool
	doubts                                []error

	place *directory // nil in a shared database
	mark  marker

	copying sync.Mutex // held by a backup

	jobs    chan commitJob
	stopped chan struct{}
	// users counts reads in flight: Pebble panics when used after its Close.
	users  sync.WaitGroup
	mu     sync.RWMutex // guards closed against users.Add
	closed bool
	ending sync.Once
	gone   chan struct{} // closed behind end
	ended  error         // what end said; written before gone is closed

	release func() error // gives directory and database back, once
	// freeCounter numbers the Stage calls of this epoch.
	freeCounter atomic.Uint64
}

// Opened is the state of the store when it was opened.
type Opened struct {
	// Heads and clock as of the last batch of entries.
	Heads Heads
	// Horizon is the lowest id that the trimmable log still has, from 1.
	Horizon messages.TrimmableID
	// Cursors of all followers, ascending by number; Controls by number, for
	// those that were ever paused or parked.
	Cursors  []Cursor
	Controls map[uint32]Control
	// NextFollower is the number of the next new follower.
	NextFollower uint32
	// Clean is false where the epoch before was not closed: the process ended
	// in the middle of something.
	Clean bool
	// Buckets of idempotency keys that hold any, ascending.
	Buckets []uint32
}

// Opened returns what was found on disk.
func (s *Store) Opened() Opened { return s.opened }

// ID returns the store's identity.
func (s *Store) ID() StoreID { return s.id }

// Fence returns the fence of the store.
func (s *Store) Fence() *Fence { return s.fence }

// ReadOnly reports whether the store was opened to read.
func (s *Store) ReadOnly() bool { return s.readOnly }

// Shared reports whether the database is the program's own.
func (s *Store) Shared() bool { return len(s.keys.prefix) > 0 }

func (s *Store) reader() reader { return reader{db: s.db, keys: s.keys, types: &s.types} }

// use takes a reference on the database; the caller calls s.users.Done.
// Errors: [messages.ErrClosed].
func (s *Store) use() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return messages.ErrClosed
	}
	s.users.Add(1)
	return nil
}

// TypeNumber returns the number of an event type, 0 where it has none yet.
func (s *Store) TypeNumber(module, kind string) uint32 {
	n, _ := s.types.number(module, kind)
	return n
}

// Types returns how many event types have a number.
func (s *Store) Types() int { return s.types.len() }

// Learn makes a number known to readers, once its record has been committed.
func (s *Store) Learn(number uint32, module, kind string) { s.types.add(number, module, kind) }

// Select compiles a filter for pages of this store. A selection is used by
// one goroutine at a time.
func (s *Store) Select(f messages.Filter) *Selection { return s.types.selection(f) }

// ReadPage fills p with the entries that q asks for, from the tail in memory
// where it begins there. Errors:
// [messages.TrimmedError], [messages.CorruptError], [messages.ErrClosed].
func (s *Store) ReadPage(p *Page, q PageQuery) error {
	if err := s.use(); err != nil {
		return err
	}
	defer s.users.Done()
	if s.tail.read(p, &q) {
		p.Read.Entries = uint64(p.Scanned)
		return nil
	}
	s.recent.narrow(&q)
	r := s.reader()
	return r.readPage(p, q)
}

// Entry returns one entry, which shares no memory with the store. Errors:
// [messages.ErrOutOfRange], [messages.TrimmedError], [messages.ErrClosed].
func (s *Store) Entry(log messages.Log, id uint64) (messages.Entry, error) {
	if err := s.use(); err != nil {
		return messages.Entry{}, err
	}
	defer s.users.Done()
	r := s.reader()
	return r.entry(log, id)
}

// SeekTime returns the first id in [from, to) that was ordered at or after t,
// or to. What it reads is added to stats, which may be nil.
func (s *Store) SeekTime(log messages.Log, t time.Time, from, to uint64, stats *ReadStats) (uint64, error) {
	if err := s.use(); err != nil {
		return 0, err
	}
	defer s.users.Done()
	r := s.reader()
	return r.seekTime(log, nanoseconds(t), from, to, stats)
}

// nanoseconds returns t since 1970, or the end of what int64 holds that is
// nearer.
func nanoseconds(t time.Time) uint64 {
	switch {
	case t.Unix() < 0:
		return 0
	case t.Unix() >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return uint64(t.UnixNano())
}

// SizeOf estimates the bytes of a log's own entries on disk; what is still in
// memtables does not count.
func (s *Store) SizeOf(log messages.Log) uint64 {
	if s.use() != nil {
		return 0
	}
	defer s.users.Done()
	space := byte(spacePermanent)
	if log == messages.TrimmableLog {
		space = spaceTrimmable
	}
	size, err := s.db.EstimateDiskUsage(s.keys.bounds(space))
	if err != nil {
		return 0
	}
	return size
}

type commitJob struct {
	batch *pebble.Batch
	sync  bool
	done  chan error
}

// commit applies b on the commit goroutine, so that the writer can turn away
// from a disk that does not answer. Errors: [messages.FailedError].
func (s *Store) commit(b *pebble.Batch, sync bool) error {
	if cause := s.fence.Cause(); cause != nil {
		return &messages.FailedError{Cause: cause}
	}
	job := commitJob{batch: b, sync: sync, done: make(chan error, 1)}
	select {
	case s.jobs <- job:
	case <-s.fence.Tripped():
		return &messages.FailedError{Cause: s.fence.Cause()}
	}
	select {
	case err := <-job.done:
		if err != nil {
			s.fence.Trip(err)
			return &messages.FailedError{Cause: err}
		}
		return nil
	case <-s.fence.Tripped():
		return &messages.FailedError{Cause: s.fence.Cause()}
	}
}

func (s *Store) commitLoop() {
	defer close(s.stopped)
	for job := range s.jobs {
		job.done <- s.apply(job)
	}
}

func (s *Store) apply(job commitJob) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &messages.PanicError{Value: r}
		}
	}()
	options := pebble.NoSync
	if job.sync {
		options = pebble.Sync
	}
	if job.batch == nil {
		return s.db.LogData(nil, options)
	}
	return s.db.Apply(job.batch, options)
}

// Durable tells the second mark that heads are durable in the log.
func (s *Store) Durable(heads Heads) { s.mark.note(heads) }

// Sync makes everything that was committed durable. Errors:
// [messages.FailedError].
func (s *Store) Sync() error { return s.commit(nil, true) }

// Close refuses new reads, waits for those in flight, signs the store and
// gives the database back. A failed store is abandoned: its files stay locked
// until the process ends. Errors: [messages.StuckError] with ctx's error where
// a read does not end, or the disk does not answer: then Close may be called
// again, and goes on where it was; [messages.FailedError], or what Pebble said.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		s.users.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-s.fence.Tripped():
	case <-ctx.Done():
		return errors.Join(&messages.StuckError{Names: []string{"a reader of the store"}}, ctx.Err())
	}
	s.ending.Do(func() {
		go func() {
			s.ended = s.end()
			close(s.gone)
		}()
	})
	select {
	case <-s.gone:
		return s.ended
	default:
	}
	select {
	case <-s.gone:
		return s.ended
	case <-ctx.Done():
		return errors.Join(&messages.StuckError{Names: []string{"the disk"}}, ctx.Err())
	}
}

func (s *Store) end() error {
	err := s.sign()
	if cause := s.fence.Cause(); cause != nil {
		s.mark.rest()
		return errors.Join(&messages.FailedError{Cause: cause}, errAbandoned)
	}
	close(s.jobs)
	<-s.stopped
	return errors.Join(err, s.release())
}

// sign says that this epoch ended well, in the log and behind it.
func (s *Store) sign() error {
	if s.readOnly || s.rename {
		s.mark.drop()
		return nil
	}
	b := s.db.NewBatch()
	check(b.Set(s.keys.meta(metaClean), binary.BigEndian.AppendUint32(nil, s.epoch), nil))
	if err := s.commit(b, true); err != nil {
		return err
	}
	return s.mark.close()
}

// get reads one value, nil for an absent key; the bytes are the caller's.
func get(r pebble.Reader, key []byte) ([]byte, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, broken(err)
	}
	out := append(make([]byte, 0, len(value)), value...)
	return out, closer.Close()
}

func (h Heads) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(h.Event))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Trimmable))
	b = binary.BigEndian.AppendUint64(b, h.Ordered)
	return binary.BigEndian.AppendUint64(b, uint64(h.Offset))
}

func decodeHeads(b []byte) (Heads, error) {
	if len(b) != 32 {
		return Heads{}, messages.Corrupt("heads", "%d bytes, want 32", len(b))
	}
	return Heads{
		Event:     messages.EventID(binary.BigEndian.Uint64(b)),
		Trimmable: messages.TrimmableID(binary.BigEndian.Uint64(b[8:])),
		Ordered:   binary.BigEndian.Uint64(b[16:]),
		Offset:    time.Duration(binary.BigEndian.Uint64(b[24:])),
	}, nil
}

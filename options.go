package retinue

import (
	"log/slog"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/actors"
	"github.com/retinue-go/retinue/internal/wallclock"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Forever, as [Options.KeyWindow], keeps idempotency keys for ever.
const Forever = actors.Forever

// Options of a bus. The zero value, or nil, is a bus for a client app: an
// embedded database, an actor system of its own, silent, every append synced.
type Options struct {
	// Name of the bus within its actor system: its root actor is
	// "retinue-" + Name. Empty means the name of the directory, or of the
	// prefix in a shared database; at most 255 bytes of UTF-8.
	Name string
	// ActorSystem to live in; nil means one of its own. Nothing of the user's
	// is stopped by Close, and nothing is left behind.
	ActorSystem *actor.ActorSystem
	// Logger receives what the bus, its actors and Pebble have to say, with
	// the bus's name under the key bus; docs/metrics.md lists it. nil is
	// silent. A handler that panics loses its records and hurts nothing.
	Logger *slog.Logger

	// DB is the program's own database to live in, below Prefix, which may not
	// be empty then. Fence is what [persistence.Configure] returned for it;
	// without it a failing disk ends the process. With DB set, Open's
	// directory must be empty.
	DB     *pebble.DB
	Prefix []byte
	Fence  *persistence.Fence
	// FS holds an embedded database; nil is the operating system's.
	FS vfs.FS
	// Profile sizes an embedded database; the zero value is
	// [persistence.Small].
	Profile persistence.Profile

	// ReadOnly opens a store that is there - closed, left by a crash, or a
	// backup - and changes nothing on the disk: no actors run, and what was
	// staged stays staged. Entries, Page, View, Parked, Status, Verify, Export
	// and Backup work; what writes, waits for a follower or listens returns
	// [messages.ErrReadOnly]. With a Prefix and no DB, Open's directory is a
	// program's own database, which is closed.
	ReadOnly bool

	// Durability says when what was appended is on disk; the zero value is
	// when Append returns. Anything else is weaker: see [Interval] and [None].
	Durability Durability
	// MaxEventSize of one event with its names and headers, in bytes; 0 means
	// 1 MiB, at most MaxAppendSize.
	MaxEventSize int
	// MaxAppendSize of one append, Update, turn or Stage call, in bytes; 0
	// means 16 MiB, at most 1 GiB.
	MaxAppendSize int
	// MaxPendingBytes and MaxPendingEvents bound what waits for the writer:
	// beyond them Append, Submit, Commit and Update wait for room; an Update
	// that waits counts for one event. 0 means 64 MiB and 65,536.
	MaxPendingBytes, MaxPendingEvents int
	// KeyWindow is how long an idempotency key is remembered, in ordering
	// time; 0 means 14 days, [Forever] is allowed. Keys expire a day's worth
	// at a time.
	KeyWindow time.Duration
	// UpdateTimeout is how long the closure of an Update may hold the writer
	// before its transaction is poisoned; 0 means 5 s.
	UpdateTimeout time.Duration
	// Trim says what of the trimmable log is kept.
	Trim Trim

	// OnFailure is called once, on a goroutine of its own, when the bus fails
	// as a whole, with a [messages.FailedError]. It may still run when Close
	// has returned; so may OnStall.
	OnFailure func(error)
	// StallAfter is how long a follower with entries to read, neither paused
	// nor parked, may stand still before Status calls it stalled and OnStall is
	// called, once per stall; it is looked at every quarter of that. 0 means a
	// minute, below 0 never. OnStall must not block.
	StallAfter time.Duration
	OnStall    func(FollowerStatus)
	// Tracer carries trace contexts through the log, as that of package tracing
	// does for OpenTelemetry; nil costs nothing.
	Tracer Tracer

	// Admin opens a socket, [AdminSocket], in the store's directory, through
	// which the command line retinue looks into the bus and commands it while
	// it works: see [Bus.AdminHandler]. It is for the owner of the process
	// alone. It needs a directory of the operating system's; see
	// [Bus.ServeAdmin] for others.
	Admin bool

	now func() time.Time // the wall clock
}

func init() {
	wallclock.Set = func(opts any, now func() time.Time) { opts.(*Options).now = now }
}

// Durability says when what was appended is on disk.
type Durability = actors.Durability

// Interval syncs up to d, at most a second, after the append was answered. A
// power cut may take that much back, so ids are provisional until then:
// promises 2 and 3 of docs/guarantees.md hold for what was synced only.
// Followers and readers still see nothing that a power cut can take back.
func Interval(d time.Duration) Durability { return Durability{Interval: d} }

// None syncs at Close only, and where a command on a follower or an Await asks
// for it. A power cut may take back what was answered, read and reacted to:
// promises 2, 3 and 5 of docs/guarantees.md are void.
func None() Durability { return Durability{None: true} }

const (
	defaultEventSize  = 1 << 20
	defaultAppendSize = 16 << 20
	defaultPending    = 64 << 20
	defaultEvents     = 1 << 16
	defaultKeyWindow  = 14 * 24 * time.Hour
	largestAppend     = 1 << 30
)

// check fills in the defaults and refuses what makes no sense. Errors:
// [messages.InvalidError].
func (o Options) check(dir string) (Options, error) {
	if (o.DB == nil) == (dir == "") {
		return o, messages.Invalid("options", "directory %q and a DB: exactly one is needed", dir)
	}
	if (o.DB == nil) != (len(o.Prefix) == 0) && !(o.DB == nil && o.ReadOnly) {
		return o, messages.Invalid("options", "prefix %q: a shared database needs one, an embedded one has none", o.Prefix)
	}
	if o.DB != nil && o.FS != nil {
		return o, messages.Invalid("options", "FS has no meaning beside DB")
	}
	if o.Admin && (o.DB != nil || o.FS != nil || o.ReadOnly) {
		return o, messages.Invalid("options", "Admin opens a socket in the store's own directory on disk: not with DB, FS or ReadOnly; use ServeAdmin")
	}
	if o.Name == "" {
		o.Name = filepath.Base(dir)
		if o.DB != nil {
			if o.Name = string(o.Prefix); !utf8.ValidString(o.Name) {
				o.Name = strconv.Quote(o.Name)
			}
		}
	}
	if len(o.Name) > messages.MaxName || !utf8.ValidString(o.Name) {
		return o, messages.Invalid("options", "name %q is over %d bytes or no UTF-8", o.Name, messages.MaxName)
	}
	return o.limits()
}

func (o Options) limits() (Options, error) {
	for _, n := range []struct {
		value *int
		zero  int
	}{
		{&o.MaxEventSize, defaultEventSize}, {&o.MaxAppendSize, defaultAppendSize},
		{&o.MaxPendingBytes, defaultPending}, {&o.MaxPendingEvents, defaultEvents},
		{&o.Trim.MinEntries, 10_000}, {&o.Trim.MaxPerPass, 100_000},
	} {
		if *n.value == 0 {
			*n.value = n.zero
		}
	}
	day := 24 * time.Hour
	for _, d := range []struct {
		value *time.Duration
		zero  time.Duration
	}{
		{&o.KeyWindow, defaultKeyWindow}, {&o.UpdateTimeout, 5 * time.Second},
		{&o.Trim.Every, time.Hour}, {&o.Trim.MinAge, 14 * day}, {&o.Trim.Hold, 90 * day}, {&o.StallAfter, time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.zero
		}
	}
	switch {
	case o.MaxEventSize < 0 || o.MaxAppendSize < 0 || o.MaxPendingBytes < 0 || o.MaxPendingEvents < 0 || o.Trim.MaxPerPass < 0:
		return o, messages.Invalid("options", "a limit is below 0")
	case o.MaxAppendSize > largestAppend:
		return o, messages.Invalid("options", "MaxAppendSize %d is over %d", o.MaxAppendSize, largestAppend)
	case o.MaxEventSize > o.MaxAppendSize:
		return o, messages.Invalid("options", "MaxEventSize %d is over MaxAppendSize %d", o.MaxEventSize, o.MaxAppendSize)
	case o.KeyWindow < 0 || o.UpdateTimeout < 0 || o.Trim.Every < 0 || o.Trim.Hold < 0:
		return o, messages.Invalid("options", "a duration is below 0")
	case o.Durability.Interval < 0 || o.Durability.Interval > time.Second || o.Durability.None && o.Durability.Interval != 0:
		return o, messages.Invalid("options", "durability %+v: an interval lies in (0, 1s]", o.Durability)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = slog.New(guardedHandler{o.Logger.Handler()}).With(slog.String("bus", o.Name))
	if o.now == nil {
		o.now = time.Now
	}
	return o, nil
}

// store is what persistence needs to know.
func (o Options) store(dir string) persistence.Config {
	return persistence.Config{
		Dir: dir, FS: o.FS, Profile: o.Profile, DB: o.DB, Prefix: o.Prefix, Fence: o.Fence, Logger: o.Logger,
		ReadOnly: o.ReadOnly,
	}
}

// engine is what actors needs to know.
func (o Options) engine(store *persistence.Store, system *actor.ActorSystem) actors.Config {
	return actors.Config{
		Name: o.Name, System: system, Store: store, Logger: o.Logger, Now: o.now, Durability: o.Durability,
		MaxEventSize: o.MaxEventSize, MaxAppendSize: o.MaxAppendSize,
		MaxPendingBytes: o.MaxPendingBytes, MaxPendingEvents: o.MaxPendingEvents,
		KeyWindow: o.KeyWindow, UpdateTimeout: o.UpdateTimeout, Trim: o.Trim,
		OnFailure: o.OnFailure, StallAfter: o.StallAfter, OnStall: o.OnStall, Tracer: o.Tracer,
	}
}

// Trim says what of the trimmable log is kept, and when the rest goes.
type Trim = actors.Trim

// Tracer carries the trace context of a program through the log.
type Tracer = actors.Tracer

// TracedTurn is what a [Tracer] may tell of a turn.
type TracedTurn = actors.TracedTurn

package retinue

import (
	"context"
	"errors"
	"iter"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/actors"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Bus is an open event log with its followers. All methods are safe for
// concurrent use; after Close they return [messages.ErrClosed].
type Bus struct {
	engine *actors.Engine
	store  *persistence.Store
	// system is the bus's own actor system, nil in a borrowed one.
	system *actor.ActorSystem

	closing chan struct{} // holds a token while a Shutdown is under way
	closed  bool          // guarded by closing

	admin admins
}

// Ticket is the outcome of a Submit or Stage call to come. Tickets of Submit
// resolve in the order of the calls. Its method Wait(ctx) returns the receipt;
// at ctx's end it returns [messages.UncertainError]: the append is not taken
// back, and a key makes its retry safe.
type Ticket = actors.Ticket

// Open opens the store in dir, creating it if need be, and starts the bus.
// opts may be nil. In a shared database ([Options.DB]) dir is empty. What a
// crash left staged is ordered before Open returns.
//
// Errors: [messages.InvalidError], [messages.ErrInUse] where another process
// or bus has the store open, [messages.ErrNotStore], [messages.ErrNewerFormat],
// [messages.DamagedError], [messages.CorruptError],
// [messages.ErrUnfinishedImport], [messages.FailedError],
// [actor.ErrNameExists], or the file system's.
func Open(dir string, opts *Options) (*Bus, error) {
	if opts == nil {
		opts = &Options{}
	}
	o, err := opts.check(dir)
	if err != nil {
		return nil, err
	}
	store, err := persistence.Open(o.store(dir))
	if err != nil {
		return nil, err
	}
	b := &Bus{store: store, closing: make(chan struct{}, 1)}
	system := o.ActorSystem
	if system == nil && !o.ReadOnly {
		b.system = quietSystem(o.Logger)
		system = b.system
	}
	b.engine, err = actors.Start(o.engine(store, system))
	if err != nil {
		b.shutdown()
		return nil, errors.Join(err, store.Close(context.Background()))
	}
	if o.Admin {
		if err := b.openSocket(dir); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

// quietSystem is an actor system that logs where the bus does.
func quietSystem(log *slog.Logger) *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
}

func (b *Bus) shutdown() {
	if b.system != nil {
		b.system.Shutdown()
		b.system = nil
	}
}

// Close is Shutdown without a deadline.
func (b *Bus) Close() error { return b.Shutdown(context.Background()) }

// Shutdown refuses new work, lets turns in flight finish or roll back - their
// context is cancelled -, has the writer answer everything that it accepted,
// stops the actors, syncs and closes the database. Closing a closed bus does
// nothing.
//
// Errors: [messages.StuckError] and ctx's error where a reaction, an Update, a
// View, another Shutdown or the disk does not return in time: then the database
// is left open, and Shutdown may be called again; [messages.FailedError] where the
// store had failed: it is abandoned; [messages.ErrReentrant] from inside a
// reaction, an Update or a View.
func (b *Bus) Shutdown(ctx context.Context) error {
	if err := b.engine.MayClose(); err != nil {
		return err
	}
	select {
	case b.closing <- struct{}{}:
	case <-ctx.Done():
		return errors.Join(&messages.StuckError{Names: []string{"another Shutdown"}}, ctx.Err())
	}
	defer func() { <-b.closing }()
	if b.closed {
		return nil
	}
	if err := b.admin.stop(ctx); err != nil {
		return err
	}
	err := b.engine.Close(ctx)
	if errors.Is(err, messages.ErrStuck) {
		return err
	}
	err = errors.Join(err, b.store.Close(ctx))
	if errors.Is(err, messages.ErrStuck) {
		return err
	}
	b.closed = true
	b.engine.Logger.Info("bus closed", slog.String("store", b.StoreID().String()))
	b.shutdown()
	return err
}

// Append appends events, all or none, adjacent in both logs, and returns once
// they are on disk. It is Submit and Wait, but that ctx is not looked at in the
// first 5 ms of waiting for the disk.
//
// Errors: those of Submit; [messages.UncertainError] where ctx ended after the
// writer had accepted the events.
func (b *Bus) Append(ctx context.Context, events ...messages.Event) (messages.Receipt, error) {
	return b.engine.Append(ctx, events)
}

// Request is an append with its terms.
type Request struct {
	// Events to append, at least one. They are encoded before Submit returns.
	Events []messages.Event
	// Key, if not empty, makes the append idempotent: within
	// [Options.KeyWindow] another one with the same key and content returns
	// the first receipt, marked Repeated, and appends nothing. At most 255
	// bytes, not starting with a zero byte.
	Key string
	// If lists conditions that must all hold in the moment of the append.
	If []messages.Condition
}

// Submit hands events to the writer and does not wait for the disk, so that
// one producer can keep many appends in flight. It waits for room where too
// much is pending.
//
// Errors, and then nothing was appended: [messages.InvalidError],
// [messages.TooLargeError], [messages.ConditionError], [messages.ErrReentrant]
// from inside an Update, [messages.ErrClosed], [messages.FailedError], or
// ctx's error. The ticket's: [messages.ConditionError],
// [messages.ErrKeyConflict] for a key that stands for other content,
// [messages.FailedError].
func (b *Bus) Submit(ctx context.Context, r Request) (*Ticket, error) {
	return b.engine.Submit(ctx, actors.Append{Events: r.Events, Key: r.Key, If: r.If})
}

// Follow starts a follower where its cursor stands, or where its Start says if
// it is new.
//
// Errors: [messages.InvalidError], [messages.ErrDuplicateFollower],
// [messages.ErrOtherLog] where the stored cursor belongs to the other log,
// [messages.ErrOutOfRange] and [messages.TrimmedError] for a start that is not
// in the log, [messages.ErrReentrant], [messages.ErrClosed],
// [messages.FailedError].
func (b *Bus) Follow(f followers.Follower) error {
	plan, err := f.Plan()
	if err != nil {
		return err
	}
	return b.engine.Follow(plan)
}

// Await waits until the follower has reacted to the entries at a position,
// through retries, and returns when the reaction is durable. An entry that a
// Seek, or a jump to the horizon, had passed before counts as reacted to.
//
// Errors: [messages.FollowerError], at once, with cause [messages.ErrSkipped]
// or [messages.ErrParked] where an entry was put aside, with
// [messages.ErrSkipped] where a Seek jumps over it meanwhile, with
// [messages.ErrSkipped] and [messages.TrimmedError] where the follower jumps
// over it to the horizon, and with
// [messages.ErrPaused], [messages.ErrParked] or [messages.ErrUnknownFollower]
// where the follower does not run; [messages.ErrNotInLog],
// [messages.ErrReentrant], [messages.ErrClosed], [messages.FailedError]. When
// ctx ends, its error is joined with the follower's last one.
func (b *Bus) Await(ctx context.Context, follower string, at messages.Position) error {
	return b.engine.Await(ctx, follower, at)
}

// CaughtUp waits until each of the followers has durably passed everything
// that was durable when CaughtUp was called. What they append on the way is
// not waited for, nor that the follower was told of it: that a raw behaviour
// has seen its *followers.CaughtUp, or Follower.CaughtUp was called. Errors:
// those of Await.
func (b *Bus) CaughtUp(ctx context.Context, followers ...string) error {
	return b.engine.CaughtUp(ctx, followers...)
}

// Pause stops a follower until Resume, also over restarts of the process. When
// it returns nil, no reaction runs. An interrupted turn rolls back and does
// not count as an attempt.
//
// Errors: [messages.ErrUnknownFollower]; [messages.StuckError] with ctx's
// error where a reaction does not return (the pause is recorded all the same);
// [messages.ErrReentrant], [messages.ErrClosed], [messages.FailedError].
func (b *Bus) Pause(ctx context.Context, follower string) error {
	return b.engine.Pause(ctx, follower)
}

// Resume lets a paused or parked follower go on at once. Errors: those of
// Pause.
func (b *Bus) Resume(ctx context.Context, follower string) error {
	return b.engine.Resume(ctx, follower)
}

// Seek moves a follower's cursor from expect to another place, below or at the
// head: to is the next entry that it reads. Take expect from
// [FollowerStatus.Position]. Turns that ran already are not undone. Who awaits
// an entry that it jumps over is told with [messages.ErrSkipped].
//
// Errors: [messages.ErrCursorMoved] where the cursor is not at expect,
// [messages.ErrOutOfRange] past the head, [messages.TrimmedError] below the
// horizon, [messages.ErrNotInLog], and those of Pause.
func (b *Bus) Seek(ctx context.Context, follower string, expect, to messages.Position) error {
	return b.engine.Seek(ctx, follower, expect, to)
}

// Unfollow stops a follower; its cursor and keys stay. Errors:
// [messages.ErrUnknownFollower] also where it is not followed, and those of
// Pause.
func (b *Bus) Unfollow(ctx context.Context, follower string) error {
	return b.engine.Unfollow(ctx, follower)
}

// Forget drops cursor, keys and parked entries of a follower that is not
// followed. Errors: [messages.ErrDuplicateFollower] while it is followed, and
// those of Pause.
func (b *Bus) Forget(ctx context.Context, follower string) error {
	return b.engine.Forget(ctx, follower)
}

// Parked is an entry that a follower has put aside.
type Parked = persistence.Parked

// Parked yields what a follower has put aside, ascending by id. Errors:
// [messages.ErrUnknownFollower], [messages.CorruptError],
// [messages.ErrClosed].
func (b *Bus) Parked(follower string) iter.Seq2[Parked, error] { return b.engine.Parked(follower) }

// Replay chooses parked entries: exactly one of its All, Key and At.
type Replay = actors.Replay

// Replayed is what became of a [Replay].
type Replayed = actors.Replayed

// Replay gives the chosen entries to the follower once more, by ascending id,
// each in a turn of its own that deletes the record in the same commit. The
// cursor does not move. An entry that fails stays parked, with its error and
// what is behind it in its sequence; the other entries go on. With
// [Replay.Preview] nothing runs, and the follower need not be followed.
//
// Errors: of the first entry that failed, [messages.FollowerError] with what
// the reaction returned. Before anything runs, [messages.InvalidError], also
// for an entry behind another of its sequence that was not chosen,
// [messages.ErrNotInLog], and [messages.ErrOutOfRange] for an entry that is not
// parked. At once, with what was done so far, those of Pause, and
// [messages.FollowerError] where a command or ctx interrupts it or the follower
// does not run.
func (b *Bus) Replay(ctx context.Context, follower string, choice Replay) (Replayed, error) {
	return b.engine.Replay(ctx, follower, choice)
}

// Drop deletes records of parked entries for good. Errors:
// [messages.ErrOutOfRange] for an entry that is not parked, and those of
// Pause.
func (b *Bus) Drop(ctx context.Context, follower string, at ...messages.Position) error {
	return b.engine.Drop(ctx, follower, at)
}

// Trim makes one pass of the trimmer by hand. Errors: [messages.ErrReentrant],
// [messages.ErrClosed], [messages.FailedError].
func (b *Bus) Trim(ctx context.Context) (Trimmed, error) { return b.engine.TrimNow(ctx) }

// PreviewTrim tells what Trim would do now, and does nothing. Errors:
// [messages.ErrReentrant], [messages.CorruptError], [messages.ErrClosed].
func (b *Bus) PreviewTrim() (Trimmed, error) { return b.engine.PreviewTrim() }

// Trimmed is what one pass of the trimmer did.
type Trimmed = actors.Trimmed

// Subscription is what a subscriber wants to hear.
type Subscription = actors.Subscription

// Subscribe listens from now on to transient events and, if asked, to ordered
// ones, in the writer's order, as they become durable. A slow subscriber loses
// the oldest and is told how many by a [messages.GapError] in their place; it
// never slows the writer. Entries of transient events have no ids.
//
// The sequence can be ranged over once; it ends with ctx's error,
// [messages.ErrClosed] or [messages.FailedError]. Entries are the caller's.
func (b *Bus) Subscribe(ctx context.Context, s Subscription) iter.Seq2[messages.Entry, error] {
	return b.engine.Subscribe(ctx, s)
}

// Status of a bus at one moment.
type Status = actors.Status

// LogStatus is what is durable of one log.
type LogStatus = actors.LogStatus

// FollowerStatus is one follower at one moment.
type FollowerStatus = actors.FollowerStatus

// Node is one actor of the tree that Status shows.
type Node = actors.Node

// Status tells what is going on. It is cheap enough to be asked every second,
// and works on a failed or closed bus too.
func (b *Bus) Status() Status { return b.engine.Status() }

// StoreID names the store: with an entry's id it is the idempotency key for
// effects outside the database.
func (b *Bus) StoreID() persistence.StoreID { return b.store.ID() }

// Report is what Verify found.
type Report = persistence.Report

// Verify reads the whole store and reports all that contradicts itself; the
// bus works on meanwhile. Errors: ctx's error, [messages.ErrClosed].
func (b *Bus) Verify(ctx context.Context) (Report, error) { return b.store.Verify(ctx) }

// Verify is Bus.Verify for a store that is not open, and changes nothing. What
// makes Open refuse a store that contradicts itself is among the problems.
// Errors: those of Open, where the database itself is damaged;
// [messages.ErrNotStore] where there is none.
func Verify(ctx context.Context, dir string, opts *Options) (Report, error) {
	if opts == nil {
		opts = &Options{}
	}
	o, err := opts.check(dir)
	if err != nil {
		return Report{}, err
	}
	return persistence.Verify(ctx, o.store(dir))
}

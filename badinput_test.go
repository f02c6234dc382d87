package retinue_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

type (
	kindless   struct{}
	longKind   struct{}
	longModule struct{}
	badKind    struct{}
	badModule  struct{}
	silent     struct{ C chan int } // does not encode
	panicking  struct{}
	moody      struct{ Kind string }
	// noteToTrim and hintToKeep claim another persistence for note and hint.
	noteToTrim struct{}
	hintToKeep struct{}
)

func (kindless) EventType() messages.Type { return messages.Type{Module: "test"} }
func (longKind) EventType() messages.Type { return messages.Type{Kind: strings.Repeat("k", 256)} }
func (longModule) EventType() messages.Type {
	return messages.Type{Module: strings.Repeat("m", 256), Kind: "k"}
}
func (badKind) EventType() messages.Type   { return messages.Type{Kind: "\xff"} }
func (badModule) EventType() messages.Type { return messages.Type{Module: "\xff", Kind: "k"} }
func (silent) EventType() messages.Type    { return messages.Type{Module: "test", Kind: "silent"} }
func (panicking) EventType() messages.Type { return messages.Type{Module: "test", Kind: "panicking"} }
func (m moody) EventType() messages.Type {
	return messages.Type{Module: "test", Kind: "moody" + m.Kind}
}

func (noteToTrim) EventType() messages.Type {
	return messages.Type{Module: "test", Kind: "note", Persistence: messages.Trimmable}
}

func (hintToKeep) EventType() messages.Type { return messages.Type{Module: "test", Kind: "hint"} }

func (panicking) MarshalJSON() ([]byte, error) { panic("no") }

// badEvents are refused wherever events are taken.
var badEvents = []struct {
	name   string
	events []messages.Event
	want   error
}{
	{"no events", nil, messages.ErrInvalid},
	{"nil event", []messages.Event{nil}, messages.ErrInvalid},
	{"typed nil", []messages.Event{(*note)(nil)}, messages.ErrInvalid},
	{"draft without event", []messages.Event{messages.Draft{}}, messages.ErrInvalid},
	{"nil draft", []messages.Event{(*messages.Draft)(nil)}, messages.ErrInvalid},
	{"draft in a draft", []messages.Event{messages.Draft{Event: messages.Draft{Event: note{}}}}, messages.ErrInvalid},
	{"empty kind", []messages.Event{kindless{}}, messages.ErrInvalid},
	{"kind of 256 bytes", []messages.Event{longKind{}}, messages.ErrInvalid},
	{"module of 256 bytes", []messages.Event{longModule{}}, messages.ErrInvalid},
	{"kind not UTF-8", []messages.Event{badKind{}}, messages.ErrInvalid},
	{"module not UTF-8", []messages.Event{badModule{}}, messages.ErrInvalid},
	{"correlation of 256 bytes", []messages.Event{messages.Draft{Event: note{}, Correlation: strings.Repeat("c", 256)}}, messages.ErrInvalid},
	{"header not UTF-8", []messages.Event{messages.Draft{Event: note{}, Headers: map[string]string{"k": "\xff"}}}, messages.ErrInvalid},
	{"does not encode", []messages.Event{silent{make(chan int)}}, messages.ErrInvalid},
	{"panics while encoding", []messages.Event{panicking{}}, messages.ErrInvalid},
	{"type differs from the fresh value's", []messages.Event{moody{"!"}}, messages.ErrInvalid},
	{"a persistent kind as trimmable", []messages.Event{note{}, noteToTrim{}}, messages.ErrInvalid},
	{"a trimmable kind as persistent", []messages.Event{hint{}, hintToKeep{}}, messages.ErrInvalid},
	{"payload over the limit", []messages.Event{note{strings.Repeat("x", 2000)}}, messages.ErrTooLarge},
	{"append over the limit", []messages.Event{note{strings.Repeat("x", 900)}, note{strings.Repeat("x", 900)}, note{strings.Repeat("x", 900)}}, messages.ErrTooLarge},
	{"a good one before a bad one", []messages.Event{note{"a"}, hint{"b"}, nil}, messages.ErrInvalid},
}

func TestBadEventsAreRefusedAndNothingIsWritten(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	bus := openBus(t, &retinue.Options{DB: db, Prefix: []byte("p"), MaxEventSize: 1000, MaxAppendSize: 2500})
	put(t, bus, note{"before"}, hint{"before"})
	for _, door := range []struct {
		name string
		call func(events []messages.Event) error
	}{
		{"Append", func(events []messages.Event) error { _, err := bus.Append(t.Context(), events...); return err }},
		{"Submit", func(events []messages.Event) error {
			_, err := bus.Submit(t.Context(), retinue.Request{Events: events, Key: "k"})
			return err
		}},
		{"Update", func(events []messages.Event) error {
			_, err := bus.Update(t.Context(), func(tx *retinue.Tx) error { return tx.Append(events...) })
			return err
		}},
		{"Commit", func(events []messages.Event) error {
			if len(events) == 0 {
				return messages.ErrInvalid // allowed there
			}
			_, err := bus.Commit(t.Context(), batchOf(t, db, "z"), events...)
			return err
		}},
		{"Stage", func(events []messages.Event) error {
			b := batchOf(t, db, "z")
			_, err := bus.Stage(b, events...)
			if b.Count() != 1 {
				t.Errorf("a refused Stage wrote into the batch")
			}
			return err
		}},
	} {
		for _, bad := range badEvents {
			t.Run(door.name+"/"+bad.name, func(t *testing.T) {
				before := keysOf(t, db)
				wantError(t, door.call(bad.events), bad.want)
				if after := keysOf(t, db); len(after) != len(before) {
					t.Errorf("%d keys became %d", len(before), len(after))
				}
				wantHeads(t, bus, 2, 3)
			})
		}
	}
	at, err := appendKeyed(t, bus, "k", note{"after"})
	if err != nil || at.Repeated || at.FirstEvent != 2 || at.FirstTrimmable != 3 {
		t.Errorf("append after all of it: %+v, %v", at, err)
	}
}

func appendKeyed(t testing.TB, bus *retinue.Bus, key string, events ...messages.Event) (messages.Receipt, error) {
	t.Helper()
	return submit(t, bus, retinue.Request{Events: events, Key: key})
}

func submit(t testing.TB, bus *retinue.Bus, r retinue.Request) (messages.Receipt, error) {
	t.Helper()
	ticket, err := bus.Submit(t.Context(), r)
	if err != nil {
		return messages.Receipt{}, err
	}
	return ticket.Wait(t.Context())
}

func TestBadRequestsAreRefusedAndNothingIsWritten(t *testing.T) {
	bus := openBus(t, inMemory())
	put(t, bus, note{"before"})
	followNotes(t, bus, "f")
	if err := bus.CaughtUp(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	events := []messages.Event{note{"a"}}
	nothing := func(*followers.Turn) error { return nil }
	over, cancel := context.WithCancel(t.Context())
	cancel()
	type call = func(ctx context.Context) error
	request := func(r retinue.Request) call {
		return func(ctx context.Context) error { _, err := bus.Submit(ctx, r); return err }
	}
	declare := func(f followers.Follower) call {
		return func(context.Context) error { return bus.Follow(f) }
	}
	write := func(do func(tx *retinue.Tx) error) call {
		return func(ctx context.Context) error { _, err := bus.Update(ctx, do); return err }
	}
	react := followers.On(func(*followers.Turn, note) error { return nil })
	for _, test := range []struct {
		name string
		call call
		want error
	}{
		{"key of 256 bytes", request(retinue.Request{Events: events, Key: strings.Repeat("k", 256)}), messages.ErrInvalid},
		{"key that starts with a zero byte", request(retinue.Request{Events: events, Key: "\x00k"}), messages.ErrInvalid},
		{"HeadIs(0)", request(retinue.Request{Events: events, If: []messages.Condition{messages.HeadIs(0)}}), messages.ErrInvalid},
		{"NoneSince(0)", request(retinue.Request{Events: events, If: []messages.Condition{messages.NoneSince(0, note{}.EventType())}}), messages.ErrInvalid},
		{"NoneSince without types", request(retinue.Request{Events: events, If: []messages.Condition{messages.NoneSince(1)}}), messages.ErrInvalid},
		{"NoneSince of trimmable events", request(retinue.Request{Events: events, If: []messages.Condition{messages.NoneSince(1, hint{}.EventType())}}), messages.ErrInvalid},
		{"Submit with a ctx that is over", func(context.Context) error { return request(retinue.Request{Events: events})(over) }, context.Canceled},
		{"Update with a ctx that is over", func(context.Context) error { return write(func(*retinue.Tx) error { return nil })(over) }, context.Canceled},

		{"empty key in an Update", write(func(tx *retinue.Tx) error { return tx.Set(nil, nil) }), messages.ErrInvalid},
		{"long key in an Update", write(func(tx *retinue.Tx) error { return tx.Set(make([]byte, followers.MaxKey+1), nil) }), messages.ErrInvalid},
		{"long value in an Update", write(func(tx *retinue.Tx) error { return tx.Set([]byte("k"), make([]byte, followers.MaxValue+1)) }), messages.ErrInvalid},
		{"empty key deleted in an Update", write(func(tx *retinue.Tx) error { return tx.Delete(nil) }), messages.ErrInvalid},

		{"duplicate follower", declare(followers.Follower{Name: "f", Every: nothing}), messages.ErrDuplicateFollower},
		{"follower without name", declare(followers.Follower{Every: nothing}), messages.ErrInvalid},
		{"follower's name of 256 bytes", declare(followers.Follower{Name: strings.Repeat("f", 256), Every: nothing}), messages.ErrInvalid},
		{"follower's name not UTF-8", declare(followers.Follower{Name: "\xff", Every: nothing}), messages.ErrInvalid},
		{"follower without body", declare(followers.Follower{Name: "g"}), messages.ErrInvalid},
		{"Reactions and Every", declare(followers.Follower{Name: "g", Every: nothing, Reactions: []followers.Reaction{react}}), messages.ErrInvalid},
		{"Every and Batch", declare(followers.Follower{Name: "g", Every: nothing, Batch: func(*followers.Turn, []messages.Entry) error { return nil }}), messages.ErrInvalid},
		{"Every and Props", declare(followers.Follower{Name: "g", Every: nothing, Props: actor.PropsFromFunc(func(actor.Context) {})}), messages.ErrInvalid},
		{"one kind twice", declare(followers.Follower{Name: "g", Reactions: []followers.Reaction{react, react}}), messages.ErrInvalid},
		{"reaction to an empty kind", declare(followers.Follower{Name: "g", Reactions: []followers.Reaction{followers.On(func(*followers.Turn, kindless) error { return nil })}}), messages.ErrInvalid},
		{"reaction to an interface", declare(followers.Follower{Name: "g", Reactions: []followers.Reaction{followers.On(func(*followers.Turn, messages.Event) error { return nil })}}), messages.ErrInvalid},
		{"reaction to a transient kind", declare(followers.Follower{Name: "g", Reactions: []followers.Reaction{followers.On(func(*followers.Turn, signal) error { return nil })}}), messages.ErrInvalid},
		{"trimmable kind on the permanent log", declare(followers.Follower{Name: "g", Reactions: []followers.Reaction{followers.On(func(*followers.Turn, hint) error { return nil })}}), messages.ErrInvalid},
		{"reaction to a kind of two persistences", declare(followers.Follower{Name: "g", Log: messages.TrimmableLog, Reactions: []followers.Reaction{followers.On(func(*followers.Turn, noteToTrim) error { return nil })}}), messages.ErrInvalid},
		{"stored cursor of the other log", func(ctx context.Context) error {
			if err := bus.Follow(followers.Follower{Name: "o", Every: nothing}); err != nil {
				return err
			}
			if err := bus.Unfollow(ctx, "o"); err != nil {
				return err
			}
			return bus.Follow(followers.Follower{Name: "o", Every: nothing, Log: messages.TrimmableLog})
		}, messages.ErrOtherLog},

		{"Seek past the head", func(ctx context.Context) error {
			return bus.Seek(ctx, "f", messages.EventID(2), messages.EventID(3))
		}, messages.ErrOutOfRange},
		{"Seek to 0", func(ctx context.Context) error { return bus.Seek(ctx, "f", messages.EventID(2), messages.EventID(0)) }, messages.ErrNotInLog},
		{"Seek in the other log", func(ctx context.Context) error {
			return bus.Seek(ctx, "f", messages.EventID(2), messages.TrimmableID(1))
		}, messages.ErrNotInLog},
		{"Seek from a cursor that moved", func(ctx context.Context) error {
			return bus.Seek(ctx, "f", messages.EventID(1), messages.EventID(1))
		}, messages.ErrCursorMoved},
		{"Await of an unknown follower", func(ctx context.Context) error { return bus.Await(ctx, "nobody", messages.EventID(1)) }, messages.ErrUnknownFollower},
		{"Await of nothing", func(ctx context.Context) error { return bus.Await(ctx, "f", nil) }, messages.ErrNotInLog},
		{"Await in the other log", func(ctx context.Context) error { return bus.Await(ctx, "f", messages.TrimmableID(1)) }, messages.ErrNotInLog},
		{"Pause of an unknown follower", func(ctx context.Context) error { return bus.Pause(ctx, "nobody") }, messages.ErrUnknownFollower},
		{"Seek of an unknown follower", func(ctx context.Context) error {
			return bus.Seek(ctx, "nobody", messages.EventID(1), messages.EventID(1))
		}, messages.ErrUnknownFollower},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, test.call(t.Context()), test.want)
			wantHeads(t, bus, 2, 2)
		})
	}
	if err := bus.Await(t.Context(), "f", put(t, bus, note{"after"})); err != nil {
		t.Errorf("follower after all of it: %v", err)
	}
}

func TestEveryCallOnAClosedBusIsRefused(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	bus := sharedBus(t, db, "p")
	followNotes(t, bus, "f")
	closeBus(t, bus)
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Append": func() error { _, err := bus.Append(ctx, note{}); return err },
		"Submit": func() error { _, err := bus.Submit(ctx, retinue.Request{Events: []messages.Event{note{}}}); return err },
		"Update": func() error { _, err := bus.Update(ctx, func(*retinue.Tx) error { return nil }); return err },
		"View":   func() error { return bus.View(func(*retinue.View) error { return nil }) },
		"Commit": func() error { _, err := bus.Commit(ctx, batchOf(t, db, "z"), note{}); return err },
		"Stage":  func() error { _, err := bus.Stage(batchOf(t, db, "z"), note{}); return err },
		"Follow": func() error {
			return bus.Follow(followers.Follower{Name: "g", Every: func(*followers.Turn) error { return nil }})
		},
		"Await":    func() error { return bus.Await(ctx, "f", messages.EventID(1)) },
		"CaughtUp": func() error { return bus.CaughtUp(ctx, "f") },
		"Pause":    func() error { return bus.Pause(ctx, "f") },
		"Resume":   func() error { return bus.Resume(ctx, "f") },
		"Seek":     func() error { return bus.Seek(ctx, "f", messages.EventID(1), messages.EventID(1)) },
		"Unfollow": func() error { return bus.Unfollow(ctx, "f") },
		"Forget":   func() error { return bus.Forget(ctx, "f") },
		"Replay":   func() error { return replay(ctx, bus, "f", messages.EventID(1)) },
		"Drop":     func() error { return bus.Drop(ctx, "f", messages.EventID(1)) },
		"Trim":     func() error { _, err := bus.Trim(ctx); return err },
		"Page":     func() error { _, err := bus.Page(ctx, retinue.Query{}); return err },
		"Entries": func() (err error) {
			for _, err = range bus.Entries(ctx, retinue.Query{}) {
			}
			return err
		},
		"Parked": func() (err error) {
			for _, err = range bus.Parked("f") {
			}
			return err
		},
		"Subscribe": func() (err error) {
			for _, err = range bus.Subscribe(ctx, retinue.Subscription{}) {
			}
			return err
		},
	} {
		if err := call(); !errors.Is(err, messages.ErrClosed) {
			t.Errorf("%s on a closed bus: %v, want ErrClosed", name, err)
		}
	}
	bus.Poke(nil)
	if !bus.Status().Closing {
		t.Error("the status of a closed bus does not say so")
	}
	if err := errors.Join(bus.Close(), bus.Shutdown(ctx)); err != nil {
		t.Errorf("closing it again: %v", err)
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	db := openDatabase(t, vfs.NewMem())
	for name, open := range map[string]struct {
		dir  string
		opts *retinue.Options
	}{
		"neither directory nor database": {"", nil},
		"directory and database":         {"store", &retinue.Options{DB: db, Prefix: []byte("p")}},
		"database without prefix":        {"", &retinue.Options{DB: db}},
		"prefix without database":        {"store", &retinue.Options{FS: vfs.NewMem(), Prefix: []byte("p")}},
		"file system beside a database":  {"", &retinue.Options{DB: db, Prefix: []byte("p"), FS: vfs.NewMem()}},
		"name of 256 bytes":              {"store", &retinue.Options{FS: vfs.NewMem(), Name: strings.Repeat("n", 256)}},
		"name not UTF-8":                 {"store", &retinue.Options{FS: vfs.NewMem(), Name: "\xff"}},
		"limit below 0":                  {"store", &retinue.Options{FS: vfs.NewMem(), MaxEventSize: -1}},
		"event over append":              {"store", &retinue.Options{FS: vfs.NewMem(), MaxEventSize: 2, MaxAppendSize: 1}},
		"append over 1 GiB":              {"store", &retinue.Options{FS: vfs.NewMem(), MaxAppendSize: 1<<30 + 1}},
		"window below 0":                 {"store", &retinue.Options{FS: vfs.NewMem(), KeyWindow: -1}},
		"interval over a second":         {"store", &retinue.Options{FS: vfs.NewMem(), Durability: retinue.Interval(1e9 + 1)}},
		"interval below 0":               {"store", &retinue.Options{FS: vfs.NewMem(), Durability: retinue.Interval(-1)}},
	} {
		bus, err := retinue.Open(open.dir, open.opts)
		if !errors.Is(err, messages.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
		if bus != nil {
			closeBus(t, bus)
		}
		if open.opts != nil && open.opts.FS != nil {
			if names, err := open.opts.FS.List(""); err != nil || len(names) > 0 {
				t.Errorf("%s: it left %q, %v", name, names, err)
			}
		}
	}
	if keys := keysOf(t, db); len(keys) > 0 {
		t.Errorf("the database has %d keys", len(keys))
	}
}

package retinue_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// readOnly opens a store of the file system to read.
func readOnly(t testing.TB, fs vfs.FS, dir string) *retinue.Bus {
	t.Helper()
	bus, err := retinue.Open(dir, &retinue.Options{FS: fs, ReadOnly: true})
	if err != nil {
		t.Fatalf("open %s to read: %v", dir, err)
	}
	t.Cleanup(func() { closeBus(t, bus) })
	return bus
}

// filesBelow returns every file below dir with its bytes.
func filesBelow(t testing.TB, fs vfs.FS, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		if info, err := fs.Stat(path); err != nil {
			t.Fatal(err)
		} else if info.IsDir() {
			maps.Copy(all, filesBelow(t, fs, path))
			continue
		}
		f, err := fs.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(text)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// worked fills a store with entries, a follower that has keys and a parked
// entry, and returns the file system that a power cut left of it.
func worked(t testing.TB) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	bus := openBus(t, &retinue.Options{FS: fs})
	at := put(t, bus, note{"a"}, hint{"b"}, note{"poison"}, note{"c"})
	mustFollow(t, bus, followers.Follower{Name: "f", Sync: true, Poison: followers.Poison{Action: followers.Park, After: 1}, Reactions: []followers.Reaction{
		followers.On(func(t *followers.Turn, n note) error {
			if n.Text == "poison" {
				return io.ErrUnexpectedEOF
			}
			return t.Set([]byte(n.Text), []byte("seen"))
		}),
	}})
	_ = bus.Await(t.Context(), "f", at) // it says that an entry was parked
	if _, err := bus.Update(t.Context(), func(tx *retinue.Tx) error { return tx.Set([]byte("own"), []byte("x")) }); err != nil {
		t.Fatal(err)
	}
	return powerCut(fs)
}

func TestAStoreThatACrashLeftIsReadWithoutAByteChanged(t *testing.T) {
	fs := worked(t)
	before := filesBelow(t, fs, "store")
	bus := readOnly(t, fs, "store")
	wantTexts(t, bus, messages.Permanent, "a", "poison", "c")
	wantTexts(t, bus, messages.TrimmableLog, "a", "b", "poison", "c")
	if page, err := bus.Page(t.Context(), retinue.Query{Limit: 2}); err != nil || len(page.Entries) != 2 {
		t.Errorf("page = %+v, %v", page, err)
	}
	wantKeys(t, bus, "f", "a=seen", "c=seen")
	parked := 0
	for p, err := range bus.Parked("f") {
		if err != nil || p.ID != 2 {
			t.Errorf("parked %+v, %v", p, err)
		}
		parked++
	}
	s := bus.Status()
	if parked != 1 || !s.ReadOnly || len(s.Followers) != 1 || s.Followers[0].Cursor != 4 || s.Followers[0].State != "not followed" {
		t.Errorf("%d parked, status = %+v", parked, s)
	}
	if r, err := bus.Verify(t.Context()); err != nil || r.Err() != nil || r.Permanent != 3 {
		t.Errorf("verify = %+v, %v", r, err)
	}
	var out bytes.Buffer
	if r, err := bus.Export(t.Context(), &out, retinue.ExportOptions{Cursors: true}); err != nil || r.Entries != 4 || r.Cursors != 1 || r.Parked != 1 || r.FollowerKeys != 2 || r.ApplicationKeys != 1 {
		t.Errorf("export = %+v, %v", r, err)
	}
	refusesToWrite(t, bus)
	closeBus(t, bus)
	if after := filesBelow(t, fs, "store"); !maps.Equal(before, after) {
		t.Errorf("files were changed: %d before, %d after", len(before), len(after))
	}
	openBus(t, &retinue.Options{FS: fs})
}

func refusesToWrite(t *testing.T, bus *retinue.Bus) {
	t.Helper()
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Append": func() error { _, err := bus.Append(ctx, note{}); return err },
		"Submit": func() error { _, err := bus.Submit(ctx, retinue.Request{Events: []messages.Event{note{}}}); return err },
		"Update": func() error { _, err := bus.Update(ctx, func(*retinue.Tx) error { return nil }); return err },
		"Follow": func() error {
			return bus.Follow(followers.Follower{Name: "g", Every: func(*followers.Turn) error { return nil }})
		},
		"Await":  func() error { return bus.Await(ctx, "f", messages.EventID(1)) },
		"Pause":  func() error { return bus.Pause(ctx, "f") },
		"Resume": func() error { return bus.Resume(ctx, "f") },
		"Seek":   func() error { return bus.Seek(ctx, "f", messages.EventID(4), messages.EventID(1)) },
		"Forget": func() error { return bus.Forget(ctx, "f") },
		"Replay": func() error {
			_, err := bus.Replay(ctx, "f", retinue.Replay{At: []messages.Position{messages.EventID(2)}})
			return err
		},
		"Drop":     func() error { return bus.Drop(ctx, "f", messages.EventID(2)) },
		"Trim":     func() error { _, err := bus.Trim(ctx); return err },
		"CaughtUp": func() error { return bus.CaughtUp(ctx, "f") },
		"Subscribe": func() error {
			for _, err := range bus.Subscribe(ctx, retinue.Subscription{}) {
				return err
			}
			return nil
		},
	} {
		if err := call(); err == nil {
			t.Errorf("%s writes to a store that is read", name)
		} else {
			wantError(t, err, messages.ErrReadOnly)
		}
	}
}

func TestReadingLeavesWhatIsStagedStaged(t *testing.T) {
	fs := vfs.NewCrashableMem()
	db := openDatabase(t, fs)
	bus := sharedBus(t, db, "p")
	b := batchOf(t, db, "k")
	if _, err := bus.Stage(b, note{"staged"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(pebble.Sync); err != nil {
		t.Fatal(err)
	}
	left := openDatabase(t, powerCut(fs))
	before := keysOf(t, left)
	reader, err := retinue.Open("", &retinue.Options{DB: left, Prefix: []byte("p"), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if s := reader.Status(); s.Staged != 1 || s.Permanent.Head != 1 {
		t.Errorf("status = %+v", s)
	}
	if _, err := reader.Commit(t.Context(), left.NewBatch()); err == nil {
		t.Error("Commit writes to a store that is read")
	}
	closeBus(t, reader)
	if !maps.Equal(before, keysOf(t, left)) {
		t.Error("keys were changed")
	}
	writer := sharedBus(t, left, "p")
	wantTexts(t, writer, messages.Permanent, "staged")
	if s := writer.Status(); s.Staged != 0 || s.ReadOnly {
		t.Errorf("status = %+v", s)
	}
}

func TestWhatIsNotThereIsNotMadeToBeRead(t *testing.T) {
	fs := vfs.NewMem()
	_, err := retinue.Open("nothing", &retinue.Options{FS: fs, ReadOnly: true})
	wantError(t, err, messages.ErrNotStore)
	if _, err := fs.Stat("nothing"); !os.IsNotExist(err) {
		t.Errorf("a directory was made: %v", err)
	}
}

func TestAStoreInUseIsNotRead(t *testing.T) {
	opts := inMemory()
	openBus(t, opts)
	_, err := retinue.Open("store", &retinue.Options{FS: opts.FS, ReadOnly: true})
	wantError(t, err, messages.ErrInUse)
}

func TestAClosedReaderIsClosed(t *testing.T) {
	bus := readOnly(t, worked(t), "store")
	closeBus(t, bus)
	_, err := bus.Append(context.Background(), note{})
	wantError(t, err, messages.ErrClosed)
	_, err = bus.Page(t.Context(), retinue.Query{})
	wantError(t, err, messages.ErrClosed)
}

func TestAStoreIsReadFromAMediumThatCannotBeWritten(t *testing.T) {
	fs := worked(t)
	bus := readOnly(t, errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpMkdirAll { // the directory is there
			return syscall.EROFS
		}
		return nil
	})), "store")
	wantTexts(t, bus, messages.TrimmableLog, "a", "b", "poison", "c")
	if r, err := bus.Verify(t.Context()); err != nil || r.Err() != nil {
		t.Errorf("verify: %v, %v", err, r.Err())
	}
}

func TestWhoMayNotMakeTheLockIsNotToldOfAnotherProcess(t *testing.T) {
	denied := errorfs.Wrap(worked(t), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpLock {
			return os.ErrPermission
		}
		return nil
	}))
	for _, read := range []bool{true, false} {
		_, err := retinue.Open("store", &retinue.Options{FS: denied, ReadOnly: read})
		wantError(t, err, os.ErrPermission)
		if errors.Is(err, messages.ErrInUse) {
			t.Errorf("read only %v: %v", read, err)
		}
	}
}

func TestAStoreInAProgramsDatabaseIsReadWhileThatIsClosed(t *testing.T) {
	fs := vfs.NewCrashableMem()
	db := openDatabase(t, fs)
	bus := sharedBus(t, db, "p")
	put(t, bus, note{"a"}, hint{"b"})
	left := powerCut(fs)
	before := filesBelow(t, left, "db")
	open := func(dir, prefix string) (*retinue.Bus, error) {
		return retinue.Open(dir, &retinue.Options{FS: left, Prefix: []byte(prefix), ReadOnly: true})
	}
	reader, err := open("db", "p")
	if err != nil {
		t.Fatal(err)
	}
	wantTexts(t, reader, messages.TrimmableLog, "a", "b")
	if reader.StoreID() != bus.StoreID() {
		t.Errorf("ids: %v and %v", reader.StoreID(), bus.StoreID())
	}
	_, err = open("db", "p")
	wantError(t, err, messages.ErrInUse)
	closeBus(t, reader)
	for dir, prefix := range map[string]string{"db": "other", "nowhere": "p"} {
		_, err := open(dir, prefix)
		wantError(t, err, messages.ErrNotStore)
	}
	if !maps.Equal(before, filesBelow(t, left, "db")) {
		t.Error("files were changed")
	}
	_, err = retinue.Open("db", &retinue.Options{FS: left, Prefix: []byte("p")})
	wantError(t, err, messages.ErrInvalid)
}

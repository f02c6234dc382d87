package admin_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/admin"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// A message to an actor that has just stopped has protoactor count dead letters
// for a second, on a goroutine that ends by itself, maybe after the last test.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/asynkron/protoactor-go/actor.NewDeadLetter.NewThrottle.func4.1"))
}

type (
	note struct{ Text string }
	hint struct{ Text string }
)

func (note) EventType() messages.Type { return messages.Type{Module: "test", Kind: "note"} }
func (hint) EventType() messages.Type {
	return messages.Type{Module: "test", Kind: "hint", Persistence: messages.Trimmable}
}

var errBad = errors.New("no such user")

// everyWay runs a test with a client of each kind. The bus has the entries
// note a, hint b, note bad, note c; "f" has parked bad, "g" follows the
// trimmable log.
func everyWay(t *testing.T, test func(t *testing.T, bus *retinue.Bus, c *admin.Client)) {
	ways := map[string]func(t *testing.T, dir string, bus *retinue.Bus) *admin.Client{
		"in this process": func(_ *testing.T, _ string, bus *retinue.Bus) *admin.Client { return admin.Direct(bus) },
		"socket": func(_ *testing.T, dir string, _ *retinue.Bus) *admin.Client {
			return admin.Dial(filepath.Join(dir, retinue.AdminSocket))
		},
		"handler of the program's": func(t *testing.T, _ string, bus *retinue.Bus) *admin.Client {
			mux := http.NewServeMux()
			mux.Handle("/bus/", http.StripPrefix("/bus", bus.AdminHandler()))
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			return admin.Connect(server.URL+"/bus/", server.Client())
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			bus, err := retinue.Open(dir, &retinue.Options{Admin: true, Trim: retinue.Trim{Off: true, MinAge: -1, MinEntries: 1}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { bus.Close() })
			follow(t, bus)
			ctx := t.Context()
			if _, err := bus.Append(ctx, messages.Draft{Event: note{"a"}, Correlation: "x"}, hint{"b"}, note{"bad"}, messages.Draft{Event: note{"c"}, Instance: 7}); err != nil {
				t.Fatal(err)
			}
			if err := bus.CaughtUp(ctx, "f", "g"); err != nil {
				t.Fatal(err)
			}
			c := way(t, dir, bus)
			t.Cleanup(c.Close)
			test(t, bus, c)
		})
	}
}

// tempDir is t.TempDir without the name of the test in it: the path of a socket
// must be short, wherever temporary directories are.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func follow(t *testing.T, bus *retinue.Bus) {
	t.Helper()
	err := errors.Join(
		bus.Follow(followers.Follower{Name: "f", Poison: followers.Poison{Action: followers.Park, After: 1},
			Reactions: []followers.Reaction{followers.On(func(_ *followers.Turn, e note) error {
				if e.Text == "bad" {
					return errBad
				}
				return nil
			})}}),
		bus.Follow(followers.Follower{Name: "g", Log: messages.TrimmableLog, Every: func(*followers.Turn) error { return nil }}),
	)
	if err != nil {
		t.Fatal(err)
	}
}

func collect[V any](t *testing.T, values iter.Seq2[V, error]) (all []V) {
	t.Helper()
	for v, err := range values {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error = %v, want %v", err, target)
	}
}

func TestAClientReadsWhatTheBusReads(t *testing.T) {
	everyWay(t, func(t *testing.T, bus *retinue.Bus, c *admin.Client) {
		ctx := t.Context()
		for _, q := range []retinue.Query{
			{}, {Log: messages.TrimmableLog}, {Reverse: true, Limit: 2}, {From: messages.EventID(2), To: messages.EventID(3)},
			{Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}, {Until: time.Now().Add(-time.Hour)},
			{Filter: messages.Filter{Types: []messages.Type{{Module: "test", Kind: "note"}}, Correlations: []string{"x"}}},
			{Filter: messages.Filter{Modules: []string{"test"}, Kinds: []string{"note"}, Instances: []uint32{7}}},
		} {
			want, got := collect(t, clones(bus.Entries(ctx, q))), collect(t, c.Entries(ctx, q))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v: got %v, want %v", q, got, want)
			}
		}
		e, err := c.Entry(messages.TrimmableLog, messages.TrimmableID(2))
		if err != nil || e.Type.Kind != "hint" {
			t.Errorf("entry = %v, %v", e, err)
		}
	})
}

func clones(entries iter.Seq2[messages.Entry, error]) iter.Seq2[messages.Entry, error] {
	return func(yield func(messages.Entry, error) bool) {
		for e, err := range entries {
			if !yield(e.Clone(), err) {
				return
			}
		}
	}
}

func TestAStatusArrivesWhole(t *testing.T) {
	everyWay(t, func(t *testing.T, bus *retinue.Bus, c *admin.Client) {
		got, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		here := bus.Status()
		if got.Store != here.Store || got.Permanent != here.Permanent || got.Trimmable.Head != 5 || len(got.Tree.Children) != 3 {
			t.Errorf("status = %+v, want %+v", got, here)
		}
		f := got.Followers[0]
		if f.Name != "f" || f.Cursor != here.Followers[0].Cursor || f.LastError == nil || f.LastError.Error() != errBad.Error() || f.LastType.Kind != "note" {
			t.Errorf("follower = %+v, want %+v", f, here.Followers[0])
		}
	})
}

func TestErrorsArriveAsWhatTheyAre(t *testing.T) {
	everyWay(t, func(t *testing.T, bus *retinue.Bus, c *admin.Client) {
		ctx := t.Context()
		want(t, c.Pause(ctx, "nobody"), messages.ErrUnknownFollower)
		want(t, c.Seek(ctx, "f", messages.EventID(77), messages.EventID(1)), messages.ErrCursorMoved)
		want(t, c.Seek(ctx, "g", messages.EventID(1), messages.EventID(1)), messages.ErrNotInLog)
		_, err := c.Entry(messages.Permanent, messages.EventID(99))
		want(t, err, messages.ErrOutOfRange)
		_, err = c.Replay(ctx, "f", retinue.Replay{})
		want(t, err, messages.ErrInvalid)
		want(t, c.Backup(ctx, "relative"), messages.ErrInvalid)
		if _, err := bus.Trim(ctx); err != nil {
			t.Fatal(err)
		}
		for _, err := range c.Entries(ctx, retinue.Query{Log: messages.TrimmableLog, From: messages.TrimmableID(1)}) {
			want(t, err, messages.ErrTrimmed)
		}
		for _, err := range c.Entries(ctx, retinue.Query{From: messages.TrimmableID(1)}) {
			want(t, err, messages.ErrNotInLog)
		}
	})
}

func TestCommandsReachTheBus(t *testing.T) {
	everyWay(t, func(t *testing.T, bus *retinue.Bus, c *admin.Client) {
		ctx := t.Context()
		if err := c.Pause(ctx, "f"); err != nil || bus.Status().Followers[0].State != "paused" {
			t.Errorf("after Pause: %v, %v", bus.Status().Followers[0].State, err)
		}
		cursor := bus.Status().Followers[0].Position()
		if err := c.Seek(ctx, "f", cursor, messages.EventID(1)); err != nil || bus.Status().Followers[0].Cursor != 1 {
			t.Errorf("after Seek: %v, %v", bus.Status().Followers[0].Cursor, err)
		}
		if err := c.Resume(ctx, "f"); err != nil {
			t.Error(err)
		}
		if err := bus.CaughtUp(ctx, "f"); err != nil {
			t.Fatal(err)
		}
		parked := collect(t, c.Parked(ctx, "f"))
		if len(parked) != 1 || parked[0].ID != 2 || parked[0].Error != errBad.Error() || parked[0].Log != messages.Permanent {
			t.Fatalf("parked = %+v", parked)
		}
		done, err := c.Replay(ctx, "f", retinue.Replay{All: true})
		if done != (retinue.Replayed{Found: 1, Failed: 1}) || err == nil || !strings.Contains(err.Error(), errBad.Error()) {
			t.Errorf("replay = %+v, %v", done, err)
		}
		if err := c.Drop(ctx, "f", messages.EventID(2)); err != nil || len(collect(t, bus.Parked("f"))) != 0 {
			t.Errorf("after Drop: %v", err)
		}
		would, err := c.PreviewTrim(ctx)
		if err != nil || would.Entries != 3 || bus.Status().Trimmable.Horizon != 1 {
			t.Errorf("preview = %+v, %v", would, err)
		}
		if did, err := c.Trim(ctx); err != nil || did != would {
			t.Errorf("trim = %+v, %v, want %+v", did, err, would)
		}
		report, err := c.Verify(ctx)
		if err != nil || report.Permanent != 3 || report.Err() != nil {
			t.Errorf("verify = %+v, %v", report, err)
		}
		dir := filepath.Join(t.TempDir(), "backup")
		if err := c.Backup(ctx, dir); err != nil {
			t.Fatal(err)
		}
		want(t, c.Backup(ctx, dir), messages.ErrExists)
	})
}

func TestAnExportArrivesAsItIs(t *testing.T) {
	everyWay(t, func(t *testing.T, bus *retinue.Bus, c *admin.Client) {
		var here, there bytes.Buffer
		o := retinue.ExportOptions{Cursors: true}
		wanted, err := bus.Export(t.Context(), &here, o)
		if err != nil {
			t.Fatal(err)
		}
		report, err := c.Export(t.Context(), &there, o)
		if err != nil || report != wanted || there.String() != here.String() {
			t.Errorf("report = %+v, %v, want %+v; lines\n%s\nwant\n%s", report, err, wanted, &there, &here)
		}
	})
}

func TestATailGoesOnWithWhatIsAppended(t *testing.T) {
	everyWay(t, func(t *testing.T, bus *retinue.Bus, c *admin.Client) {
		var got []string
		q := retinue.Query{From: messages.EventID(3), Filter: messages.Filter{Kinds: []string{"note"}}, Limit: 4}
		for e, err := range c.Tail(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(e.Payload))
			if _, err := bus.Append(t.Context(), hint{"between"}, note{"more"}); err != nil {
				t.Fatal(err)
			}
		}
		more := `{"Text":"more"}`
		if wanted := []string{`{"Text":"c"}`, more, more, more}; !reflect.DeepEqual(got, wanted) {
			t.Errorf("got %v, want %v", got, wanted)
		}
	})
}

func TestATailEndsWithTheBus(t *testing.T) {
	everyWay(t, func(t *testing.T, bus *retinue.Bus, c *admin.Client) {
		var last error
		for _, err := range c.Tail(t.Context(), retinue.Query{From: messages.EventID(3)}) {
			if last = err; err == nil {
				go bus.Close()
			}
		}
		want(t, last, messages.ErrClosed)
	})
}

func TestATailEndsWithItsContext(t *testing.T) {
	everyWay(t, func(t *testing.T, _ *retinue.Bus, c *admin.Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range c.Tail(ctx, retinue.Query{From: messages.EventID(3)}) {
			last = err
			cancel()
		}
		want(t, last, context.Canceled)
	})
}

func TestAStoreThatIsReadHasNoTail(t *testing.T) {
	dir := t.TempDir()
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Append(t.Context(), note{"a"}); err != nil {
		t.Fatal(err)
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	if bus, err = retinue.Open(dir, &retinue.Options{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	c := admin.Direct(bus)
	if n := len(collect(t, c.Entries(t.Context(), retinue.Query{}))); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	for _, err := range c.Tail(t.Context(), retinue.Query{From: messages.EventID(2)}) {
		want(t, err, messages.ErrReadOnly)
	}
	want(t, c.Pause(t.Context(), "f"), messages.ErrReadOnly)
	if would, err := c.PreviewTrim(t.Context()); err != nil || would.Entries != 0 {
		t.Errorf("preview = %+v, %v", would, err)
	}
}

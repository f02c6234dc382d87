package retinue_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
)

// records is a handler that keeps what the bus logs. It is safe for
// concurrent use.
type records struct {
	*kept
	with []slog.Attr
}

type kept struct {
	mu  sync.Mutex
	all []slog.Record
}

func (r records) Enabled(context.Context, slog.Level) bool { return true }

func (r records) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	record.AddAttrs(r.with...)
	r.all = append(r.all, record)
	return nil
}

func (r records) WithAttrs(attrs []slog.Attr) slog.Handler {
	return records{r.kept, slices.Concat(r.with, attrs)}
}

func (r records) WithGroup(string) slog.Handler { return r }

// named returns the records of a message: their levels and their attributes,
// "key=value".
func (r *kept) named(message string) (levels []slog.Level, attrs [][]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.all {
		if record.Message != message {
			continue
		}
		var texts []string
		record.Attrs(func(a slog.Attr) bool {
			texts = append(texts, fmt.Sprint(a))
			return true
		})
		levels, attrs = append(levels, record.Level), append(attrs, texts)
	}
	return levels, attrs
}

// want compares the one record of a message.
func (r *kept) want(t *testing.T, level slog.Level, message string, attrs ...string) {
	t.Helper()
	levels, got := r.named(message)
	if len(levels) != 1 || levels[0] != level || !slices.Equal(got[0], attrs) {
		t.Errorf("%q was logged at %v with %q, want once at %v with %q", message, levels, got, level, attrs)
	}
}

func TestABusLogsWhenItOpensAndCloses(t *testing.T) {
	log := records{kept: &kept{}}
	opts := inMemory()
	opts.Name, opts.Logger = "orders", slog.New(log)
	bus := openBus(t, opts)
	store := "store=" + bus.StoreID().String()
	log.want(t, slog.LevelInfo, "bus opened", store, "clean=true", "head=1", "trimmable_head=1", "bus=orders")
	closeBus(t, bus)
	log.want(t, slog.LevelInfo, "bus closed", store, "bus=orders")
}

func TestAStallAndATrimAreLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		log := records{kept: &kept{}}
		opts := inMemory()
		opts.Logger, opts.StallAfter = slog.New(log), 10*time.Minute
		opts.Trim = retinue.Trim{Every: time.Minute, MinAge: -1, MinEntries: -1}
		bus := openBus(t, opts)
		mustFollow(t, bus, followers.Follower{Name: "f", Every: func(*followers.Turn) error { return errRefused }})
		put(t, bus, hint{"a"}, note{"b"})
		time.Sleep(time.Hour)
		log.want(t, slog.LevelWarn, "follower stalled", "follower=f", "cursor=1", "lag=1", "state=backing off", "bus=store")
		log.want(t, slog.LevelInfo, "entries trimmed", "entries=2", "horizon=3", "held_by=", "bus=store")
	})
}

func TestAFollowerThatSkipsALotDoesNotFloodTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		log := records{kept: &kept{}}
		opts := inMemory()
		opts.Logger = slog.New(log)
		bus := openBus(t, opts)
		mustFollow(t, bus, followers.Follower{
			Name: "f", Poison: followers.Poison{Action: followers.Skip, After: 1},
			Every: func(*followers.Turn) error { return errRefused },
		})
		warnings := func() (warnings int, attrs [][]string) {
			synctest.Wait() // the supervisor logs after the commit
			levels, attrs := log.named("follower failed")
			for _, level := range levels {
				if level == slog.LevelWarn {
					warnings++
				}
			}
			return warnings, attrs
		}
		for range 99 {
			put(t, bus, note{"a"})
		}
		if err := bus.CaughtUp(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		if n, all := warnings(); n != 10 || len(all) != 99 {
			t.Errorf("%d of %d failures are warnings, want 10 of 99", n, len(all))
		}
		time.Sleep(time.Minute)
		put(t, bus, note{"b"})
		if err := bus.CaughtUp(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		n, all := warnings()
		want := []string{"follower=f", "entry=100", "type=test/note", "verdict=skip entry", "delay=0s", "error=" + errRefused.Error(), "suppressed=89", "bus=store"}
		if last := all[len(all)-1]; n != 11 || !slices.Equal(last, want) {
			t.Errorf("%d warnings, the last one %q; want 11 and %q", n, last, want)
		}
	})
}

// hostileHandler is one that panics whatever it is asked.
type hostileHandler struct{ records }

func (hostileHandler) Handle(context.Context, slog.Record) error { panic("no disk for the log") }
func (hostileHandler) WithAttrs([]slog.Attr) slog.Handler        { panic("no memory for attributes") }
func (hostileHandler) WithGroup(string) slog.Handler             { panic("no memory for groups") }

func TestALogHandlerThatPanicsHurtsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := make(chan retinue.FollowerStatus, 1)
		bus := openBus(t, &retinue.Options{
			FS: vfs.NewMem(), Logger: slog.New(hostileHandler{records{kept: &kept{}}}),
			StallAfter: time.Minute, OnStall: func(f retinue.FollowerStatus) {
				select {
				case stalled <- f:
				default:
				}
			},
		})
		failures := 0
		if err := bus.Follow(followers.Follower{Name: "f", Every: func(*followers.Turn) error {
			if failures++; failures < 20 {
				return fmt.Errorf("failure %d", failures)
			}
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		at := put(t, bus, note{"a"})
		if f := <-stalled; f.Name != "f" {
			t.Errorf("%q has stalled, want the follower", f.Name)
		}
		if err := bus.Await(t.Context(), "f", at); err != nil {
			t.Errorf("await: %v", err)
		}
		if s := bus.Status(); s.Failed != nil {
			t.Errorf("the bus has failed: %v", s.Failed)
		}
	})
}

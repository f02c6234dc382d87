package followers_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestTurnSeesItsOwnWritesInGetAndScan(t *testing.T) {
	turn := newTurn(t, deposited{1})
	for _, kv := range [][2]string{{"b/2", "two"}, {"a", "x"}, {"b/1", "one"}, {"b/3", "three"}, {"c", ""}} {
		if err := turn.Set([]byte(kv[0]), []byte(kv[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := turn.Delete([]byte("b/3")); err != nil {
		t.Fatal(err)
	}
	if got, err := turn.Get([]byte("b/2")); string(got) != "two" || err != nil {
		t.Errorf("b/2 = %q, %v, want two", got, err)
	}
	if got, err := turn.Get([]byte("b/3")); got != nil || err != nil {
		t.Errorf("deleted key = %v, %v, want nil", got, err)
	}
	if got, err := turn.Get([]byte("c")); got == nil || len(got) != 0 || err != nil {
		t.Errorf("empty value = %v, %v, want an empty slice that is not nil", got, err)
	}
	if got, want := scan(t, turn, "b/"), []string{"b/1=one", "b/2=two"}; !slices.Equal(got, want) {
		t.Errorf("scan of b/ = %v, want %v", got, want)
	}
	if got, want := scan(t, turn, ""), []string{"a=x", "b/1=one", "b/2=two", "c="}; !slices.Equal(got, want) {
		t.Errorf("scan of everything = %v, want %v", got, want)
	}
}

func TestTurnOwnsNoBytesOfItsCaller(t *testing.T) {
	turn := newTurn(t, deposited{1})
	key, value := []byte("k"), []byte("v")
	turn.Set(key, value)
	value[0] = 'X'
	got, _ := turn.Get(key)
	if string(got) != "v" {
		t.Errorf("value = %q after the caller's slice changed, want v", got)
	}
	got[0] = 'Y'
	if again, _ := turn.Get(key); string(again) != "v" {
		t.Errorf("value = %q after the slice that Get returned changed, want v", again)
	}
}

func TestScanDoesNotSeeWhatItsLoopWrites(t *testing.T) {
	turn := newTurn(t, deposited{1})
	turn.Set([]byte("a"), nil)
	turn.Set([]byte("b"), nil)
	var got []string
	for kv, err := range turn.Scan(nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(kv.Key))
		turn.Delete([]byte("b"))
		turn.Set([]byte("z"), nil)
	}
	if want := []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("scan = %v, want %v", got, want)
	}
}

func TestScanStopsWhereItsLoopBreaks(t *testing.T) {
	turn := newTurn(t, deposited{1})
	turn.Set([]byte("a"), nil)
	turn.Set([]byte("b"), nil)
	steps := 0
	for range turn.Scan(nil) {
		steps++
		break
	}
	if steps != 1 {
		t.Errorf("%d steps, want 1", steps)
	}
}

func TestAppendFillsInTheCause(t *testing.T) {
	turn := newTurn(t, deposited{1})
	if err := turn.Append(withdrawn{2}, messages.Draft{Event: traced{"x"}, Instance: 3}); err != nil {
		t.Fatal(err)
	}
	if err := turn.Append(ticked{}); err != nil {
		t.Fatalf("a transient event is refused: %v", err)
	}
	got, err := turn.End()
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, p := range got {
		kinds = append(kinds, p.Type.Kind)
		if want := (messages.Cause{ID: 7, TrimmableID: 9}); p.Cause != want {
			t.Errorf("%v: cause %v, want %v", p.Type, p.Cause, want)
		}
	}
	if want := []string{"withdrawn", "traced", "ticked"}; !slices.Equal(kinds, want) {
		t.Errorf("appended %v, want %v", kinds, want)
	}
	if got[1].Instance != 3 || string(got[0].Payload) != jsonOf(t, withdrawn{2}) {
		t.Errorf("appended %+v", got)
	}
}

func TestARefusedAppendAddsNoneOfItsEvents(t *testing.T) {
	turn := newTurn(t, deposited{1})
	if err := turn.Append(withdrawn{1}); err != nil {
		t.Fatal(err)
	}
	if err := turn.Append(withdrawn{2}, unencodable{}); !errors.Is(err, messages.ErrInvalid) {
		t.Fatalf("err = %v, want ErrInvalid", err)
	}
	if got := turn.Appended(); len(got) != 1 {
		t.Errorf("%d events, want the one of the append before", len(got))
	}
}

func TestARememberedErrorMakesTheTurnFail(t *testing.T) {
	long := bytes.Repeat([]byte("k"), followers.MaxKey+1)
	for name, misuse := range map[string]func(*followers.Turn) error{
		"set an empty key":    func(t *followers.Turn) error { return t.Set(nil, nil) },
		"set a long key":      func(t *followers.Turn) error { return t.Set(long, nil) },
		"set a long value":    func(t *followers.Turn) error { return t.Set([]byte("k"), make([]byte, followers.MaxValue+1)) },
		"delete an empty key": func(t *followers.Turn) error { return t.Delete(nil) },
		"get an empty key":    func(t *followers.Turn) error { _, err := t.Get(nil); return err },
		"append nothing":      func(t *followers.Turn) error { return t.Append() },
		"append nil":          func(t *followers.Turn) error { return t.Append(nil) },
		"append a bad value":  func(t *followers.Turn) error { return t.Append(unencodable{}) },
	} {
		t.Run(name, func(t *testing.T) {
			turn := newTurn(t, deposited{1})
			first := misuse(turn)
			if !errors.Is(first, messages.ErrInvalid) {
				t.Fatalf("err = %v, want ErrInvalid", first)
			}
			if err := turn.Set([]byte("k"), []byte("v")); err != nil {
				t.Fatalf("the turn does not go on: %v", err)
			}
			if got, err := turn.End(); err != first || got != nil {
				t.Errorf("end = %v, %v, want nothing and the first error %v", got, err, first)
			}
		})
	}
}

func TestTheLongestKeyIsTaken(t *testing.T) {
	turn := newTurn(t, deposited{1})
	if err := turn.Set(bytes.Repeat([]byte("k"), followers.MaxKey), nil); err != nil {
		t.Error(err)
	}
}

func TestATurnRemembersTheErrorsOfItsStore(t *testing.T) {
	for name, use := range map[string]func(*followers.Turn) error{
		"get":    func(t *followers.Turn) error { _, err := t.Get([]byte("k")); return err },
		"set":    func(t *followers.Turn) error { return t.Set([]byte("k"), nil) },
		"delete": func(t *followers.Turn) error { return t.Delete([]byte("k")) },
		"scan": func(t *followers.Turn) (last error) {
			for _, err := range t.Scan(nil) {
				last = err
			}
			return last
		},
	} {
		turn := followers.NewTurn(context.Background(), messages.Entry{}, broken{})
		if err := use(turn); err != errBroken {
			t.Errorf("%s = %v, want the store's error", name, err)
		}
		if _, err := turn.End(); err != errBroken {
			t.Errorf("end after %s = %v, want the store's error", name, err)
		}
	}
}

func TestAnEventOverTheLimitIsRefused(t *testing.T) {
	turn := newTurn(t, deposited{1})
	if err := turn.Append(blob(make([]byte, 1<<20))); !errors.Is(err, messages.ErrTooLarge) {
		t.Errorf("err = %v, want ErrTooLarge by default", err)
	}
	turn.Begin(context.Background(), &messages.Entry{}, 1, true)
	turn.LimitEvents(10)
	if err := turn.Append(blob("longer than ten bytes")); !errors.Is(err, messages.ErrTooLarge) {
		t.Errorf("err = %v, want ErrTooLarge over 10 bytes", err)
	}
	turn.Begin(context.Background(), &messages.Entry{}, 1, true)
	if err := turn.Append(blob("longer than ten bytes")); !errors.Is(err, messages.ErrTooLarge) {
		t.Errorf("err = %v, want the limit to outlive Begin", err)
	}
}

func TestAfterItsEndATurnRefusesEverything(t *testing.T) {
	turn := newTurn(t, deposited{1})
	kept := turn.Scan(nil)
	if _, err := turn.End(); err != nil {
		t.Fatal(err)
	}
	key := []byte("k")
	for name, use := range map[string]func() error{
		"get":       func() error { _, err := turn.Get(key); return err },
		"set":       func() error { return turn.Set(key, nil) },
		"delete":    func() error { return turn.Delete(key) },
		"append":    func() error { return turn.Append(withdrawn{1}) },
		"end":       func() error { _, err := turn.End(); return err },
		"scan":      func() error { return firstError(turn.Scan(nil)) },
		"kept scan": func() error { return firstError(kept) },
	} {
		if err := use(); err != messages.ErrEnded {
			t.Errorf("%s = %v, want ErrEnded", name, err)
		}
	}
	if got, _ := turn.Store().Get(key); got != nil {
		t.Error("an ended turn wrote")
	}
}

func TestBeginForgetsTheLastTurn(t *testing.T) {
	turn := newTurn(t, deposited{1})
	if turn.Attempt() != 1 || !turn.Live() || turn.Entry().ID != 7 {
		t.Errorf("a new turn is attempt %d, live %v, entry %v", turn.Attempt(), turn.Live(), turn.Entry().ID)
	}
	turn.Append(withdrawn{1})
	turn.Set(nil, nil)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	turn.Begin(ctx, &messages.Entry{ID: 8}, 3, false)
	if turn.Context() != ctx || turn.Entry().ID != 8 || turn.Attempt() != 3 || turn.Live() {
		t.Errorf("entry %v, attempt %d, live %v, want 8, 3, false", turn.Entry().ID, turn.Attempt(), turn.Live())
	}
	if got, err := turn.End(); len(got) != 0 || err != nil {
		t.Errorf("end = %v, %v, want nothing of the last turn", got, err)
	}
}

func TestEventsOutliveTheTurnThatAppendedThem(t *testing.T) {
	turn := newTurn(t, deposited{1})
	turn.Append(withdrawn{1})
	first, err := turn.End()
	if err != nil {
		t.Fatal(err)
	}
	kept := slices.Clone(first)
	turn.Begin(context.Background(), &messages.Entry{}, 1, true)
	turn.Append(withdrawn{2})
	if got := string(kept[0].Payload); got != jsonOf(t, withdrawn{1}) {
		t.Errorf("payload = %s after the next turn, want the first's", got)
	}
}

func TestAppendAllocatesWhatPreparingDoes(t *testing.T) {
	turn := newTurn(t, deposited{1})
	ctx, entry, events := context.Background(), &messages.Entry{}, []messages.Event{blob("four")}
	preparing := testing.AllocsPerRun(100, func() {
		if _, err := messages.Prepare(events[0], 0); err != nil {
			panic(err)
		}
	})
	appending := testing.AllocsPerRun(100, func() {
		turn.Begin(ctx, entry, 1, true)
		if err := turn.Append(events...); err != nil {
			panic(err)
		}
	})
	if appending != preparing {
		t.Errorf("%v allocations per append, want the %v of preparing it", appending, preparing)
	}
}

// broken is a store whose disk is gone.
type broken struct{}

func (broken) Get([]byte) ([]byte, error) { return nil, errBroken }
func (broken) Set(_, _ []byte) error      { return errBroken }
func (broken) Delete([]byte) error        { return errBroken }
func (broken) Scan([]byte) iter.Seq2[followers.KeyValue, error] {
	return func(yield func(followers.KeyValue, error) bool) { yield(followers.KeyValue{}, errBroken) }
}

func scan(t *testing.T, turn *followers.Turn, prefix string) (found []string) {
	t.Helper()
	for kv, err := range turn.Scan([]byte(prefix)) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, string(kv.Key)+"="+string(kv.Value))
	}
	return found
}

func firstError(seq iter.Seq2[followers.KeyValue, error]) error {
	for _, err := range seq {
		return err
	}
	return nil
}

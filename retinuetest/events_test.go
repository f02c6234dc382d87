package retinuetest_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

// impostor claims paid's kind with another payload.
type impostor struct{ Sats string }

func (impostor) EventType() messages.Type { return paid{}.EventType() }

func TestEntriesAreTypedAndComeFromTheirLog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, paid{1}, seen{"a"}, paid{2}, seen{"b"})
		if got := retinuetest.Entries[paid](t, bus); !slices.Equal(got, []paid{{1}, {2}}) {
			t.Errorf("paid = %v", got)
		}
		if got := retinuetest.Entries[seen](t, bus); !slices.Equal(got, []seen{{"a"}, {"b"}}) {
			t.Errorf("seen = %v", got)
		}
		want := []string{"wallet/paid", "wallet/seen", "wallet/paid", "wallet/seen"}
		if got := retinuetest.Kinds(t, bus); !slices.Equal(got, want) {
			t.Errorf("kinds = %q", got)
		}
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.Entries[blinked](t, bus) }), "blinked is transient")
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.Entries[messages.Event](t, bus) }), "entries:")
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.Entries[impostor](t, bus) }),
			"cannot decode entry 1 (wallet/paid)", `its payload is "{\"Sats\":1}"`)
	})
}

func TestAppendedIsWhatCameMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, paid{1})
		got := retinuetest.Appended(t, bus, func() { retinuetest.Append(t, bus, seen{"a"}, paid{2}) })
		retinuetest.WantEvents(t, got, seen{"a"}, paid{2})
		if none := retinuetest.Appended(t, bus, func() {}); len(none) != 0 {
			t.Errorf("appended = %v", none)
		}
		one := retinuetest.Appended(t, bus, func() { retinuetest.Append(t, bus, paid{3}) })
		if p := retinuetest.One[paid](t, one); p.Sats != 3 {
			t.Errorf("one = %+v", p)
		}
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.One[seen](t, one) }), `wallet/paid {"Sats":3} is no retinuetest_test.seen`)
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.One[seen](t, got) }),
			`2 events were appended, want one: wallet/seen {"By":"a"}, wallet/paid {"Sats":2}`)
	})
}

func TestWantEventsSaysWhatThereIsInstead(t *testing.T) {
	turn := followers.NewTurn(t.Context(), retinuetest.EntryOf(t, 7, paid{1}), followers.NewMemory())
	if err := turn.Append(paid{1}, messages.Draft{Event: seen{"a"}, Instance: 3, Correlation: "c", Headers: map[string]string{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	compare := func(want ...messages.Event) []string {
		return retinuetest.Try(func(t retinuetest.TB) { retinuetest.WantEvents(t, turn.Appended(), want...) })
	}
	if said := compare(paid{1}, seen{"a"}); said != nil {
		t.Errorf("complaints: %q", said)
	}
	if said := compare(paid{1}, messages.Draft{Event: seen{"a"}, Instance: 3, Correlation: "c", Headers: map[string]string{"k": "v"}}); said != nil {
		t.Errorf("complaints: %q", said)
	}
	complains(t, compare(paid{1}), "2 events were appended, want 1:", `  1: got wallet/paid {"Sats":1}, want wallet/paid {"Sats":1}`,
		`! 2: got wallet/seen {"By":"a"} instance 3 correlation "c" headers map[k:v], want nothing`)
	complains(t, compare(paid{2}, seen{"a"}, paid{3}), `! 1: got wallet/paid {"Sats":1}, want wallet/paid {"Sats":2}`, "! 3: got nothing")
	for _, want := range []messages.Draft{{Instance: 4}, {Correlation: "d"}, {Headers: map[string]string{"k": "w"}}, {Time: time.Unix(1, 0)}} {
		want.Event = seen{"a"}
		complains(t, compare(paid{1}, want), "! 2: ")
	}
	complains(t, compare(nil), "want events: <nil>")
}

func TestEntryOfIsReadLikeTheLogs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, paid{1})
		for e, err := range bus.Entries(t.Context(), retinue.Query{}) {
			made := retinuetest.EntryOf(t, 1, paid{1})
			if err != nil || made.ID != e.ID || made.TrimmableID != e.TrimmableID || made.Log != e.Log || made.Type != e.Type ||
				made.Codec != e.Codec || string(made.Payload) != string(e.Payload) || !made.Time.Equal(e.Time) || !made.Ordered.Equal(e.Ordered) {
				t.Errorf("made %+v, read %+v, %v", made, e, err)
			}
		}
		e := retinuetest.EntryOf(t, 9, seen{"a"})
		if e.ID != 0 || e.TrimmableID != 9 || e.Log != messages.TrimmableLog {
			t.Errorf("trimmable entry = %+v", e)
		}
		complains(t, retinuetest.Try(func(t retinuetest.TB) { retinuetest.EntryOf(t, 1, nil) }), "entry of <nil>")
	})
}

type (
	whole struct {
		Name    string
		At      time.Time
		Parts   []string
		Numbers map[string]float64
		Next    *whole
		Any     any
		Pair    [2]int
	}
	embedding struct {
		time.Time
		Account string
	}
	hidden struct {
		Name string
		sats int
	}
	halved []byte
	dated  struct {
		At time.Time `json:"-"`
	}
)

func (whole) EventType() messages.Type     { return messages.Type{Kind: "whole"} }
func (embedding) EventType() messages.Type { return messages.Type{Kind: "embedding"} }
func (hidden) EventType() messages.Type    { return messages.Type{Kind: "hidden"} }
func (dated) EventType() messages.Type     { return messages.Type{Kind: "dated"} }
func (halved) EventType() messages.Type    { return messages.Type{Kind: "halved"} }
func (halved) EventCodec() messages.Codec  { return halving{messages.Raw} }

// halving loses the second half, and refuses an empty payload.
type halving struct{ messages.Codec }

func (halving) Name() string { return "halving" }
func (h halving) Append(dst []byte, event any) ([]byte, error) {
	b := event.(halved)
	return append(dst, b[:len(b)/2]...), nil
}
func (h halving) Decode(payload []byte, into any) error {
	if len(payload) == 0 {
		return errRefused
	}
	return h.Codec.Decode(payload, into)
}

func TestRoundTripPassesWhatComesBackWhole(t *testing.T) {
	event := whole{"a", time.Now(), []string{}, nil, &whole{Name: "b"}, "text", [2]int{1, 2}}
	if got := retinuetest.RoundTrip(t, event); got.Next.Name != "b" {
		t.Errorf("back came %+v", got)
	}
	retinuetest.RoundTrip(t, &whole{Name: "pointer"})
	retinuetest.RoundTrip(t, seen{"a"})
}

func TestRoundTripFindsWhatIsLost(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	try := func(f func(t retinuetest.TB)) []string { return retinuetest.Try(f) }
	complains(t, try(func(t retinuetest.TB) { retinuetest.RoundTrip(t, embedding{at, "alice"}) }),
		`round trip of retinuetest_test.embedding: Account is "", was "alice"`, `its payload is "2026-01-02T03:04:05Z"`,
		"time.Time is embedded and encodes in place of the whole event")
	complains(t, try(func(t retinuetest.TB) { retinuetest.RoundTrip(t, hidden{"a", 21}) }), "sats is 0, was 21")
	complains(t, try(func(t retinuetest.TB) { retinuetest.RoundTrip(t, dated{at}) }),
		"At is 0001-01-01 00:00:00 +0000 UTC, was 2026-01-02 03:04:05 +0000 UTC")
	complains(t, try(func(t retinuetest.TB) { retinuetest.RoundTrip(t, halved("abcd")) }), "value is [97 98], was [97 98 99 100]")
	complains(t, try(func(t retinuetest.TB) { retinuetest.RoundTrip(t, halved("a")) }), "the reaction refuses", `its payload is ""`)
	complains(t, try(func(t retinuetest.TB) { retinuetest.RoundTrip(t, whole{Any: 1}) }), "Any is 1 (float64), was 1 (int)")
	complains(t, try(func(t retinuetest.TB) { retinuetest.RoundTrip(t, whole{Numbers: map[string]float64{"x": math.NaN()}}) }), "unsupported value")
}

func TestLongPayloadsAreCutInComplaints(t *testing.T) {
	got := []messages.Entry{retinuetest.EntryOf(t, 1, seen{strings.Repeat("x", 10_000)})}
	said := retinuetest.Try(func(t retinuetest.TB) { retinuetest.WantEvents(t, got) })
	complains(t, said, "... (10009 bytes)")
	if len(said[0]) > 400 {
		t.Errorf("the complaint has %d bytes", len(said[0]))
	}
}

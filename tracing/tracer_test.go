package tracing_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/tracing"
)

type (
	paid    struct{ Sats uint64 }
	receipt struct{ Sats uint64 }
)

func (paid) EventType() messages.Type    { return messages.Type{Module: "shop", Kind: "paid"} }
func (receipt) EventType() messages.Type { return messages.Type{Module: "shop", Kind: "receipt"} }

// traced is a bus in a bubble whose spans are recorded.
type traced struct {
	*retinue.Bus
	t        *testing.T
	spans    *tracetest.InMemoryExporter
	provider *sdk.TracerProvider
}

func inBubble(t *testing.T, tracer tracing.Tracer, f func(t *testing.T, b traced)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * time.Second) }) // the actor system's own timers
		b := traced{t: t, spans: tracetest.NewInMemoryExporter()}
		b.provider = sdk.NewTracerProvider(sdk.WithSyncer(b.spans))
		tracer.Provider = b.provider
		bus, err := retinue.Open("store", &retinue.Options{FS: vfs.NewMem(), Tracer: tracer})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := bus.Close(); err != nil {
				t.Error(err)
			}
		})
		b.Bus = bus
		f(t, b)
	})
}

// span is a context with a span of the program.
func (b traced) span() (context.Context, trace.SpanContext) {
	ctx, span := b.provider.Tracer("program").Start(b.t.Context(), "call")
	return ctx, span.SpanContext()
}

func (b traced) follow(f followers.Follower) {
	b.t.Helper()
	if err := b.Follow(f); err != nil {
		b.t.Fatal(err)
	}
}

func (b traced) await(follower string, at messages.Position) {
	b.t.Helper()
	if err := b.Await(b.t.Context(), follower, at); err != nil {
		b.t.Fatal(err)
	}
}

// entries returns what is in the log.
func (b traced) entries() (all []messages.Entry) {
	b.t.Helper()
	for e, err := range b.Entries(b.t.Context(), retinue.Query{}) {
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, e.Clone())
	}
	return all
}

// turns returns the spans of a follower's turns.
func (b traced) turns(follower string) (found tracetest.SpanStubs) {
	for _, s := range b.spans.GetSpans() {
		if s.Name == "react "+follower {
			found = append(found, s)
		}
	}
	return found
}

// same compares what travels of two span contexts.
func same(a, b trace.SpanContext) bool {
	return a.TraceID() == b.TraceID() && a.SpanID() == b.SpanID() && a.TraceFlags() == b.TraceFlags()
}

func TestAReactionLinksToTheSpanOfTheAppend(t *testing.T) {
	inBubble(t, tracing.Tracer{}, func(t *testing.T, b traced) {
		var inside trace.SpanContext
		b.follow(followers.Follower{Name: "till", Reactions: []followers.Reaction{
			followers.On(func(t *followers.Turn, e paid) error {
				inside = trace.SpanContextFromContext(t.Context())
				return t.Append(receipt(e))
			}),
		}})
		ctx, origin := b.span()
		at, err := b.Append(ctx, messages.Draft{Event: paid{21}, Correlation: "order 7"})
		if err != nil {
			t.Fatal(err)
		}
		b.await("till", at)

		turns := b.turns("till")
		if len(turns) != 1 {
			t.Fatalf("%d turns, want 1", len(turns))
		}
		s := turns[0]
		if len(s.Links) != 1 || !same(s.Links[0].SpanContext, origin) {
			t.Errorf("links = %v, want one to %v", s.Links, origin)
		}
		if s.Parent.IsValid() || s.SpanContext.TraceID() == origin.TraceID() {
			t.Errorf("the turn is in trace %v below %v, want a trace of its own", s.SpanContext.TraceID(), s.Parent)
		}
		if s.SpanKind != trace.SpanKindConsumer || !same(inside, s.SpanContext) {
			t.Errorf("kind %v, span in the turn's context %v, want %v", s.SpanKind, inside, s.SpanContext)
		}
		want := attribute.NewSet(tracing.KeyBus.String("store"), tracing.KeyFollower.String("till"), tracing.KeyAttempt.Int(1),
			tracing.KeyType.String("shop/paid"), tracing.KeyEntry.Int(1), tracing.KeyTrimmable.Int(1),
			tracing.KeyCorrelation.String("order 7"))
		if got := attribute.NewSet(s.Attributes...); !got.Equals(&want) {
			t.Errorf("attributes = %v, want %v", s.Attributes, want.ToSlice())
		}
		entries := b.entries()
		if got := tracing.SpanOf(entries[0]); !same(got, origin) {
			t.Errorf("the entry carries %v, want %v", got, origin)
		}
		if got := tracing.SpanOf(entries[1]); !same(got, s.SpanContext) {
			t.Errorf("what the turn appended carries %v, want its span %v", got, s.SpanContext)
		}
	})
}

func TestAReactionIsAChildWhereThatIsAskedFor(t *testing.T) {
	inBubble(t, tracing.Tracer{Parent: true}, func(t *testing.T, b traced) {
		b.follow(followers.Follower{Name: "till", Every: func(*followers.Turn) error { return nil }})
		ctx, origin := b.span()
		at, err := b.Append(ctx, paid{21})
		if err != nil {
			t.Fatal(err)
		}
		b.await("till", at)
		if s := b.turns("till")[0]; !same(s.Parent, origin) || s.SpanContext.TraceID() != origin.TraceID() || len(s.Links) != 0 {
			t.Errorf("parent %v in trace %v with links %v, want %v alone", s.Parent, s.SpanContext.TraceID(), s.Links, origin)
		}
	})
}

func TestEveryWayToAppendCarriesItsSpan(t *testing.T) {
	inBubble(t, tracing.Tracer{}, func(t *testing.T, b traced) {
		ctx, origin := b.span()
		ticket, err := b.Submit(ctx, retinue.Request{Events: []messages.Event{paid{1}, paid{2}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ticket.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Update(ctx, func(tx *retinue.Tx) error { return tx.Append(paid{3}) }); err != nil {
			t.Fatal(err)
		}
		entries := b.entries()
		if len(entries) != 3 {
			t.Fatalf("%d entries, want 3", len(entries))
		}
		for _, e := range entries {
			if got := tracing.SpanOf(e); !same(got, origin) {
				t.Errorf("entry %d carries %v, want %v", e.ID, got, origin)
			}
		}
	})
}

// The trace is not part of what is said: the digest of an append with a key
// is taken before.
func TestARetryInAnotherTraceIsTheSameAppend(t *testing.T) {
	inBubble(t, tracing.Tracer{}, func(t *testing.T, b traced) {
		var receipts [2]messages.Receipt
		for i := range receipts {
			ctx, _ := b.span()
			ticket, err := b.Submit(ctx, retinue.Request{Events: []messages.Event{paid{21}}, Key: "order 7"})
			if err != nil {
				t.Fatal(err)
			}
			if receipts[i], err = ticket.Wait(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if !receipts[1].Repeated || receipts[0].FirstEvent != receipts[1].FirstEvent {
			t.Errorf("receipts %+v, want the second to repeat the first", receipts)
		}
	})
}

func TestAHeaderOfTheEventsOwnIsLeftAlone(t *testing.T) {
	inBubble(t, tracing.Tracer{}, func(t *testing.T, b traced) {
		ctx, _ := b.span()
		own := map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tenant": "a"}
		if _, err := b.Append(ctx, messages.Draft{Event: paid{21}, Headers: own}); err != nil {
			t.Fatal(err)
		}
		if got := b.entries()[0].Headers; !maps.Equal(got, own) {
			t.Errorf("headers = %v, want %v", got, own)
		}
		if len(own) != 2 {
			t.Errorf("the program's map became %v", own)
		}
	})
}

// Without a tracer the span of a context is not looked at: neither an append
// nor the turn over it allocates more because of it.
func TestABusWithoutATracerDoesNothingForASpan(t *testing.T) {
	bus, err := retinue.Open("store", &retinue.Options{FS: vfs.NewMem(), Durability: retinue.None()})
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	bare := true
	err = bus.Follow(followers.Follower{Name: "f", Every: func(turn *followers.Turn) error {
		bare = bare && len(turn.Entry().Headers) == 0 && !trace.SpanContextFromContext(turn.Context()).IsValid()
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	perAppend := func(ctx context.Context) float64 {
		return testing.AllocsPerRun(500, func() {
			at, err := bus.Append(ctx, paid{21})
			if err == nil {
				err = bus.Await(ctx, "f", at)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	spanned, span := sdk.NewTracerProvider().Tracer("program").Start(t.Context(), "call")
	defer span.End()
	perAppend(t.Context())
	without, with := math.Inf(1), math.Inf(1)
	for range 3 { // the rest of the bus allocates too, now and then
		without, with = min(without, perAppend(t.Context())), min(with, perAppend(spanned))
	}
	if !bare {
		t.Error("a trace in the entries or the turns of a bus without a tracer")
	}
	if with > without+2 { // who is awake when varies; headers alone are four
		t.Errorf("%v allocations with a span in the context, %v without", with, without)
	}
}

func TestAnAppendWithoutASpanHasNoHeaders(t *testing.T) {
	inBubble(t, tracing.Tracer{}, func(t *testing.T, b traced) {
		if _, err := b.Append(t.Context(), paid{21}); err != nil {
			t.Fatal(err)
		}
		if got := b.entries()[0].Headers; len(got) != 0 {
			t.Errorf("headers = %v, want none", got)
		}
	})
}

func TestAFailedTurnIsAFailedSpanAndTheRetryAnother(t *testing.T) {
	inBubble(t, tracing.Tracer{}, func(t *testing.T, b traced) {
		b.follow(followers.Follower{Name: "till", Every: func(t *followers.Turn) error {
			switch t.Attempt() {
			case 1:
				return errors.New("no change")
			case 2:
				panic("no till")
			}
			return nil
		}})
		at, err := b.Append(t.Context(), paid{21})
		if err != nil {
			t.Fatal(err)
		}
		b.await("till", at)
		want := []codes.Code{codes.Error, codes.Error, codes.Unset}
		turns := b.turns("till")
		if len(turns) != len(want) {
			t.Fatalf("%d turns, want %d", len(turns), len(want))
		}
		for i, s := range turns {
			if s.Status.Code != want[i] || len(s.Links) != 0 {
				t.Errorf("turn %d: status %v, links %v; want %v and none", i+1, s.Status, s.Links, want[i])
			}
		}
		if turns[0].Status.Description != "no change" {
			t.Errorf("first failure: %q", turns[0].Status.Description)
		}
	})
}

func TestABatchLinksToEachSpanOnce(t *testing.T) {
	inBubble(t, tracing.Tracer{}, func(t *testing.T, b traced) {
		first, a := b.span()
		second, c := b.span()
		for _, ctx := range []context.Context{first, first, second, t.Context()} {
			if _, err := b.Append(ctx, paid{1}); err != nil {
				t.Fatal(err)
			}
		}
		b.follow(followers.Follower{Name: "till", Batch: func(*followers.Turn, []messages.Entry) error { return nil }})
		if err := b.CaughtUp(t.Context(), "till"); err != nil {
			t.Fatal(err)
		}
		s := b.turns("till")[0]
		if len(s.Links) != 2 || !same(s.Links[0].SpanContext, a) || !same(s.Links[1].SpanContext, c) {
			t.Errorf("links = %v, want %v and %v", s.Links, a, c)
		}
		want := attribute.NewSet(tracing.KeyBus.String("store"), tracing.KeyFollower.String("till"), tracing.KeyAttempt.Int(1),
			tracing.KeyEntries.Int(4))
		if got := attribute.NewSet(s.Attributes...); !got.Equals(&want) {
			t.Errorf("attributes = %v, want %v", s.Attributes, want.ToSlice())
		}
	})
}

func TestHeadersServeWhoStages(t *testing.T) {
	inBubble(t, tracing.Tracer{}, func(t *testing.T, b traced) {
		ctx, origin := b.span()
		draft := messages.Draft{Event: paid{21}, Headers: tracing.Tracer{}.Headers(ctx)}
		if got := tracing.SpanOf(messages.Entry{Headers: draft.Headers}); !same(got, origin) {
			t.Errorf("headers carry %v, want %v", got, origin)
		}
	})
}

package tracing

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Tracer is a [retinue.Tracer] for OpenTelemetry. It may be shared by several
// buses.
type Tracer struct {
	// Provider of the spans of turns; nil is the global one.
	Provider trace.TracerProvider
	// Parent makes the span of a turn over one entry a child of the entry's
	// span, in the same trace. Without it a turn begins a trace of its own and
	// links back: a log is read days later, and by many.
	Parent bool
}

var _ retinue.Tracer = Tracer{}

// scope names this package as the source of spans.
const scope = "github.com/retinue-go/retinue/tracing"

// Keys of the attributes of a turn's span. Those of the entry, and its type as
// [messages.Type.String] has it, are left out for a batch, which has the
// number of its entries instead.
const (
	KeyBus         = attribute.Key("retinue.bus")
	KeyFollower    = attribute.Key("retinue.follower")
	KeyAttempt     = attribute.Key("retinue.attempt")
	KeyEntry       = attribute.Key("retinue.entry.id")
	KeyTrimmable   = attribute.Key("retinue.entry.trimmable_id")
	KeyType        = attribute.Key("retinue.entry.type")
	KeyCorrelation = attribute.Key("retinue.entry.correlation")
	KeyEntries     = attribute.Key("retinue.entries")
)

var w3c propagation.TraceContext

// Headers returns traceparent and tracestate of ctx's span, nil where it has
// none.
func (Tracer) Headers(ctx context.Context) map[string]string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	headers := make(propagation.MapCarrier, 2)
	w3c.Inject(ctx, headers)
	return headers
}

// SpanOf returns the span that an entry was appended in; it is not valid where
// the entry carries none.
func SpanOf(e messages.Entry) trace.SpanContext {
	if len(e.Headers) == 0 {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(w3c.Extract(context.Background(), propagation.MapCarrier(e.Headers)))
}

// Turn begins the span "react <follower>", of the kind consumer. A turn that
// fails leaves its error on it.
func (t Tracer) Turn(ctx context.Context, turn retinue.TracedTurn) (context.Context, func(error)) {
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes(turn)...),
	}
	if from := SpanOf(turn.Entries[0]); t.Parent && len(turn.Entries) == 1 && from.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, from)
	} else {
		options = append(options, trace.WithNewRoot(), trace.WithLinks(links(turn.Entries)...))
	}
	provider := t.Provider
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	ctx, span := provider.Tracer(scope).Start(ctx, "react "+turn.Follower, options...)
	return ctx, func(err error) {
		defer span.End()
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
	}
}

// links are those to the spans of entries, each once.
func links(entries []messages.Entry) []trace.Link {
	var all []trace.Link
	type name struct {
		trace trace.TraceID
		span  trace.SpanID
	}
	seen := make(map[name]bool)
	for _, e := range entries {
		from := SpanOf(e)
		if n := (name{from.TraceID(), from.SpanID()}); from.IsValid() && !seen[n] {
			seen[n] = true
			all = append(all, trace.Link{SpanContext: from})
		}
	}
	return all
}

func attributes(turn retinue.TracedTurn) []attribute.KeyValue {
	all := []attribute.KeyValue{
		KeyBus.String(turn.Bus), KeyFollower.String(turn.Follower), KeyAttempt.Int(turn.Attempt),
	}
	if len(turn.Entries) > 1 {
		return append(all, KeyEntries.Int(len(turn.Entries)))
	}
	e := &turn.Entries[0]
	all = append(all, KeyType.String(e.Type.String()), KeyTrimmable.Int64(int64(e.TrimmableID)))
	if e.ID != 0 {
		all = append(all, KeyEntry.Int64(int64(e.ID)))
	}
	if e.Correlation != "" {
		all = append(all, KeyCorrelation.String(e.Correlation))
	}
	return all
}

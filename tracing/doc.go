// Package tracing carries OpenTelemetry's trace context through a bus.
//
//	bus, err := retinue.Open(dir, &retinue.Options{Tracer: tracing.Tracer{Provider: provider}})
//
// The span in the context of Append, Submit, Commit or Update travels in the
// headers traceparent and tracestate of the entries, as W3C Trace Context
// writes them. Each turn of a follower is a span, which links to the spans
// that its entries came from; what the turn appends carries the turn's span.
//
// Stage has no context: give its events [Tracer.Headers] in a
// [messages.Draft].
package tracing

package admin

import (
	"context"
	"io"
	"net/http"
	"strings"
)

// direct calls a handler without a network between. The answer streams: the
// handler waits while nobody reads.
type direct struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	body, out := io.Pipe()
	w := &answer{out: out, header: http.Header{}, head: make(chan struct{}), response: &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: -1, Trailer: http.Header{},
	}}
	w.response.Body = &answerBody{body, cancel}
	r = r.Clone(ctx)
	if r.Body == nil {
		r.Body = http.NoBody
	}
	go func() {
		d.handler.ServeHTTP(w, r)
		w.end()
	}()
	select {
	case <-w.head:
		return w.response, nil
	case <-ctx.Done():
		w.response.Body.Close()
		return nil, ctx.Err()
	}
}

// answer is a response in the making. The handler's goroutine owns it; the
// response is the reader's once head is closed, but for its Trailer, which is
// filled before the body ends.
type answer struct {
	out      *io.PipeWriter
	header   http.Header
	head     chan struct{}
	begun    bool
	response *http.Response
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if a.begun {
		return
	}
	a.begun = true
	a.response.StatusCode, a.response.Status = status, http.StatusText(status)
	a.response.Header = a.header.Clone()
	close(a.head)
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.out.Write(p)
}

// Flush implements [http.Flusher]: nothing is held back but the head.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

func (a *answer) end() {
	a.WriteHeader(http.StatusOK)
	for name, values := range a.header {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			a.response.Trailer[name] = values
		}
	}
	a.out.Close()
}

type answerBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close tells the handler that nobody reads on.
func (b *answerBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

package retinue

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/retinue-go/retinue/messages"
)

// maxAdminBody bounds what a request may send, in bytes.
const maxAdminBody = 1 << 20

// AdminHandler serves the bus to the command line, and to a console to come:
// HTTP with parameters as in a form, and answers in JSON. A failure is
// {"error": …} with a [messages.RemoteError]. Lists are one JSON value a line;
// a failure in the middle is the last line.
//
//	GET  /v1/status                            Status
//	GET  /v1/entries   those of [Query.Values] entries, a line each
//	                   follow=true             and those to come
//	GET  /v1/parked    follower                Parked, a line each
//	GET  /v1/verify                            Report
//	POST /v1/pause     follower
//	POST /v1/resume    follower
//	POST /v1/seek      follower log expect to
//	POST /v1/replay    follower log at…
//	POST /v1/drop      follower log at…
//	POST /v1/trim      preview                 Trimmed
//
// Requests that a browser sends for another site are refused. The caller sees
// to it that nobody else can reach the handler; see [Bus.ServeAdmin].
func (b *Bus) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	answer := func(pattern string, do func(context.Context, url.Values) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			form, err := formOf(w, r)
			var v any
			if err == nil {
				v, err = do(r.Context(), form)
			}
			reply(w, v, err)
		})
	}
	stream := func(pattern string, do func(context.Context, url.Values, *lines) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			out := &lines{w: w, buffer: bufio.NewWriterSize(w, 64<<10)}
			form, err := formOf(w, r)
			if err == nil {
				err = do(r.Context(), form, out)
			}
			out.end(err)
		})
	}
	answer("GET /v1/status", func(context.Context, url.Values) (any, error) { return b.Status(), nil })
	stream("GET /v1/entries", b.adminEntries)
	stream("GET /v1/parked", b.adminParked)
	answer("GET /v1/verify", func(ctx context.Context, _ url.Values) (any, error) { return b.Verify(ctx) })
	answer("POST /v1/pause", func(ctx context.Context, form url.Values) (any, error) {
		return nil, b.Pause(ctx, form.Get("follower"))
	})
	answer("POST /v1/resume", func(ctx context.Context, form url.Values) (any, error) {
		return nil, b.Resume(ctx, form.Get("follower"))
	})
	answer("POST /v1/seek", b.adminSeek)
	answer("POST /v1/replay", func(ctx context.Context, form url.Values) (any, error) {
		at, err := positions(form, "at")
		if err != nil {
			return nil, err
		}
		return nil, b.Replay(ctx, form.Get("follower"), at...)
	})
	answer("POST /v1/drop", func(ctx context.Context, form url.Values) (any, error) {
		at, err := positions(form, "at")
		if err != nil {
			return nil, err
		}
		return nil, b.Drop(ctx, form.Get("follower"), at...)
	})
	answer("POST /v1/trim", func(ctx context.Context, form url.Values) (any, error) {
		if form.Get("preview") == "true" {
			return b.PreviewTrim(ctx)
		}
		return b.Trim(ctx)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

func formOf(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxAdminBody)
	err := r.ParseForm()
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, &messages.TooLargeError{What: "request", Size: maxAdminBody + 1, Limit: maxAdminBody}
	}
	if err != nil {
		return nil, &messages.InvalidError{What: "request", Why: "its form", Cause: err}
	}
	return r.Form, nil
}

// adminEntries streams a query, and with follow what comes after it.
func (b *Bus) adminEntries(ctx context.Context, form url.Values, out *lines) error {
	follow := form.Get("follow") == "true"
	form.Del("follow")
	q, err := ParseQuery(form)
	if err != nil || !follow {
		return b.adminQuery(ctx, q, out, err)
	}
	if q.Reverse || q.To != nil || !q.Until.IsZero() {
		return messages.Invalid("query", "what is followed has no end: no to, until or reverse")
	}
	news := b.Subscribe(ctx, Subscription{Filter: q.Filter, Ordered: true, Buffer: 1})
	limit := q.Limit
	upToHead := func() error {
		head := position(q.Log, b.engine.Durable().Head(q.Log))
		q.To = head
		err := b.adminQuery(ctx, q, out, nil)
		q.From, q.Since = head, q.Since.Truncate(0)
		q.Limit = limit - out.count
		return errors.Join(err, out.flush())
	}
	if err := upToHead(); err != nil {
		return err
	}
	for _, err := range news {
		if limit > 0 && out.count >= limit {
			return nil
		}
		if err != nil && !errors.Is(err, messages.ErrGap) {
			return err
		}
		if err := upToHead(); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) adminQuery(ctx context.Context, q Query, out *lines, err error) error {
	if err != nil {
		return err
	}
	for e, err := range b.Entries(ctx, q) {
		if err != nil {
			return err
		}
		if err := out.put(e); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) adminParked(_ context.Context, form url.Values, out *lines) error {
	for p, err := range b.Parked(form.Get("follower")) {
		if err == nil {
			err = out.put(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) adminSeek(ctx context.Context, form url.Values) (any, error) {
	expect, err := positions(form, "expect")
	if err != nil {
		return nil, err
	}
	to, err := positions(form, "to")
	if err != nil {
		return nil, err
	}
	if len(expect) != 1 || len(to) != 1 {
		return nil, messages.Invalid("request", "%d times expect and %d times to, want one of each", len(expect), len(to))
	}
	return nil, b.Seek(ctx, form.Get("follower"), expect[0], to[0])
}

// positions reads the ids called name, of the log that the form names.
func positions(form url.Values, name string) ([]messages.Position, error) {
	var log messages.Log
	if text := form.Get("log"); text != "" {
		if err := log.UnmarshalText([]byte(text)); err != nil {
			return nil, err
		}
	}
	var at []messages.Position
	for _, id := range form[name] {
		p, err := parsePosition(log, id)
		if err != nil {
			return nil, err
		}
		at = append(at, p)
	}
	return at, nil
}

// reply answers with one JSON value.
func reply(w http.ResponseWriter, v any, err error) {
	status := http.StatusOK
	if err != nil {
		v, status = failure{messages.Remote(err)}, statusOf(err)
	}
	if v == nil {
		v = struct{}{}
	}
	body, err := json.Marshal(v)
	if err != nil {
		body, status = []byte(strconv.Quote(err.Error())), http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

type failure struct {
	Error *messages.RemoteError `json:"error"`
}

// lines writes a list, one JSON value a line. The caller is the handler.
type lines struct {
	w      http.ResponseWriter
	buffer *bufio.Writer
	count  int
	begun  bool
}

func (l *lines) put(v json.Marshaler) error {
	data, err := v.MarshalJSON()
	if err != nil {
		return err
	}
	l.begin()
	l.count++
	l.buffer.Write(data)
	return l.buffer.WriteByte('\n')
}

func (l *lines) begin() {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/jsonl")
	}
}

// flush sends what there is, if only the head of the answer.
func (l *lines) flush() error {
	l.begin()
	if err := l.buffer.Flush(); err != nil {
		return err
	}
	return http.NewResponseController(l.w).Flush()
}

// end sends what is left, and err as the answer or as the last line.
func (l *lines) end(err error) {
	if err != nil && !l.begun {
		reply(l.w, nil, err)
		return
	}
	l.begin()
	if err != nil {
		json.NewEncoder(l.buffer).Encode(failure{messages.Remote(err)})
	}
	l.buffer.Flush()
}

// statusOf chooses the HTTP status of an error; its codes say more.
func statusOf(err error) int {
	for _, s := range []struct {
		status int
		errs   []error
	}{
		{http.StatusServiceUnavailable, []error{messages.ErrClosed, messages.ErrFailed}},
		{http.StatusBadRequest, []error{messages.ErrInvalid, messages.ErrBadID, messages.ErrNotInLog}},
		{http.StatusRequestEntityTooLarge, []error{messages.ErrTooLarge}},
		{http.StatusNotFound, []error{messages.ErrUnknownFollower, messages.ErrOutOfRange}},
		{http.StatusGone, []error{messages.ErrTrimmed}},
		{http.StatusConflict, []error{messages.ErrCursorMoved, messages.ErrPaused, messages.ErrParked, messages.ErrStuck}},
	} {
		for _, target := range s.errs {
			if errors.Is(err, target) {
				return s.status
			}
		}
	}
	return http.StatusInternalServerError
}

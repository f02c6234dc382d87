package retinue

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/retinue-go/retinue/messages"
)

// maxAdminBody bounds what a request may send, in bytes.
const maxAdminBody = 1 << 20

// AdminHandler serves the bus to the command line, and to a console to come:
// HTTP with parameters as in a form, and answers in JSON. Lists are one JSON value
// a line. A failure is {"error": …}, a [messages.RemoteError], with what was done
// until then as "result"; in the middle of a list it is the last line.
//
//	GET  /v1/status                            Status
//	GET  /v1/entry     log at                  an entry
//	GET  /v1/entries   those of [Query.Values] entries, a line each
//	                   follow=true             and those to come
//	GET  /v1/parked    follower                Parked, a line each
//	GET  /v1/export    cursors                 what [Bus.Export] writes; the trailer
//	                                           Retinue-Report has its report, or
//	                                           Retinue-Error why it ends early
//	GET  /v1/verify                            Report
//	POST /v1/backup    dir, an absolute path
//	POST /v1/pause     follower
//	POST /v1/resume    follower
//	POST /v1/seek      follower log expect to
//	POST /v1/replay    follower, one of all, key and log at…, limit, preview
//	                                           Replayed
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
			reply(w, v, ended(r, err))
		})
	}
	stream := func(pattern string, do func(context.Context, url.Values, *lines) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			out := newLines(w)
			form, err := formOf(w, r)
			if err == nil {
				err = do(r.Context(), form, out)
			}
			out.end(ended(r, err))
		})
	}
	answer("GET /v1/status", func(context.Context, url.Values) (any, error) { return b.Status(), nil })
	answer("GET /v1/entry", b.adminEntry)
	stream("GET /v1/entries", b.adminEntries)
	stream("GET /v1/parked", b.adminParked)
	stream("GET /v1/export", b.adminExport)
	answer("GET /v1/verify", func(ctx context.Context, _ url.Values) (any, error) { return either(b.Verify(ctx)) })
	answer("POST /v1/backup", b.adminBackup)
	answer("POST /v1/pause", ofFollower(b.Pause))
	answer("POST /v1/resume", ofFollower(b.Resume))
	answer("POST /v1/seek", b.adminSeek)
	answer("POST /v1/replay", b.adminReplay)
	answer("POST /v1/drop", b.adminDrop)
	answer("POST /v1/trim", b.adminTrim)
	return http.NewCrossOriginProtection().Handler(mux)
}

// ofFollower is a command that takes a follower's name.
func ofFollower(do func(context.Context, string) error) func(context.Context, url.Values) (any, error) {
	return func(ctx context.Context, form url.Values) (any, error) { return nil, do(ctx, form.Get("follower")) }
}

// ended names what has ended a request: the bus, rather than its context.
func ended(r *http.Request, err error) error {
	if cause := context.Cause(r.Context()); errors.Is(err, context.Canceled) && errors.Is(cause, messages.ErrClosed) {
		return cause
	}
	return err
}

// either keeps a zero value out of a failure's answer.
func either[V any](v V, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
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

func (b *Bus) adminEntry(_ context.Context, form url.Values) (any, error) {
	at, err := positions(form, "at")
	if err != nil {
		return nil, err
	}
	if len(at) != 1 {
		return nil, messages.Invalid("request", "%d times at, want one", len(at))
	}
	log := messages.Permanent
	if _, ok := at[0].(messages.TrimmableID); ok {
		log = messages.TrimmableLog
	}
	return either(b.Entry(log, at[0]))
}

func (b *Bus) adminBackup(ctx context.Context, form url.Values) (any, error) {
	dir := form.Get("dir")
	if !filepath.IsAbs(dir) {
		return nil, messages.Invalid("request", "dir %q is not absolute: the bus may run in another directory", dir)
	}
	return nil, b.Backup(ctx, dir)
}

func (b *Bus) adminReplay(ctx context.Context, form url.Values) (any, error) {
	at, err := positions(form, "at")
	if err != nil {
		return nil, err
	}
	choice := Replay{
		All: form.Get("all") == "true", Key: form.Get("key"), At: at, Preview: form.Get("preview") == "true",
	}
	if limit := form.Get("limit"); limit != "" {
		if choice.Limit, err = strconv.Atoi(limit); err != nil {
			return nil, &messages.InvalidError{What: "request", Why: "limit", Cause: err}
		}
	}
	return b.Replay(ctx, form.Get("follower"), choice)
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

func (b *Bus) adminDrop(ctx context.Context, form url.Values) (any, error) {
	at, err := positions(form, "at")
	if err != nil {
		return nil, err
	}
	return nil, b.Drop(ctx, form.Get("follower"), at...)
}

func (b *Bus) adminTrim(ctx context.Context, form url.Values) (any, error) {
	if form.Get("preview") == "true" {
		return either(b.PreviewTrim())
	}
	return either(b.Trim(ctx))
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
		v, status = failure{messages.Remote(err), v}, statusOf(err)
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

// failure is an answer that tells why, and what was done until then.
type failure struct {
	Error  *messages.RemoteError `json:"error"`
	Result any                   `json:"result,omitempty"`
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
		{http.StatusConflict, []error{messages.ErrCursorMoved, messages.ErrPaused, messages.ErrParked, messages.ErrStuck, messages.ErrReadOnly, messages.ErrExists}},
	} {
		for _, target := range s.errs {
			if errors.Is(err, target) {
				return s.status
			}
		}
	}
	return http.StatusInternalServerError
}

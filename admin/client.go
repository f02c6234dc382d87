package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Client speaks to one bus. It is safe for concurrent use.
type Client struct {
	http http.Client
	base string
}

// Dial returns a client of the bus that serves a Unix socket. It connects with
// the first call.
func Dial(socket string) *Client {
	var d net.Dialer
	return &Client{base: "http://retinue", http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}
}

// Connect returns a client of a bus whose handler is served at a URL. client
// may be nil.
func Connect(base string, client *http.Client) *Client {
	c := &Client{base: strings.TrimSuffix(base, "/")}
	if client != nil {
		c.http = *client
	}
	return c
}

// Direct returns a client of a bus in this process, which stays the caller's
// to close.
func Direct(bus *retinue.Bus) *Client {
	return &Client{base: "http://retinue", http: http.Client{Transport: direct{bus.AdminHandler()}}}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// do sends a request and returns an answer of status 200, whose body the
// caller closes.
func (c *Client) do(ctx context.Context, method, path string, form url.Values) (*http.Response, error) {
	target, body := c.base+path, io.Reader(nil)
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		target += "?" + form.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var call *url.Error // of an address that nobody has given
		if errors.As(err, &call) {
			err = call.Err
		}
		return nil, fmt.Errorf("retinue: %w", cut(err))
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil {
		err = failureOf(text)
	}
	if err == nil {
		err = fmt.Errorf("retinue: %s answers %s: %.200q", target, answer.Status, text)
	}
	return nil, err
}

// cut names what ends an answer early: the process of the bus, or the
// connection to it.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the bus has ended without an answer, or in the middle of one: %w", err)
	}
	return err
}

// failure is an answer that tells why. It unwraps to its error.
type failure struct {
	*messages.RemoteError `json:"error"`
	Result                json.RawMessage `json:"result"`
}

func (f *failure) Unwrap() error { return f.RemoteError }

// failureOf returns the failure that text is, nil for any other.
func failureOf(text []byte) error {
	if !bytes.HasPrefix(text, []byte(`{"error":`)) {
		return nil
	}
	var f failure
	switch err := json.Unmarshal(text, &f); {
	case err != nil:
		return fmt.Errorf("retinue: %w in the answer %.200q", err, text)
	case f.RemoteError == nil:
		return fmt.Errorf("retinue: no error in the answer %.200q", text)
	}
	return &f
}

// call asks for one value. With an error, into holds what was done until then.
func (c *Client) call(ctx context.Context, method, path string, form url.Values, into any) error {
	answer, err := c.do(ctx, method, path, form)
	var failed *failure
	if errors.As(err, &failed) {
		if into != nil && len(failed.Result) > 0 {
			err = errors.Join(failed.RemoteError, json.Unmarshal(failed.Result, into))
		}
		return err
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	return cut(json.NewDecoder(answer.Body).Decode(into))
}

// list yields what an answer holds, a value a line, read by an unmarshal of V.
func list[V any](ctx context.Context, c *Client, path string, form url.Values) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var none V
		answer, err := c.do(ctx, http.MethodGet, path, form)
		if err != nil {
			yield(none, err)
			return
		}
		defer answer.Body.Close()
		for lines := bufio.NewReaderSize(answer.Body, 64<<10); ; {
			line, err := lines.ReadBytes('\n')
			if errors.Is(err, io.EOF) && len(line) == 0 {
				return
			}
			if err = cut(err); ctx.Err() != nil {
				err = ctx.Err()
			}
			if err == nil {
				err = failureOf(line)
			}
			var v V
			if err == nil {
				err = unmarshal(line, &v)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// unmarshal is json.Unmarshal, which looks at a value twice that reads itself.
func unmarshal(line []byte, v any) error {
	if v, ok := v.(json.Unmarshaler); ok {
		return v.UnmarshalJSON(bytes.TrimSuffix(line, []byte("\n")))
	}
	return json.Unmarshal(line, v)
}

// Status is [retinue.Bus.Status].
func (c *Client) Status(ctx context.Context) (s retinue.Status, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Entry is [retinue.Bus.Entry].
func (c *Client) Entry(log messages.Log, at messages.Position) (e messages.Entry, err error) {
	id, _, err := messages.Span(at, log)
	if err != nil {
		return e, err
	}
	form := url.Values{"log": {log.String()}, "at": {strconv.FormatUint(id, 10)}}
	err = c.call(context.Background(), http.MethodGet, "/v1/entry", form, &e)
	return e, err
}

// Entries is [retinue.Bus.Entries]. The entries are the caller's.
func (c *Client) Entries(ctx context.Context, q retinue.Query) iter.Seq2[messages.Entry, error] {
	return c.entries(ctx, q, false)
}

// Tail is Entries that goes on with what is appended later, until ctx or the
// bus ends or q.Limit is reached. q has no To, Until or Reverse. Errors: those
// of Entries and, on a bus that was opened to read, [messages.ErrReadOnly].
func (c *Client) Tail(ctx context.Context, q retinue.Query) iter.Seq2[messages.Entry, error] {
	return c.entries(ctx, q, true)
}

func (c *Client) entries(ctx context.Context, q retinue.Query, follow bool) iter.Seq2[messages.Entry, error] {
	form, err := q.Values()
	if err != nil {
		return func(yield func(messages.Entry, error) bool) { yield(messages.Entry{}, err) }
	}
	if follow {
		form.Set("follow", "true")
	}
	return list[messages.Entry](ctx, c, "/v1/entries", form)
}

// Parked is [retinue.Bus.Parked].
func (c *Client) Parked(ctx context.Context, follower string) iter.Seq2[retinue.Parked, error] {
	return list[retinue.Parked](ctx, c, "/v1/parked", url.Values{"follower": {follower}})
}

// Verify is [retinue.Bus.Verify].
func (c *Client) Verify(ctx context.Context) (r retinue.Report, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/verify", nil, &r)
	return r, err
}

// Backup is [retinue.Bus.Backup]. dir is absolute, and of the machine and with
// the rights of the bus's process. Errors: [messages.InvalidError] for one
// that is not.
func (c *Client) Backup(ctx context.Context, dir string) error {
	return c.call(ctx, http.MethodPost, "/v1/backup", url.Values{"dir": {dir}}, nil)
}

// Export is [retinue.Bus.Export]; o.Progress is not called.
func (c *Client) Export(ctx context.Context, w io.Writer, o retinue.ExportOptions) (report retinue.ExportReport, err error) {
	answer, err := c.do(ctx, http.MethodGet, "/v1/export", url.Values{"cursors": {strconv.FormatBool(o.Cursors)}})
	if err != nil {
		return report, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(w, answer.Body); err != nil {
		return report, errors.Join(ctx.Err(), cut(err))
	}
	if text := answer.Trailer.Get("Retinue-Error"); text != "" {
		var failed messages.RemoteError
		if err := json.Unmarshal([]byte(text), &failed); err != nil {
			return report, err
		}
		return report, &failed
	}
	return report, json.Unmarshal([]byte(answer.Trailer.Get("Retinue-Report")), &report)
}

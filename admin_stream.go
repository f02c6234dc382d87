package retinue

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/retinue-go/retinue/messages"
)

// adminEntries streams a query, and with follow what comes after it.
func (b *Bus) adminEntries(ctx context.Context, form url.Values, out *lines) error {
	follow := form.Get("follow") == "true"
	form.Del("follow")
	q, err := ParseQuery(form)
	if err != nil {
		return err
	}
	if !follow {
		return b.adminQuery(ctx, q, out)
	}
	if q.Reverse || q.To != nil || !q.Until.IsZero() {
		return messages.Invalid("query", "what is followed has no end: no to, until or reverse")
	}
	var from uint64
	if q.From != nil {
		if from, _, err = messages.Span(q.From, q.Log); err != nil {
			return err
		}
	}
	news := b.Subscribe(ctx, Subscription{Filter: q.Filter, Ordered: true, Buffer: 1})
	limit := q.Limit
	upToHead := func() (more bool, err error) {
		head := b.engine.Durable().Head(q.Log)
		q.To = position(q.Log, head)
		if err := b.adminQuery(ctx, q, out); err != nil {
			return false, err
		}
		if q.From == nil || from < head { // it may begin at an entry to come
			q.From = q.To
		}
		q.Limit = max(limit-out.count, 0)
		return limit == 0 || q.Limit > 0, out.flush()
	}
	if more, err := upToHead(); err != nil || !more {
		return err
	}
	for _, err := range news {
		if err != nil && !errors.Is(err, messages.ErrGap) {
			return err
		}
		if more, err := upToHead(); err != nil || !more {
			return err
		}
	}
	return nil
}

func (b *Bus) adminQuery(ctx context.Context, q Query, out *lines) error {
	for e, err := range b.Entries(ctx, q) {
		if err != nil {
			return err
		}
		if err := out.put(e.MarshalJSON()); err != nil {
			return err
		}
	}
	return nil
}

// adminExport streams an export as it is. What fails in the middle must not
// stand in the file, so it is told in a trailer.
func (b *Bus) adminExport(ctx context.Context, form url.Values, out *lines) error {
	report, err := b.Export(ctx, out, ExportOptions{Cursors: form.Get("cursors") == "true"})
	if err != nil && !out.begun {
		return err
	}
	name, text := "Retinue-Report", any(report)
	if err != nil {
		name, text = "Retinue-Error", messages.Remote(err)
	}
	data, _ := json.Marshal(text)
	out.w.Header().Set(http.TrailerPrefix+name, string(data))
	return nil
}

func (b *Bus) adminParked(_ context.Context, form url.Values, out *lines) error {
	for p, err := range b.Parked(form.Get("follower")) {
		if err == nil {
			err = out.put(json.Marshal(p))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lines writes a list, one JSON value a line. The caller is the handler.
type lines struct {
	w      http.ResponseWriter
	buffer *bufio.Writer
	count  int
	begun  bool
}

func newLines(w http.ResponseWriter) *lines {
	return &lines{w: w, buffer: bufio.NewWriterSize(w, 64<<10)}
}

// put writes what was made of one value.
func (l *lines) put(data []byte, err error) error {
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

// Write sends bytes of lines that are made already.
func (l *lines) Write(p []byte) (int, error) {
	l.begin()
	return l.buffer.Write(p)
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
		json.NewEncoder(l.buffer).Encode(failure{Error: messages.Remote(err)})
	}
	l.buffer.Flush()
}

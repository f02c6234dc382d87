package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/admin"
	"github.com/retinue-go/retinue/messages"
)

// stranger answers every request alike.
type stranger struct {
	status  int
	body    []byte
	trailer string
}

func (s stranger) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: s.status, Status: http.StatusText(s.status), Request: r, Body: io.NopCloser(bytes.NewReader(s.body)),
		Trailer: http.Header{"Retinue-Error": {s.trailer}, "Retinue-Report": {s.trailer}},
	}, nil
}

// FuzzAnswers has a client speak to a server that is no bus: what it says is
// read or refused, and every error can be printed, and sent on.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		``, `null`, `{}`, `[]`, `{"error":null}`, `{"error":{}}`, `{"error":{"codes":["trimmed"],"trimmed":null}}`,
		`{"error":null,"result":{}}`, `{"problems":[null]}`, `{"permanent":1,"problems":[{"message":"x"}]}`,
		`{"failed":null,"followers":[null,{"last_error":null,"lag_seconds":1e300}]}`, `{"id":1,"log":"permanent"}`,
		`{"entry":null,"last_error":null}`, `{"tree":null,"followers":[{"tree":[null]}]}`,
	} {
		f.Add(true, []byte(body), body)
		f.Add(false, []byte(body), body)
	}
	f.Fuzz(func(t *testing.T, good bool, body []byte, trailer string) {
		s := stranger{status: http.StatusOK, body: body, trailer: trailer}
		if !good {
			s.status = http.StatusConflict
		}
		c := admin.Connect("http://retinue", &http.Client{Transport: s})
		defer c.Close()
		ctx := context.Background()
		said := func(value any, err error) {
			if err != nil {
				_ = err.Error()
				_ = messages.Remote(err)
				return
			}
			if _, err := json.Marshal(value); err != nil {
				t.Errorf("%T: what was read cannot be written: %v", value, err)
			}
		}
		status, err := c.Status(ctx)
		said(status, err)
		report, err := c.Verify(ctx)
		said(report, err)
		if err == nil && report.Err() != nil {
			_ = report.Err().Error()
		}
		entry, err := c.Entry(messages.Permanent, messages.EventID(1))
		said(entry, err)
		for e, err := range c.Entries(ctx, retinue.Query{}) {
			said(e, err)
		}
		for p, err := range c.Parked(ctx, "mail") {
			said(p, err)
		}
		replayed, err := c.Replay(ctx, "mail", retinue.Replay{All: true})
		said(replayed, err)
		trimmed, err := c.Trim(ctx)
		said(trimmed, err)
		said(nil, c.Pause(ctx, "mail"))
		exported, err := c.Export(ctx, io.Discard, retinue.ExportOptions{})
		said(exported, err)
	})
}

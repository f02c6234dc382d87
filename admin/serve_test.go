package admin_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/admin"
	"github.com/retinue-go/retinue/messages"
)

func TestABusOnAnyListener(t *testing.T) {
	bus, err := retinue.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- bus.ServeAdmin(l) }()
	transport := &http.Transport{}
	c := admin.Connect("http://"+l.Addr().String(), &http.Client{Transport: transport})
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
	want(t, <-served, messages.ErrClosed)
	if _, err := c.Status(t.Context()); err == nil {
		t.Error("a closed bus answers")
	}
	another, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	want(t, bus.ServeAdmin(another), messages.ErrClosed)
}

func TestRequestsOfOtherSitesAndTooLargeOnesAreRefused(t *testing.T) {
	bus, err := retinue.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	handler := bus.AdminHandler()
	for _, try := range []struct {
		header, value, body string
		status              int
	}{
		{"Origin", "https://elsewhere.example", "follower=f", http.StatusForbidden},
		{"X-Large", "yes", "follower=" + strings.Repeat("f", 2<<20), http.StatusRequestEntityTooLarge},
		{"X-Small", "yes", "follower=f", http.StatusNotFound},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/pause", strings.NewReader(try.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(try.header, try.value)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != try.status {
			t.Errorf("%s: %d %s, want %d", try.header, w.Code, w.Body, try.status)
		}
	}
}

func TestQueriesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, text := range []string{"limt=1", "log=x", "from=x", "since=yesterday", "limit=-1", "limit=1&limit=2", "instance=4294967296", "reverse=perhaps", "type=%25zz"} {
		v, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := retinue.ParseQuery(v); !errors.Is(err, messages.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", text, err)
		}
	}
}

func TestAQueryIsReadBackAsItWas(t *testing.T) {
	q := retinue.Query{
		Log: messages.TrimmableLog, From: messages.TrimmableID(3), To: messages.TrimmableID(9), Reverse: true, Limit: 5,
		Since: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Until: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC),
		Filter: messages.Filter{
			Modules: []string{"", "a/b"}, Kinds: []string{"ü"}, Instances: []uint32{0, 1<<32 - 1}, Correlations: []string{"x&y"},
			Types:         []messages.Type{{Module: "a/b", Kind: "c/d"}, {Kind: "e"}, {Kind: "f/g"}},
			HappenedSince: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC), HappenedUntil: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
	}
	v, err := q.Values()
	if err != nil {
		t.Fatal(err)
	}
	wire, err := url.ParseQuery(v.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := retinue.ParseQuery(wire); err != nil || !reflect.DeepEqual(got, q) {
		t.Errorf("got %+v, %v, want %+v", got, err, q)
	}
}

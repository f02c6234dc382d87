package messages_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/retinue-go/retinue/messages"
	"pgregory.net/rapid"
)

func TestPrepareTakesTypeCodecAndPayload(t *testing.T) {
	p := prepared(t, deposited{"alice", 21})
	if p.Type.String() != "wallet/deposited" || p.Codec != "json" || string(p.Payload) != `{"Account":"alice","Sats":21}` {
		t.Errorf("%+v", p)
	}
	if !p.Time.IsZero() || p.Headers != nil || p.Instance != 0 || p.Correlation != "" || p.Cause != (messages.Cause{}) {
		t.Errorf("fields that nobody gave: %+v", p)
	}
}

func TestPrepareTakesTheFieldsOfADraft(t *testing.T) {
	at := time.Date(2018, 2, 7, 12, 0, 0, 1, time.FixedZone("", 3600))
	draft := messages.Draft{
		Event: blob("b"), Instance: 7, Time: at, Correlation: "order-1", Headers: map[string]string{"k": ""},
	}
	for _, event := range []messages.Event{draft, &draft} {
		p := prepared(t, event)
		if p.Instance != 7 || p.Time != at.UTC() || p.Correlation != "order-1" || !maps.Equal(p.Headers, draft.Headers) || string(p.Payload) != "b" {
			t.Errorf("%+v", p)
		}
	}
}

func TestPrepareDropsTheMonotonicClock(t *testing.T) {
	now := time.Now()
	p := prepared(t, messages.Draft{Event: deposited{}, Time: now})
	if p.Time != now.Round(0).UTC() {
		t.Errorf("got %v, want %v", p.Time, now.Round(0).UTC())
	}
}

func TestPreparedSharesNoMemoryWithTheDraft(t *testing.T) {
	b, headers := blob("event"), map[string]string{"k": "v"}
	p := prepared(t, messages.Draft{Event: b, Headers: headers})
	b[0], headers["k"] = 'E', "w"
	if string(p.Payload) != "event" || p.Headers["k"] != "v" {
		t.Errorf("changed behind the writer's back: %q, %v", p.Payload, p.Headers)
	}
}

func TestPrepareRefusesFieldsOutsideTheirRange(t *testing.T) {
	year := func(y int) time.Time { return time.Date(y, 6, 1, 0, 0, 0, 0, time.UTC) }
	for name, draft := range map[string]messages.Draft{
		"year 0":                {Time: year(0)},
		"year -1":               {Time: year(-1)},
		"year 10000":            {Time: year(10000)},
		"year 10000 in UTC":     {Time: time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200))},
		"correlation too long":  {Correlation: strings.Repeat("c", messages.MaxName+1)},
		"correlation not UTF-8": {Correlation: "\xff"},
		"empty header key":      {Headers: map[string]string{"": "v"}},
		"header key not UTF-8":  {Headers: map[string]string{"\xff": "v"}},
		"header not UTF-8":      {Headers: map[string]string{"k": "\xff"}},
	} {
		t.Run(name, func(t *testing.T) {
			draft.Event = deposited{}
			_, err := messages.Prepare(draft, 0)
			wantInvalid(t, err, "event")
		})
	}
}

func TestPrepareTakesFieldsAtTheirLimits(t *testing.T) {
	for _, draft := range []messages.Draft{
		{Time: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)},
		{Time: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)},
		{Correlation: strings.Repeat("c", messages.MaxName)},
	} {
		draft.Event = deposited{}
		if _, err := messages.Prepare(draft, 0); err != nil {
			t.Error(err)
		}
	}
}

func TestPrepareRefusesWhatDescribeRefuses(t *testing.T) {
	for _, event := range []messages.Event{nil, (*deposited)(nil), messages.Draft{}, declared{Version: 1}} {
		_, err := messages.Prepare(event, 0)
		wantInvalid(t, err, "event")
	}
	_, err := messages.Prepare(emptyKind{}, 0)
	wantInvalid(t, err, "event type")
}

func TestEventThatDoesNotEncodeIsInvalidAndNamesTheCause(t *testing.T) {
	_, err := messages.Prepare(unencodable{F: func() {}}, 0)
	wantInvalid(t, err, "event")
	var cause *json.UnsupportedTypeError
	if !errors.As(err, &cause) {
		t.Errorf("got %v", err)
	}
}

func TestPanicWhileEncodingIsAnError(t *testing.T) {
	_, err := messages.Prepare(panicsEncoding{}, 0)
	wantInvalid(t, err, "event")
	var panicked *messages.PanicError
	if !errors.As(err, &panicked) || len(panicked.Stack) == 0 || !errors.Is(err, errNoInk) {
		t.Errorf("got %v", err)
	}
}

func TestSizeCountsEveryByteThatTheProgramGave(t *testing.T) {
	p := prepared(t, messages.Draft{
		Event: deposited{"a", 1}, Correlation: "123", Headers: map[string]string{"ab": "cdef", "g": ""},
	})
	want := len(p.Payload) + len("wallet") + len("deposited") + len("json") + 3 + 7
	if got := p.Size(); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func TestEventOverTheLimitIsTooLarge(t *testing.T) {
	p := prepared(t, deposited{"alice", 21})
	for _, limit := range []int{p.Size(), p.Size() + 1, 0, -1} {
		if _, err := messages.Prepare(deposited{"alice", 21}, limit); err != nil {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	_, err := messages.Prepare(deposited{"alice", 21}, p.Size()-1)
	var large *messages.TooLargeError
	if !errors.As(err, &large) || !errors.Is(err, messages.ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
	if *large != (messages.TooLargeError{What: "event", Size: p.Size(), Limit: p.Size() - 1}) {
		t.Errorf("got %+v", large)
	}
}

// A change of this test is a change of the stored format.
func TestDigestNeverChanges(t *testing.T) {
	full := messages.Prepared{
		Type:     messages.Type{Module: "wallet", Kind: "deposited", Persistence: messages.Trimmable, Version: 3},
		Codec:    "json",
		Instance: 7,
		Time:     time.Date(2018, 2, 7, 12, 0, 0, 1, time.UTC), Correlation: "order-1",
		Headers: map[string]string{"b": "2", "a": "1"},
		Payload: []byte(`{"Sats":21}`),
	}
	zero := messages.Prepared{}
	for _, test := range []struct {
		name string
		got  [16]byte
		want string
	}{
		{"full", full.Digest(), "b26a2831d86078ba551c8f94a1bc20ab"},
		{"zero", zero.Digest(), "374708fff7719dd5979ec875d56cd228"},
		{"both", messages.DigestAll([]messages.Prepared{full, zero}), "a50dd6b681be409c6cc42ce28994d649"},
	} {
		if got := hex.EncodeToString(test.got[:]); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestDigestSeesEveryFieldButTheCause(t *testing.T) {
	base := messages.Prepared{
		Type: messages.Type{Module: "ab", Kind: "c"}, Codec: "d", Correlation: "e",
		Headers: map[string]string{"k": "v"}, Payload: []byte("p"),
	}
	seen := map[[16]byte]string{base.Digest(): "base"}
	for name, change := range map[string]func(*messages.Prepared){
		"boundary":       func(p *messages.Prepared) { p.Type.Module, p.Type.Kind = "a", "bc" },
		"codec":          func(p *messages.Prepared) { p.Codec = "D" },
		"persistence":    func(p *messages.Prepared) { p.Type.Persistence = messages.Trimmable },
		"version":        func(p *messages.Prepared) { p.Type.Version = 1 },
		"instance":       func(p *messages.Prepared) { p.Instance = 1 },
		"time":           func(p *messages.Prepared) { p.Time = time.Unix(0, 0) },
		"nanosecond":     func(p *messages.Prepared) { p.Time = time.Unix(0, 1) },
		"second":         func(p *messages.Prepared) { p.Time = time.Unix(1, 0) },
		"correlation":    func(p *messages.Prepared) { p.Correlation = "" },
		"header value":   func(p *messages.Prepared) { p.Headers = map[string]string{"k": "w"} },
		"header key":     func(p *messages.Prepared) { p.Headers = map[string]string{"kv": ""} },
		"no header":      func(p *messages.Prepared) { p.Headers = nil },
		"second header":  func(p *messages.Prepared) { p.Headers = map[string]string{"k": "v", "l": ""} },
		"payload":        func(p *messages.Prepared) { p.Payload = []byte("q") },
		"empty payload":  func(p *messages.Prepared) { p.Payload = nil },
		"longer payload": func(p *messages.Prepared) { p.Payload = []byte("pp") },
	} {
		changed := base
		change(&changed)
		digest := changed.Digest()
		if other, same := seen[digest]; same {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[digest] = name
	}
	caused := base
	caused.Cause = messages.Cause{ID: 1, TrimmableID: 2}
	if caused.Digest() != base.Digest() {
		t.Error("the cause is in the digest")
	}
}

func TestDigestIsTheSameForTheSameContentOnly(t *testing.T) {
	generator := rapid.Custom(func(t *rapid.T) messages.Prepared {
		short := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00")), 0, 2, -1)
		return messages.Prepared{
			Type:        messages.Type{Module: short.Draw(t, "module"), Kind: short.Draw(t, "kind")},
			Codec:       short.Draw(t, "codec"),
			Correlation: short.Draw(t, "correlation"),
			Headers:     rapid.MapOfN(short, short, 0, 3).Draw(t, "headers"),
			Payload:     []byte(short.Draw(t, "payload")),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := generator.Draw(t, "a"), generator.Draw(t, "b")
		same := a.Type == b.Type && a.Codec == b.Codec && a.Correlation == b.Correlation &&
			maps.Equal(a.Headers, b.Headers) && string(a.Payload) == string(b.Payload)
		if (a.Digest() == b.Digest()) != same {
			t.Fatalf("same content: %v, digests %x %x", same, a.Digest(), b.Digest())
		}
	})
}

func TestDigestAllSeesOrderAndNumberOfEvents(t *testing.T) {
	a, b := prepared(t, deposited{"a", 1}), prepared(t, deposited{"b", 2})
	seen := make(map[[16]byte]bool)
	appends := [][]messages.Prepared{nil, {a}, {b}, {a, b}, {b, a}, {a, a}, {a, a, a}}
	for _, events := range appends {
		seen[messages.DigestAll(events)] = true
	}
	if len(seen) != len(appends) {
		t.Errorf("%d digests for %d appends", len(seen), len(appends))
	}
}

// An event with an embedded time.Time inherits its MarshalJSON: the trap that
// the comment of Event warns of.
func TestEventEmbeddingTimeLosesItsFieldsInJSON(t *testing.T) {
	at := time.Date(2018, 2, 7, 12, 0, 0, 0, time.UTC)
	p := prepared(t, embedsTime{Time: at, Who: "alice"})
	if got, want := string(p.Payload), `"2018-02-07T12:00:00Z"`; got != want {
		t.Errorf("got %s, want %s: the warning can go", got, want)
	}
	p = prepared(t, namesTime{At: at, Who: "alice"})
	if !strings.Contains(string(p.Payload), "alice") {
		t.Errorf("a named field loses fields too: %s", p.Payload)
	}
}

type (
	unencodable    struct{ F func() }
	panicsEncoding struct{}
	embedsTime     struct {
		time.Time
		Who string
	}
	namesTime struct {
		At  time.Time
		Who string
	}
)

var errNoInk = errors.New("no ink")

func (unencodable) EventType() messages.Type        { return messages.Type{Kind: "unencodable"} }
func (panicsEncoding) EventType() messages.Type     { return messages.Type{Kind: "panics-encoding"} }
func (panicsEncoding) MarshalJSON() ([]byte, error) { panic(errNoInk) }
func (embedsTime) EventType() messages.Type         { return messages.Type{Kind: "embeds-time"} }
func (namesTime) EventType() messages.Type          { return messages.Type{Kind: "names-time"} }

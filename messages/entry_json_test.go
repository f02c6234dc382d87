package messages_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/retinue-go/retinue/messages"
	"pgregory.net/rapid"
)

var full = messages.Entry{
	Log: messages.TrimmableLog, ID: 3, TrimmableID: 5,
	Type:     messages.Type{Module: "wallet", Kind: "deposited", Version: 2},
	Instance: 7, Codec: "json",
	Time:        time.Date(2018, 2, 7, 12, 0, 0, 123456789, time.UTC),
	Ordered:     time.Date(2018, 2, 7, 12, 0, 1, 0, time.UTC),
	Correlation: "order-1",
	Cause:       messages.Cause{ID: 1, TrimmableID: 2},
	Headers:     map[string]string{"b": "2", "a": "1"},
	Payload:     []byte(`{"Sats":21}`),
}

const fullJSON = `{"log":"trimmable","id":3,"trimmable_id":5,"module":"wallet","kind":"deposited","version":2,"instance":7,` +
	`"persistence":"persistent","time":"2018-02-07T12:00:00.123456789Z","ordered":"2018-02-07T12:00:01Z",` +
	`"meta":{"correlation":"order-1","cause":{"id":1,"trimmable_id":2},"headers":{"a":"1","b":"2"}},"payload":{"Sats":21}}`

func TestEntryInJSONIsThisText(t *testing.T) {
	small := messages.Entry{
		Log: messages.TrimmableLog, TrimmableID: 5, Type: messages.Type{Kind: "k", Persistence: messages.Trimmable},
		Codec: "raw", Time: full.Time, Ordered: full.Ordered, Payload: []byte("\x00\xff"),
	}
	for _, test := range []struct {
		entry messages.Entry
		want  string
	}{
		{full, fullJSON},
		{small, `{"log":"trimmable","trimmable_id":5,"module":"","kind":"k","version":0,"instance":0,` +
			`"persistence":"trimmable","time":"2018-02-07T12:00:00.123456789Z","ordered":"2018-02-07T12:00:01Z",` +
			`"codec":"raw","payload":"AP8=","payload_encoding":"base64"}`},
	} {
		got, err := json.Marshal(test.entry)
		if err != nil || string(got) != test.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
		}
		var again messages.Entry
		if err := json.Unmarshal(got, &again); err != nil || !reflect.DeepEqual(again, test.entry) {
			t.Errorf("got  %+v, %v\nwant %+v", again, err, test.entry)
		}
	}
}

func TestTimesInJSONAreUTC(t *testing.T) {
	e := full
	e.Time = e.Time.In(time.FixedZone("", 3600))
	if got, err := json.Marshal(e); err != nil || string(got) != fullJSON {
		t.Errorf("got %s, %v", got, err)
	}
	elsewhere := strings.Replace(fullJSON, "T12:00:01Z", "T13:00:01+01:00", 1)
	var read messages.Entry
	if err := json.Unmarshal([]byte(elsewhere), &read); err != nil || read.Ordered != full.Ordered {
		t.Errorf("got %v, %v", read.Ordered, err)
	}
}

func TestCauseAndMetaLeaveOutWhatIsEmpty(t *testing.T) {
	for _, test := range []struct {
		change func(*messages.Entry)
		want   string
	}{
		{func(*messages.Entry) {}, ""},
		{func(e *messages.Entry) { e.Headers = map[string]string{} }, ""},
		{func(e *messages.Entry) { e.Correlation = "c" }, `"meta":{"correlation":"c"},`},
		{func(e *messages.Entry) { e.Cause.TrimmableID = 4 }, `"meta":{"cause":{"trimmable_id":4}},`},
		{func(e *messages.Entry) { e.Cause.ID = 4 }, `"meta":{"cause":{"id":4}},`},
		{func(e *messages.Entry) { e.Headers = map[string]string{"k": ""} }, `"meta":{"headers":{"k":""}},`},
	} {
		e := full
		e.Correlation, e.Cause, e.Headers = "", messages.Cause{}, nil
		test.change(&e)
		got, err := json.Marshal(e)
		if want := `"ordered":"2018-02-07T12:00:01Z",` + test.want + `"payload"`; err != nil || !strings.Contains(string(got), want) {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

func TestPayloadIsInlineOnlyWhereItKeepsItsBytes(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, test := range []struct {
		payload string
		inline  bool
	}{
		{`{"a":[1,"x",null,true]}`, true},
		{`null`, true},
		{`""`, true},
		{`1e400`, true},
		{`"\u003c"`, true},
		{`{"a":1,"a":2}`, true},
		{`"]]]]\"["`, true},
		{nested(1000), true},
		{nested(1001), false},
		{nested(10000), false},
		{`["` + strings.Repeat(`[`, 2000) + `"]`, true},
		{``, false},
		{` 1`, false},
		{"1\n", false},
		{`{"a": 1}`, false},
		{`"<"`, false},
		{"\"\u2028\"", false},
		{"\"\xff\"", false},
		{`1],[2`, false},
		{`1,"id":2`, false},
		{`{`, false},
	} {
		e := full
		e.Payload = []byte(test.payload)
		got, err := json.Marshal(e)
		if err != nil {
			t.Errorf("%.40q: %v", test.payload, err)
			continue
		}
		want := `"payload":"` + base64.StdEncoding.EncodeToString(e.Payload) + `","payload_encoding":"base64"}`
		if test.inline {
			want = `"payload":` + test.payload + `}`
		}
		if !strings.HasSuffix(string(got), want) {
			t.Errorf("%.40q: inline must be %v, got %.400s", test.payload, test.inline, got)
		}
		var again messages.Entry
		if err := json.Unmarshal(got, &again); err != nil || string(again.Payload) != test.payload {
			t.Errorf("%.40q: read back as %.40q, %v", test.payload, again.Payload, err)
		}
	}
}

// Trap 18: the JSON form gives back the same bytes, whoever encoded it.
func TestEntryReadsBackTheSameFromAnyJSONEncoder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEntry(t)
		indent := rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent")
		for name, encode := range map[string]func(any) ([]byte, error){
			"Marshal":       json.Marshal,
			"MarshalIndent": func(v any) ([]byte, error) { return json.MarshalIndent(v, indent, indent) },
			"Encoder":       encodePlain,
		} {
			data, err := encode([]messages.Entry{want})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var got []messages.Entry
			if err := json.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(got[0], want) {
				t.Fatalf("%s: %v\n got %+v\nwant %+v\n via %s", name, err, got, want, data)
			}
		}
	})
}

func encodePlain(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// drawEntry draws what a log can hold: any names, times and bytes, with the
// ids that its log and persistence demand.
func drawEntry(t *rapid.T) messages.Entry {
	text := rapid.String()
	id := rapid.Uint64Min(1)
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).Unix()
		return time.Unix(rapid.Int64Range(first, last).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
	e := messages.Entry{
		Log: rapid.SampledFrom([]messages.Log{messages.Permanent, messages.TrimmableLog}).Draw(t, "log"),
		Type: messages.Type{
			Module: text.Draw(t, "module"), Kind: rapid.StringN(1, -1, -1).Draw(t, "kind"),
			Version: rapid.Uint32().Draw(t, "version"),
		},
		Instance:    rapid.Uint32().Draw(t, "instance"),
		Codec:       rapid.OneOf(rapid.Just("json"), rapid.Just("raw"), text).Draw(t, "codec"),
		Time:        instant.Draw(t, "time"),
		Ordered:     instant.Draw(t, "ordered"),
		Correlation: text.Draw(t, "correlation"),
		Cause: messages.Cause{
			ID:          messages.EventID(rapid.Uint64().Draw(t, "cause")),
			TrimmableID: messages.TrimmableID(rapid.Uint64().Draw(t, "trimmable cause")),
		},
		Payload: drawPayload(t),
	}
	if e.Log == messages.TrimmableLog {
		e.Type.Persistence = rapid.SampledFrom([]messages.Persistence{messages.Persistent, messages.Trimmable, messages.Transient}).Draw(t, "persistence")
	}
	if e.Type.Persistence == messages.Persistent {
		e.ID = messages.EventID(id.Draw(t, "id"))
	}
	if e.Type.Persistence != messages.Transient {
		e.TrimmableID = messages.TrimmableID(id.Draw(t, "trimmable id"))
	}
	if headers := rapid.MapOf(text, text).Draw(t, "headers"); len(headers) > 0 {
		e.Headers = headers
	}
	return e
}

func drawPayload(t *rapid.T) []byte {
	value := rapid.Custom(func(t *rapid.T) []byte {
		plain, err := encodePlain(map[string]any{
			rapid.String().Draw(t, "key"): rapid.SliceOf(rapid.String()).Draw(t, "value"),
			"n":                           rapid.Float64().Draw(t, "n"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return bytes.TrimSuffix(plain, []byte("\n"))
	})
	escaped := rapid.Map(value, func(plain []byte) []byte {
		data, _ := json.Marshal(json.RawMessage(plain))
		return data
	})
	words := rapid.Map(rapid.SliceOf(rapid.SampledFrom([]string{"{", "}", "[", "]", `"`, `\`, ",", ":", "0", "null", " ", "<", "\xff"})),
		func(words []string) []byte { return []byte(strings.Join(words, "")) })
	anything := rapid.SliceOf(rapid.Byte())
	payload := rapid.OneOf(value, escaped, words, anything).Draw(t, "payload")
	return append([]byte{}, payload...)
}

func TestUnmarshalRefusesJSONThatIsNoEntry(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(fullJSON, old) {
			t.Fatalf("%q is not in the text", old)
		}
		return strings.Replace(fullJSON, old, new, 1)
	}
	for name, text := range map[string]string{
		"null":                    `null`,
		"array":                   `[]`,
		"unknown field":           replace(`{"log"`, `{"extra":1,"log"`),
		"field in capitals":       replace(`"kind"`, `"Kind"`),
		"repeated field":          replace(`"module"`, `"kind":"deposited","module"`),
		"no log":                  replace(`"log":"trimmable",`, ``),
		"no trimmable id":         replace(`"trimmable_id":5,`, ``),
		"no module":               replace(`"module":"wallet",`, ``),
		"no kind":                 replace(`"kind":"deposited",`, ``),
		"no payload":              replace(`,"payload":{"Sats":21}`, ``),
		"empty kind":              replace(`"deposited"`, `""`),
		"null kind":               replace(`"deposited"`, `null`),
		"null version":            replace(`"version":2`, `"version":null`),
		"negative version":        replace(`"version":2`, `"version":-2`),
		"unknown log":             replace(`"log":"trimmable"`, `"log":"eternal"`),
		"log as number":           replace(`"log":"trimmable"`, `"log":1`),
		"unknown persistence":     replace(`"persistent"`, `"eternal"`),
		"permanent without id":    strings.Replace(replace(`"id":3,`, ``), `"log":"trimmable"`, `"log":"permanent"`, 1),
		"trimmable id 0":          replace(`"trimmable_id":5`, `"trimmable_id":0`),
		"time that is none":       replace(`2018-02-07T12:00:01Z`, `yesterday`),
		"year 0":                  replace(`2018-02-07T12:00:01Z`, `0000-02-07T12:00:01Z`),
		"year 10000 in UTC":       replace(`2018-02-07T12:00:01Z`, `9999-12-31T23:00:00-02:00`),
		"null meta":               strings.Replace(fullJSON, fullJSON[strings.Index(fullJSON, `{"corr`):strings.Index(fullJSON, `,"payload"`)], `null`, 1),
		"unknown field in meta":   replace(`"correlation"`, `"x":1,"correlation"`),
		"unknown field in cause":  replace(`"cause":{`, `"cause":{"x":1,`),
		"repeated field in cause": replace(`"cause":{`, `"cause":{"id":1,`),
		"repeated header":         replace(`"headers":{`, `"headers":{"b":"2",`),
		"header that is no text":  replace(`"a":"1"`, `"a":1`),
		"null header":             replace(`"a":"1"`, `"a":null`),
		"null headers":            replace(`{"a":"1","b":"2"}`, `null`),
		"unknown encoding":        replace(`{"Sats":21}`, `"00","payload_encoding":"hex"`),
		"base64 that is none":     replace(`{"Sats":21}`, `"!","payload_encoding":"base64"`),
		"base64 of an object":     replace(`{"Sats":21}`, `{"Sats":21},"payload_encoding":"base64"`),
		"null base64":             replace(`{"Sats":21}`, `null,"payload_encoding":"base64"`),
	} {
		t.Run(name, func(t *testing.T) {
			e := messages.Entry{ID: 99}
			wantInvalid(t, json.Unmarshal([]byte(text), &e), "entry in JSON")
			if !reflect.DeepEqual(e, messages.Entry{ID: 99}) {
				t.Errorf("the entry changed: %+v", e)
			}
		})
	}
}

func TestBadIDInJSONIsTheCause(t *testing.T) {
	for _, id := range []string{`"three"`, `-3`, `3.0`, `3e0`, `18446744073709551616`, `true`} {
		var e messages.Entry
		err := json.Unmarshal([]byte(strings.Replace(fullJSON, `"id":3`, `"id":`+id, 1)), &e)
		if !errors.Is(err, messages.ErrBadID) || !errors.Is(err, messages.ErrInvalid) {
			t.Errorf("id %s: %v", id, err)
		}
	}
}

func TestUnmarshalJSONSurvivesBrokenText(t *testing.T) {
	for i := range len(fullJSON) {
		var e messages.Entry
		if err := e.UnmarshalJSON([]byte(fullJSON[:i])); err == nil {
			t.Errorf("took %s", fullJSON[:i])
		}
	}
}

func TestMarshalRefusesEnumsThatHaveNoName(t *testing.T) {
	log, persistence := full, full
	log.Log, persistence.Type.Persistence = 2, 3
	for _, e := range []messages.Entry{log, persistence} {
		if got, err := json.Marshal(e); !errors.Is(err, messages.ErrInvalid) {
			t.Errorf("%s, %v", got, err)
		}
	}
}

func FuzzEntryJSON(f *testing.F) {
	f.Add([]byte(fullJSON))
	f.Add([]byte(strings.Replace(fullJSON, `{"Sats":21}`, `"AP8=","payload_encoding":"base64","codec":"raw"`, 1)))
	f.Add([]byte(strings.Replace(fullJSON, `{"Sats":21}`, "\"<\xff\"", 1)))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second messages.Entry
		if json.Unmarshal(data, &first) != nil {
			return
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		if err := json.Unmarshal(again, &second); err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, second, first)
		}
	})
}

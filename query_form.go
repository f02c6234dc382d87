package retinue

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// Values returns q as the parameters of a URL, which [ParseQuery] reads back:
//
//	log from to since until module kind type instance correlation
//	happened_since happened_until reverse limit
//
// from and to are ids, times are RFC 3339, a type is module/kind, both escaped
// as in a path. What stands for nothing is left out, and so is Stats. Errors:
// [messages.ErrNotInLog] for a bound of the other log.
func (q Query) Values() (url.Values, error) {
	v := url.Values{}
	if q.Log != messages.Permanent {
		v.Set("log", q.Log.String())
	}
	if q.From != nil {
		first, _, err := messages.Span(q.From, q.Log)
		if err != nil {
			return nil, err
		}
		v.Set("from", strconv.FormatUint(first, 10))
	}
	if q.To != nil {
		first, last, err := messages.Span(q.To, q.Log)
		if err != nil {
			return nil, err
		}
		if last != first || isReceipt(q.To) {
			last++
		}
		v.Set("to", strconv.FormatUint(last, 10))
	}
	for name, t := range map[string]time.Time{
		"since": q.Since, "until": q.Until,
		"happened_since": q.Filter.HappenedSince, "happened_until": q.Filter.HappenedUntil,
	} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	v["module"], v["kind"], v["correlation"] = q.Filter.Modules, q.Filter.Kinds, q.Filter.Correlations
	for _, t := range q.Filter.Types {
		v.Add("type", url.PathEscape(t.Module)+"/"+url.PathEscape(t.Kind))
	}
	for _, n := range q.Filter.Instances {
		v.Add("instance", strconv.FormatUint(uint64(n), 10))
	}
	if q.Reverse {
		v.Set("reverse", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v, nil
}

// repeatable are the parameters of a query that may come more than once.
var repeatable = []string{"module", "kind", "type", "instance", "correlation"}

// ParseQuery reads what [Query.Values] returns. Errors: [messages.InvalidError]
// for a parameter that is unknown, repeated or malformed.
func ParseQuery(v url.Values) (Query, error) {
	var q Query
	for _, name := range sortedNames(v) {
		values := v[name]
		if len(values) == 0 {
			continue
		}
		if len(values) > 1 && !slices.Contains(repeatable, name) {
			return Query{}, messages.Invalid("query", "%s is given %d times", name, len(values))
		}
		for _, value := range values {
			if err := q.set(name, value); err != nil {
				return Query{}, &messages.InvalidError{What: "query", Why: name + " " + strconv.Quote(value), Cause: err}
			}
		}
	}
	return q, nil
}

// sortedNames puts the log first, which says what an id means.
func sortedNames(v url.Values) []string {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == "log") != (b == "log") {
			return map[bool]int{true: -1, false: 1}[a == "log"]
		}
		return strings.Compare(a, b)
	})
	return names
}

func (q *Query) set(name, value string) (err error) {
	switch name {
	case "log":
		return q.Log.UnmarshalText([]byte(value))
	case "from":
		q.From, err = parsePosition(q.Log, value)
	case "to":
		q.To, err = parsePosition(q.Log, value)
	case "since":
		q.Since, err = time.Parse(time.RFC3339Nano, value)
	case "until":
		q.Until, err = time.Parse(time.RFC3339Nano, value)
	case "happened_since":
		q.Filter.HappenedSince, err = time.Parse(time.RFC3339Nano, value)
	case "happened_until":
		q.Filter.HappenedUntil, err = time.Parse(time.RFC3339Nano, value)
	case "correlation":
		q.Filter.Correlations = append(q.Filter.Correlations, value)
	case "module":
		q.Filter.Modules = append(q.Filter.Modules, value)
	case "kind":
		q.Filter.Kinds = append(q.Filter.Kinds, value)
	case "type":
		var t messages.Type
		t, err = parseType(value)
		q.Filter.Types = append(q.Filter.Types, t)
	case "instance":
		var n uint64
		n, err = strconv.ParseUint(value, 10, 32)
		q.Filter.Instances = append(q.Filter.Instances, uint32(n))
	case "reverse":
		q.Reverse, err = strconv.ParseBool(value)
	case "limit":
		if q.Limit, err = strconv.Atoi(value); err == nil && q.Limit < 0 {
			err = messages.Invalid("limit", "%d is below 0", q.Limit)
		}
	default:
		err = messages.Invalid("parameter", "there is none of this name")
	}
	return err
}

func parsePosition(log messages.Log, id string) (messages.Position, error) {
	if log == messages.Permanent {
		return messages.ParseEventID(id)
	}
	return messages.ParseTrimmableID(id)
}

func parseType(text string) (t messages.Type, err error) {
	module, kind, found := strings.Cut(text, "/")
	if !found {
		module, kind = "", text
	}
	if t.Module, err = url.PathUnescape(module); err == nil {
		t.Kind, err = url.PathUnescape(kind)
	}
	return t, err
}

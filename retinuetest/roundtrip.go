package retinuetest

import (
	"fmt"
	"math"
	"reflect"

	"github.com/retinue-go/retinue/messages"
)

// RoundTrip encodes an event and decodes it again, as the log does, fails the
// test unless it comes back whole, and returns what came back. It finds what
// compiles and loses data: an embedded time.Time, whose JSON method becomes
// the event's own and leaves out all other fields; fields that are not
// exported, or tagged away; a codec that forgets one.
//
// Nil and empty slices and maps are the same here, so are NaNs; values of a
// type with a method Equal(T) bool are what that says. Give an event with all
// its fields set: one that is zero anyway is not missed.
func RoundTrip[E messages.Event](t TB, event E) E {
	t.Helper()
	p, err := messages.Prepare(event, 0)
	if err != nil {
		t.Fatalf("round trip of %T: %v", event, err)
	}
	back, err := messages.Decode[E](entryOf(p))
	if err != nil {
		t.Fatalf("round trip of %T: %v; its payload is %s", event, err, short(p.Payload))
	}
	where, got, want := difference("", reflect.ValueOf(&back).Elem(), reflect.ValueOf(&event).Elem(), 0)
	if where != "" {
		t.Errorf("round trip of %T: %s is %s, was %s; its payload is %s%s",
			event, where[1:], got, want, short(p.Payload), promoted(reflect.TypeFor[E]()))
	}
	return back
}

// promoted warns of the embedded field whose method an event's JSON is.
func promoted(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return ""
	}
	for f := range t.Fields() {
		_, method := reflect.PointerTo(f.Type).MethodByName("MarshalJSON")
		if f.Anonymous && method && t.NumField() > 1 {
			return fmt.Sprintf("; %v is embedded and encodes in place of the whole event: give the field a name", f.Type)
		}
	}
	return ""
}

// deepest is how far difference follows pointers that may run in a circle.
const deepest = 100

// difference finds the first place at which two values of one type differ, ""
// where they do not.
func difference(at string, got, want reflect.Value, depth int) (where, g, w string) {
	differ := func() (string, string, string) { return root(at), show(got), show(want) }
	if depth > deepest {
		return "", "", ""
	}
	if equal, ok := byMethod(got, want); ok {
		if equal {
			return "", "", ""
		}
		return differ()
	}
	switch got.Kind() {
	case reflect.Struct:
		for i := range got.NumField() {
			if where, g, w := difference(at+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i), depth+1); where != "" {
				return where, g, w
			}
		}
		return "", "", ""
	case reflect.Pointer, reflect.Interface:
		if got.IsNil() || want.IsNil() {
			break
		}
		if g, w := got.Elem(), want.Elem(); g.Type() != w.Type() {
			return root(at), fmt.Sprintf("%s (%v)", show(g), g.Type()), fmt.Sprintf("%s (%v)", show(w), w.Type())
		}
		return difference(at, got.Elem(), want.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		if got.Len() != want.Len() {
			return differ()
		}
		for i := range got.Len() {
			if where, g, w := difference(fmt.Sprintf("%s[%d]", root(at), i), got.Index(i), want.Index(i), depth+1); where != "" {
				return where, g, w
			}
		}
		return "", "", ""
	case reflect.Map:
		if got.Len() != want.Len() {
			return differ()
		}
		for _, key := range want.MapKeys() {
			if !got.MapIndex(key).IsValid() {
				return differ()
			}
			if where, g, w := difference(fmt.Sprintf("%s[%v]", root(at), key), got.MapIndex(key), want.MapIndex(key), depth+1); where != "" {
				return where, g, w
			}
		}
		return "", "", ""
	}
	if !same(got, want) {
		return differ()
	}
	return "", "", ""
}

// root names the place: ".value" for the event as a whole.
func root(at string) string {
	if at == "" {
		return ".value"
	}
	return at
}

// byMethod asks a method Equal, where the type has one that can be called.
func byMethod(got, want reflect.Value) (equal, ok bool) {
	if !got.CanInterface() || got.Kind() == reflect.Interface || got.Kind() == reflect.Pointer && (got.IsNil() || want.IsNil()) {
		return false, false
	}
	m := got.MethodByName("Equal")
	if !m.IsValid() || m.Type().NumIn() != 1 || m.Type().In(0) != got.Type() ||
		m.Type().NumOut() != 1 || m.Type().Out(0).Kind() != reflect.Bool {
		return false, false
	}
	return m.Call([]reflect.Value{want})[0].Bool(), true
}

// same compares what has no parts.
func same(got, want reflect.Value) bool {
	switch got.Kind() {
	case reflect.Float32, reflect.Float64:
		return got.Float() == want.Float() || math.IsNaN(got.Float()) && math.IsNaN(want.Float())
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Pointer, reflect.Interface:
		return got.IsZero() == want.IsZero()
	}
	return got.Equal(want)
}

func show(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprintf("%+v", v)
}

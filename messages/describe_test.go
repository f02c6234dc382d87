package messages_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestDescribeTellsTypeAndCodec(t *testing.T) {
	b := blob("b")
	for _, test := range []struct {
		event messages.Event
		kind  string
		codec messages.Codec
	}{
		{deposited{}, "deposited", messages.JSON},
		{&deposited{}, "deposited", messages.JSON},
		{b, "blob", messages.Raw},
		{&b, "blob", messages.Raw},
		{blob(nil), "blob", messages.Raw},
		{messages.Draft{Event: deposited{}}, "deposited", messages.JSON},
		{&messages.Draft{Event: b}, "blob", messages.Raw},
	} {
		d, err := messages.Describe(test.event)
		if err != nil || d.Type.Kind != test.kind || d.Codec != test.codec {
			t.Errorf("%T: %+v, %v", test.event, d, err)
		}
	}
}

func TestDescribeOfTellsWhatDescribeTells(t *testing.T) {
	byType, err := messages.DescribeOf[*deposited]()
	if err != nil {
		t.Fatal(err)
	}
	byValue, err := messages.Describe(&deposited{})
	if err != nil || byType != byValue {
		t.Errorf("%+v and %+v, %v", byType, byValue, err)
	}
}

func TestDescribeRefusesWhatIsNoEvent(t *testing.T) {
	var nilPointer *deposited
	var nilDraft *messages.Draft
	for name, event := range map[string]messages.Event{
		"nil":                       nil,
		"nil pointer":               nilPointer,
		"nil draft":                 nilDraft,
		"draft without event":       messages.Draft{},
		"draft pointer, no event":   &messages.Draft{},
		"draft of nil pointer":      messages.Draft{Event: nilPointer},
		"draft in a draft":          messages.Draft{Event: messages.Draft{Event: deposited{}}},
		"draft pointer in a draft":  messages.Draft{Event: &messages.Draft{Event: deposited{}}},
		"draft in a draft pointer":  &messages.Draft{Event: messages.Draft{Event: deposited{}}},
		"nil draft in a draft":      messages.Draft{Event: nilDraft},
		"other kind than fresh":     declared{Kind: "other"},
		"other version than fresh":  declared{Version: 1},
		"other persistence":         declared{Persistence: messages.Trimmable},
		"value whose method panics": panicsOnValue{1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := messages.Describe(event)
			wantInvalid(t, err, "event")
		})
	}
}

func TestDescribeSaysHowValueAndFreshValueDiffer(t *testing.T) {
	_, err := messages.Describe(declared{Version: 7})
	why := wantInvalid(t, err, "event").Why
	if !strings.Contains(why, "version 7") || !strings.Contains(why, "version 0") {
		t.Errorf("got %q", why)
	}
}

func TestDescribeOfRefusesTypesThatCannotBeStored(t *testing.T) {
	for name, describe := range map[string]func() (messages.Description, error){
		"interface":                 messages.DescribeOf[messages.Event],
		"draft":                     messages.DescribeOf[messages.Draft],
		"draft pointer":             messages.DescribeOf[*messages.Draft],
		"embedded interface":        messages.DescribeOf[embedsEvent],
		"empty kind":                messages.DescribeOf[emptyKind],
		"long kind":                 messages.DescribeOf[longKind],
		"long module":               messages.DescribeOf[longModule],
		"kind not UTF-8":            messages.DescribeOf[badKind],
		"module not UTF-8":          messages.DescribeOf[badModule],
		"unknown persistence":       messages.DescribeOf[badPersistence],
		"no codec":                  messages.DescribeOf[noCodec],
		"nameless codec":            messages.DescribeOf[namelessCodec],
		"codec name too long":       messages.DescribeOf[longCodec],
		"codec name not UTF-8":      messages.DescribeOf[badCodec],
		"EventType that panics":     messages.DescribeOf[panicsWhenFresh],
		"EventCodec that panics":    messages.DescribeOf[panicsForCodec],
		"EventCodec on the pointer": messages.DescribeOf[pointerCoder],
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				_, err := describe()
				wantInvalid(t, err, "event type")
			}
		})
	}
}

func TestNamesOfMaxNameBytesAreTaken(t *testing.T) {
	d, err := messages.DescribeOf[longestNames]()
	if err != nil || len(d.Type.Kind) != messages.MaxName || len(d.Type.Module) != messages.MaxName {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestPanicOfEventTypeIsTheCause(t *testing.T) {
	_, err := messages.DescribeOf[panicsWhenFresh]()
	var panicked *messages.PanicError
	if !errors.As(err, &panicked) || panicked.Value != "no table" {
		t.Errorf("got %v", err)
	}
}

func TestOneKindWithTwoPersistencesNamesBothGoTypes(t *testing.T) {
	if _, err := messages.DescribeOf[keptForEver](); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := messages.DescribeOf[keptForAWhile]()
		why := wantInvalid(t, err, "event type").Why
		for _, want := range []string{"keptForEver", "keptForAWhile", "persistent", "trimmable"} {
			if !strings.Contains(why, want) {
				t.Errorf("%q does not name %q", why, want)
			}
		}
	}
}

func TestSeveralGoTypesShareOneKindWithDifferentVersions(t *testing.T) {
	for _, describe := range []func() (messages.Description, error){
		messages.DescribeOf[keptForEver], messages.DescribeOf[*keptForEver], messages.DescribeOf[keptForEverV2],
	} {
		if _, err := describe(); err != nil {
			t.Error(err)
		}
	}
}

func TestDescribeAllocatesNothingForAKnownType(t *testing.T) {
	var event messages.Event = deposited{"alice", 21}
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := messages.Describe(event); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestDescribeIsSafeForConcurrentUse(t *testing.T) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := messages.DescribeOf[describedAtOnce](); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

type (
	embedsEvent     struct{ messages.Event }
	emptyKind       struct{}
	longKind        struct{}
	longModule      struct{}
	longestNames    struct{}
	badKind         struct{}
	badModule       struct{}
	badPersistence  struct{}
	noCodec         struct{}
	namelessCodec   struct{}
	longCodec       struct{}
	badCodec        struct{}
	panicsWhenFresh struct{}
	panicsOnValue   struct{ N int }
	panicsForCodec  struct{}
	pointerCoder    struct{}
	keptForEver     struct{}
	keptForEverV2   struct{}
	keptForAWhile   struct{}
	describedAtOnce struct{}
)

var long = strings.Repeat("k", messages.MaxName+1)

func (emptyKind) EventType() messages.Type  { return messages.Type{Module: "m"} }
func (longKind) EventType() messages.Type   { return messages.Type{Kind: long} }
func (longModule) EventType() messages.Type { return messages.Type{Module: long, Kind: "k"} }
func (longestNames) EventType() messages.Type {
	return messages.Type{Module: long[1:], Kind: long[1:]}
}
func (badKind) EventType() messages.Type   { return messages.Type{Kind: "\xff"} }
func (badModule) EventType() messages.Type { return messages.Type{Module: "\xff", Kind: "k"} }
func (badPersistence) EventType() messages.Type {
	return messages.Type{Kind: "k", Persistence: messages.Transient + 1}
}
func (noCodec) EventType() messages.Type         { return messages.Type{Kind: "k"} }
func (noCodec) EventCodec() messages.Codec       { return nil }
func (namelessCodec) EventType() messages.Type   { return messages.Type{Kind: "k"} }
func (namelessCodec) EventCodec() messages.Codec { return named("") }
func (longCodec) EventType() messages.Type       { return messages.Type{Kind: "k"} }
func (longCodec) EventCodec() messages.Codec     { return named(long) }
func (badCodec) EventType() messages.Type        { return messages.Type{Kind: "k"} }
func (badCodec) EventCodec() messages.Codec      { return named("\xff") }
func (panicsWhenFresh) EventType() messages.Type { panic("no table") }
func (p panicsOnValue) EventType() messages.Type {
	return messages.Type{Kind: []string{"k"}[p.N]}
}
func (panicsForCodec) EventType() messages.Type   { return messages.Type{Kind: "k"} }
func (panicsForCodec) EventCodec() messages.Codec { panic("no codec") }
func (pointerCoder) EventType() messages.Type     { return messages.Type{Kind: "k"} }
func (*pointerCoder) EventCodec() messages.Codec  { return messages.Raw }
func (keptForEver) EventType() messages.Type      { return messages.Type{Kind: "kept"} }
func (keptForEverV2) EventType() messages.Type    { return messages.Type{Kind: "kept", Version: 2} }
func (keptForAWhile) EventType() messages.Type {
	return messages.Type{Kind: "kept", Persistence: messages.Trimmable}
}
func (describedAtOnce) EventType() messages.Type { return messages.Type{Kind: "at-once"} }

// named is a codec that has nothing but a name.
type named string

func (n named) Name() string                           { return string(n) }
func (named) Append(dst []byte, _ any) ([]byte, error) { return dst, nil }
func (named) Decode([]byte, any) error                 { return nil }

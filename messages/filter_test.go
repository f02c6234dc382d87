package messages_test

import (
	"testing"
	"time"

	"github.com/retinue-go/retinue/messages"
)

func TestFilterMatchesAnyWithinAFieldAndAllBetween(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	entry := func(module, kind string, instance uint32) messages.Entry {
		return messages.Entry{Type: messages.Type{Module: module, Kind: kind}, Instance: instance, Time: noon, Correlation: "order 7"}
	}
	for _, test := range []struct {
		name   string
		filter messages.Filter
		entry  messages.Entry
		want   bool
	}{
		{"zero filter", messages.Filter{}, entry("m", "k", 1), true},
		{"module", messages.Filter{Modules: []string{"l", "m"}}, entry("m", "k", 1), true},
		{"other module", messages.Filter{Modules: []string{"l"}}, entry("m", "k", 1), false},
		{"kind in any module", messages.Filter{Kinds: []string{"k"}}, entry("m", "k", 1), true},
		{"other kind", messages.Filter{Kinds: []string{"j"}}, entry("m", "k", 1), false},
		{"type", messages.Filter{Types: []messages.Type{{Module: "m", Kind: "k"}}}, entry("m", "k", 1), true},
		{"type of another module", messages.Filter{Types: []messages.Type{{Module: "l", Kind: "k"}}}, entry("m", "k", 1), false},
		{"instance", messages.Filter{Instances: []uint32{0, 1}}, entry("m", "k", 1), true},
		{"other instance", messages.Filter{Instances: []uint32{0}}, entry("m", "k", 1), false},
		{"module but not kind", messages.Filter{Modules: []string{"m"}, Kinds: []string{"j"}}, entry("m", "k", 1), false},
		{"kind but not type", messages.Filter{Kinds: []string{"k"}, Types: []messages.Type{{Kind: "k"}}}, entry("m", "k", 1), false},
		{"correlation", messages.Filter{Correlations: []string{"", "order 7"}}, entry("m", "k", 1), true},
		{"other correlation", messages.Filter{Correlations: []string{"order"}}, entry("m", "k", 1), false},
		{"happened then", messages.Filter{HappenedSince: noon, HappenedUntil: noon.Add(1)}, entry("m", "k", 1), true},
		{"happened before", messages.Filter{HappenedSince: noon.Add(1)}, entry("m", "k", 1), false},
		{"happened after", messages.Filter{HappenedUntil: noon}, entry("m", "k", 1), false},
		{"all fields", messages.Filter{
			Modules: []string{"m"}, Kinds: []string{"k"}, Types: []messages.Type{{Module: "m", Kind: "k"}}, Instances: []uint32{1},
		}, entry("m", "k", 1), true},
	} {
		if got := test.filter.Match(test.entry); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
}

// Trap 18: the application's own events, which have no module, can be chosen.
func TestFilterSelectsEventsWithoutModule(t *testing.T) {
	own := messages.Entry{Type: messages.Type{Kind: "started"}}
	other := messages.Entry{Type: messages.Type{Module: "wallet", Kind: "started"}}
	for _, f := range []messages.Filter{
		{Modules: []string{""}},
		{Types: []messages.Type{{Kind: "started"}}},
	} {
		if !f.Match(own) || f.Match(other) {
			t.Errorf("%+v: own %v, other %v", f, f.Match(own), f.Match(other))
		}
	}
}

func TestFilterByTypeIgnoresPersistenceAndVersion(t *testing.T) {
	f := messages.Filter{Types: []messages.Type{{Kind: "k", Persistence: messages.Trimmable, Version: 2}}}
	if !f.Match(messages.Entry{Type: messages.Type{Kind: "k", Version: 1}}) {
		t.Error("an older version does not pass")
	}
}

func TestAllIsTrueForTheZeroFilterOnly(t *testing.T) {
	if !(messages.Filter{}).All() {
		t.Error("the zero filter chooses")
	}
	for _, f := range []messages.Filter{
		{Modules: []string{""}}, {Kinds: []string{"k"}}, {Types: []messages.Type{{}}}, {Instances: []uint32{0}},
		{Correlations: []string{""}}, {HappenedSince: time.Unix(0, 0)}, {HappenedUntil: time.Unix(0, 0)},
	} {
		if f.All() {
			t.Errorf("%+v passes everything", f)
		}
	}
}

func TestConditionsTellWhetherTheyAreOnTheHead(t *testing.T) {
	if !messages.HeadIs(1).OnHead() {
		t.Error("HeadIs is not on the head")
	}
	if messages.NoneSince(1, messages.Type{Kind: "k"}).OnHead() || messages.NoneSince(1).OnHead() {
		t.Error("NoneSince is on the head")
	}
}

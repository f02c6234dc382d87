package persistence

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// contents is all that a store says, in words that compare.
type contents struct {
	ID        string
	Opened    Opened
	Types     []typeName
	Permanent []json.RawMessage // the JSON form of the entries
	Trimmable []json.RawMessage
	Parked    map[string][]recordedParked
	State     map[string][]KeyValue
	Staged    []Staged
	Keys      map[string]*Appended
	Report    recordedReport
}

// The fixture's words are those of these types, whatever is told elsewhere.
type (
	recordedParked struct {
		ID          uint64
		Log         messages.Log
		Skipped     bool
		Error       string
		Attempts    int
		First, Last time.Time
		Key         string
		Entry       *messages.Entry
	}
	recordedReport struct {
		Permanent, Trimmable, Records uint64
		Problems                      []error
	}
)

func contentsOf(t *testing.T, s *Store) contents {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c := contents{
		ID: s.ID().String(), Opened: s.Opened(),
		Parked: map[string][]recordedParked{}, State: map[string][]KeyValue{}, Keys: map[string]*Appended{},
	}
	for n := range s.Types() {
		name, _ := s.types.name(uint32(n + 1))
		c.Types = append(c.Types, name)
	}
	c.Permanent = entriesOf(t, s, messages.Permanent, 1, uint64(c.Opened.Heads.Event))
	c.Trimmable = entriesOf(t, s, messages.TrimmableLog, uint64(c.Opened.Horizon), uint64(c.Opened.Heads.Trimmable))
	state := func(name string, state *State) {
		for kv, err := range state.Scan(nil) {
			must(err)
			c.State[name] = append(c.State[name], kv)
		}
	}
	state("the application", s.ApplicationState())
	for _, follower := range c.Opened.Cursors {
		state(follower.Name, s.FollowerState(follower.Number))
		for p, err := range s.ParkedEntries(follower.Number, 0) {
			must(err)
			c.Parked[follower.Name] = append(c.Parked[follower.Name], recordedParked(p))
		}
	}
	var err error
	c.Staged, err = s.StagedRecords(StagedID{}, 1<<20)
	must(err)
	for _, key := range []string{"a day", "\xffalways", "unknown"} {
		c.Keys[key], err = s.Key(c.Opened.Buckets, []byte(key), 0)
		must(err)
	}
	report, err := s.Verify(context.Background())
	c.Report = recordedReport(report)
	must(err)
	return c
}

func entriesOf(t *testing.T, s *Store, log messages.Log, from, to uint64) []json.RawMessage {
	t.Helper()
	var p Page
	if err := s.ReadPage(&p, PageQuery{Log: log, From: from, To: to}); err != nil {
		t.Fatal(err)
	}
	var all []json.RawMessage
	for i := range p.Entries {
		text, err := json.Marshal(p.Entries[i])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

// missing says what of want is not in got, which may say more: later releases
// know more of a store.
func missing(path string, want, got any) (all []string) {
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		for key, value := range want {
			all = append(all, missing(path+"."+key, value, got[key])...)
		}
	case []any:
		got, _ := got.([]any)
		if len(got) != len(want) {
			return []string{fmt.Sprintf("%s has %d elements, want %d", path, len(got), len(want))}
		}
		for i := range want {
			all = append(all, missing(fmt.Sprintf("%s[%d]", path, i), want[i], got[i])...)
		}
	default:
		if want != got {
			return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
		}
	}
	return all
}

// plain is JSON text as maps, slices and numbers of any size.
func plain(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The store in testdata was written by the first release of format 1, with
// every kind of record, and is never written again. What it says, this and
// every later release reads, before and after it has opened the store itself.
func TestAStoreOfFormat1OpensAndReadsForEver(t *testing.T) {
	text, err := os.ReadFile("testdata/format-1.json")
	if err != nil {
		t.Fatal(err)
	}
	want := plain(t, text)
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS("testdata/format-1")); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{true, false, false, true} {
		s, err := Open(Config{Dir: dir, ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(contentsOf(t, s))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range missing("store", want, plain(t, got)) {
			t.Errorf("read only %v: %s", readOnly, line)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

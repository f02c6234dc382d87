package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// reads are all verbs that read, with "STORE" for the store.
var reads = [][]string{
	{"log", "STORE"},
	{"log", "STORE", "--log", "trimmable", "--json"},
	{"log", "STORE", "--type", "pay/started", "--reverse", "--limit", "3"},
	{"show", "STORE", "2"},
	{"show", "STORE", "3", "--json"},
	{"show", "STORE", "1", "--log", "trimmable"},
	{"stats", "STORE"},
	{"stats", "STORE", "--json"},
	{"followers", "STORE"},
	{"followers", "STORE", "--json"},
	{"parked", "ls", "STORE"},
	{"parked", "ls", "STORE", "mail", "--json"},
	{"parked", "show", "STORE", "mail", "8"},
	{"parked", "replay", "STORE", "mail", "--all", "--preview"},
	{"trim", "STORE", "--preview"},
	{"verify", "STORE"},
	{"verify", "STORE", "--json"},
	{"export", "STORE"},
	{"join", "STORE", "--left", "pay/started", "--right", "pay/succeeded", "--failed", "pay/failed"},
	{"summary", "STORE"},
	{"summary", "STORE", "--type", "pay/started", "--value", "Sats"},
	{"summary", "STORE", "--type", "pay/succeeded", "--value", "Fee", "--unit", "ms", "--json"},
	{"summary", "STORE", "--left", "pay/started", "--right", "pay/succeeded", "--happened", "--json"},
	{"top", "STORE", "--once"},
	{"top", "STORE", "--once", "--json"},
}

func on(store string, args []string) []string {
	var with []string
	for _, a := range args {
		if a == "STORE" {
			a = store
		}
		with = append(with, a)
	}
	return with
}

func TestReadingChangesNothing(t *testing.T) {
	dir := shop(t)
	before := fingerprint(t, dir)
	for _, args := range reads {
		if out := must(t, on(dir, args)...); strings.Contains(out, "\x1b") {
			t.Errorf("%v: colours without a terminal", args)
		}
		if fingerprint(t, dir) != before {
			t.Fatalf("%v has changed the store", args)
		}
	}
}

func TestALiveStoreReadsLikeAClosedOne(t *testing.T) {
	dir, bus := liveShop(t)
	var live []string
	for _, args := range reads {
		live = append(live, must(t, on(dir, args)...))
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	for i, args := range reads {
		switch args[0] {
		case "stats", "followers", "top": // tell what runs
			continue
		}
		if closed := must(t, on(dir, args)...); closed != live[i] {
			t.Errorf("%v: live\n%s\nclosed\n%s", args, live[i], closed)
		}
	}
}

func TestLogChoosesEntries(t *testing.T) {
	dir := shop(t)
	for _, c := range []struct {
		args []string
		want string // ids
	}{
		{[]string{"--from", "31"}, "31 32 33"},
		{[]string{"--from", "4", "--to", "6"}, "4 5 6"},
		{[]string{"-n", "2"}, "1 2"},
		{[]string{"-n", "2", "-r"}, "33 32"},
		{[]string{"--type", "pay/failed"}, "14"},
		{[]string{"--kind", "failed", "--kind", "booked", "--to", "6"}, "3 6"},
		{[]string{"--module", "ledger", "--to", "9"}, "3 6 9"},
		{[]string{"--correlation", "p9", "--correlation", "p1"}, "1 2 24"},
		{[]string{"--instance", "1"}, ""},
		{[]string{"--since", "-1h", "--until", "now", "--to", "1"}, "1"},
		{[]string{"--until", "2026-01-01"}, ""},
		{[]string{"--happened-until", "2026-03-01 10:00"}, "1 2"},
		{[]string{"--log", "trimmable", "--type", "shop/seen", "-n", "2"}, "1 5"},
	} {
		var ids []string
		for line := range strings.Lines(must(t, append([]string{"log", dir}, c.args...)...)) {
			ids = append(ids, strings.Fields(line)[0])
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%v: %q, want %q", c.args, got, c.want)
		}
	}
}

func TestASummaryOfNothingSaysSo(t *testing.T) {
	run(t, "summary", shop(t), "--type", "no/such").wants(t, 0, "no entries\n")
}

func TestWhatIsNoNumberAndNoTimeIsLeftOutOfASummary(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop.db")
	bus := openShop(t, dir, nil, errBounced)
	if _, err := bus.Append(t.Context(), started{Sats: 7}, started{Sats: 1 << 63}, failed{Why: "NaN"}, failed{Why: "-Infinity"}, failed{Why: "3"}); err != nil {
		t.Fatal(err)
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, "summary", dir, "--type", "pay/started", "--value", "Sats", "--unit", "s").wants(t, 0, "count 1  min 7s", "1 entry has no Sats")
	run(t, "summary", dir, "--type", "pay/failed", "--value", "Why").wants(t, 0, "count 1  min 3", "2 entries have no Why")
	run(t, "summary", dir, "--type", "pay/failed", "--value", "Why", "--unit", "ms").wants(t, 0, "count 1  min 3ms", "2 entries have no Why")
}

func TestJSONOfALogIsThatOfItsEntries(t *testing.T) {
	n := 0
	for line := range strings.Lines(must(t, "log", shop(t), "--json")) {
		var e messages.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if n++; e.ID != messages.EventID(n) {
			t.Errorf("line %d has entry %d", n, e.ID)
		}
	}
	if n != 33 {
		t.Errorf("%d lines, want 33", n)
	}
}

func TestTopTellsInJSONWhatStatsDoes(t *testing.T) {
	dir, bus := liveShop(t)
	for _, store := range []string{dir, shop(t)} {
		rest(bus)
		var top, stats retinue.Status
		for into, args := range map[*retinue.Status][]string{&top: {"top", store, "--once", "--json"}, &stats: {"stats", store, "--json"}} {
			if err := json.Unmarshal([]byte(must(t, args...)), into); err != nil {
				t.Fatal(err)
			}
		}
		if top.Permanent.Head != 34 || !reflect.DeepEqual(top.Permanent, stats.Permanent) || !reflect.DeepEqual(top.Tree, stats.Tree) || len(top.Followers) != 3 {
			t.Errorf("%+v, want %+v", top, stats)
		}
	}
}

func TestShowTellsCausesAndEffects(t *testing.T) {
	dir := shop(t)
	run(t, "show", dir, "3").wants(t, 0, "ledger/booked", "caused by\n  2  pay/succeeded")
	run(t, "show", dir, "2").wants(t, 0, "traceparent: 00-", "led to\n  3  ledger/booked")
}

func TestWhatAStoreHoldsDoesNotCommandTheTerminal(t *testing.T) {
	dir := t.TempDir()
	bus, err := retinue.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	hostile := messages.Draft{Event: seen{"\x1b]0;owned\a"}, Correlation: "\x1b[2J", Headers: map[string]string{"h": "\r\n\x1b[31m"}}
	if _, err := bus.Append(t.Context(), hostile); err != nil {
		t.Fatal(err)
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"log", dir, "--log", "trimmable"}, {"show", dir, "1", "--log", "trimmable"}} {
		if out := must(t, args...); regexp.MustCompile(`[\x00-\x09\x0b-\x1f]`).MatchString(out) {
			t.Errorf("%v writes %q", args, out)
		}
	}
}

func TestVerifyReadsAStoreInASharedDatabaseThatIsRefused(t *testing.T) {
	dir := t.TempDir()
	o := &pebble.Options{}
	fence := persistence.Configure(o)
	db, err := pebble.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	bus, err := retinue.Open("", &retinue.Options{DB: db, Fence: fence, Prefix: []byte("bus")})
	if err == nil {
		err = errors.Join(follow(bus, errBounced), trade(t.Context(), bus), bus.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	keys, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	for keys.First(); keys.Valid(); keys.Next() {
		if bytes.HasSuffix(keys.Key(), []byte("heads")) {
			err = errors.Join(err, db.Set(bytes.Clone(keys.Key()), []byte("short"), pebble.Sync))
			broken++
		}
	}
	if err := errors.Join(err, keys.Close(), db.Close()); err != nil || broken != 1 {
		t.Fatalf("%d marks of the heads are broken, %v", broken, err)
	}
	run(t, "log", dir, "--prefix", "bus").wants(t, 4, "heads")
	run(t, "verify", dir, "--prefix", "bus").wants(t, 4, "heads", "entries of the permanent log")
}

func TestAStoreInASharedDatabaseIsFoundByItsPrefix(t *testing.T) {
	dir := t.TempDir()
	o := &pebble.Options{}
	fence := persistence.Configure(o)
	db, err := pebble.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	bus, err := retinue.Open("", &retinue.Options{DB: db, Fence: fence, Prefix: []byte("bus\x00")})
	if err != nil {
		t.Fatal(err)
	}
	if err := follow(bus, errBounced); err != nil {
		t.Fatal(err)
	}
	if err := trade(t.Context(), bus); err != nil {
		t.Fatal(err)
	}
	r := run(t, "log", dir, "--prefix", `bus\x00`)
	if r.wants(t, 5, "bus.ServeAdmin with a listener"); strings.Contains(r.err, "retinue.Options") {
		t.Errorf("Options.Admin is for directories: %s", r.err)
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, "log", dir, "--prefix", `bus\x00`, "-n", "1").wants(t, 0, "pay/started")
	run(t, "pause", dir, "mail", "--prefix", `bus\x00`).wants(t, 0)
	run(t, "followers", dir, "--prefix", `bus\x00`).wants(t, 0, "paused")
	run(t, "verify", dir, "--prefix", `bus\x00`).wants(t, 0, "sound")
	run(t, "log", dir).wants(t, 3, "RETINUE")
	before := fingerprint(t, dir)
	run(t, "log", dir, "--prefix", "other").wants(t, 3, "no store is below the prefix")
	if fingerprint(t, dir) != before {
		t.Error("looking below a prefix has changed the database")
	}
	run(t, "pause", dir, "mail", "--prefix", "other").wants(t, 3, "no store is below the prefix")
	run(t, "backup", dir, filepath.Join(t.TempDir(), "copy"), "--prefix", `bus\x00`).wants(t, 1, "checkpoint")
}

func TestAnExportIsImportedBelowAPrefix(t *testing.T) {
	from, dir := shop(t), filepath.Join(t.TempDir(), "database")
	o := &pebble.Options{}
	persistence.Configure(o)
	db, err := pebble.Open(dir, o)
	if err == nil {
		err = errors.Join(db.Set([]byte("the program's"), nil, pebble.Sync), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "shop.jsonl")
	must(t, "export", from, "-o", file)
	run(t, "import", dir, file, "--prefix", `bus\x00`).wants(t, 0, "45 entries imported")
	run(t, "import", dir, file, "--prefix", `bus\x00`).wants(t, 1, "not empty")
	if must(t, "log", dir, "--prefix", `bus\x00`) != must(t, "log", from) {
		t.Error("it reads differently")
	}
	run(t, "import", dir+"2", file, "--prefix", "bus").wants(t, 3, "no database")
	isGone(t, dir+"2")
}

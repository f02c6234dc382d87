package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func isGone(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there: %v", path, err)
	}
}

// onlyHas checks what lies in a directory.
func onlyHas(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("%s holds %q, want %q", dir, names, want)
	}
}

func TestABackupIsRestored(t *testing.T) {
	dir, bus := liveShop(t)
	t.Chdir(t.TempDir())
	run(t, "backup", dir, "monday").wants(t, 0, "monday is a verified backup")
	run(t, "backup", dir, "monday").wants(t, 1, "target exists")
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, "backup", dir, "tuesday").wants(t, 0)
	run(t, "verify", "monday").wants(t, 0, "sound")
	run(t, "restore", "monday", "copy").wants(t, 0, "copy is a store")
	run(t, "restore", "monday", "copy").wants(t, 1, "target exists")
	for _, store := range []string{"monday", "tuesday", "copy"} {
		if must(t, "log", store) != must(t, "log", dir) {
			t.Errorf("%s reads differently", store)
		}
	}
	run(t, "restore", "nowhere", "other").wants(t, 3)
	run(t, "restore", t.TempDir(), "other").wants(t, 3)
	isGone(t, "other")
}

func TestAnExportIsImported(t *testing.T) {
	dir := shop(t)
	t.Chdir(t.TempDir())
	run(t, "export", dir, "-o", "shop.jsonl", "--cursors").wants(t, 0, "45 entries exported; left behind: 3 parked entries")
	run(t, "export", dir, "-o", "shop.jsonl").wants(t, 1, "exists")
	onlyHas(t, ".", "shop.jsonl")
	run(t, "import", "copy", "shop.jsonl", "--cursors").wants(t, 0, "45 entries imported, with 3 cursors")
	run(t, "import", "copy", "shop.jsonl").wants(t, 1, "not empty")
	if must(t, "log", "copy") != must(t, "log", dir) {
		t.Error("the copy reads differently")
	}
	_, lines, _ := strings.Cut(must(t, "export", dir, "--cursors"), "\n")
	if _, copied, _ := strings.Cut(must(t, "export", "copy", "--cursors"), "\n"); copied != lines {
		t.Error("the export of the import has other lines behind its header")
	}
}

func TestABrokenLineOfAnImportIsNamedAndRepaired(t *testing.T) {
	dir := shop(t)
	t.Chdir(t.TempDir())
	whole := must(t, "export", dir)
	lines := strings.SplitAfter(whole, "\n")
	lines[9] = "{\"log\":\n"
	if err := os.WriteFile("bad.jsonl", []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "import", "copy", "bad.jsonl").wants(t, 1, "bad.jsonl", "line 10")
	run(t, "log", "copy").wants(t, 1, "unfinished import")
	if err := os.WriteFile("good.jsonl", []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "import", "copy", "good.jsonl").wants(t, 0, "45 entries imported")
	if must(t, "log", "copy") != must(t, "log", dir) {
		t.Error("the copy reads differently")
	}
	run(t, "import", "other", "nowhere.jsonl").wants(t, 3)
	run(t, "import", "other", dir).wants(t, 1, "is a directory", "restore")
	isGone(t, "other")
	run(t, "import", dir, "good.jsonl").wants(t, 1, dir+": the store is not empty")
}

func TestAnExportThatCannotBeWrittenLeavesNoFile(t *testing.T) {
	dir := shop(t)
	t.Chdir(t.TempDir())
	run(t, "export", dir, "-o", filepath.Join("missing", "shop.jsonl")).wants(t, 3)
	readOnly, err := os.Open(filepath.Join(dir, "RETINUE"))
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	c := command(t, "export", dir)
	var errs strings.Builder
	c.Stdout, c.Stderr = readOnly, &errs
	if err := c.Run(); c.ProcessState.ExitCode() != 1 || !strings.Contains(errs.String(), "write") {
		t.Errorf("%v: %s", err, errs.String())
	}
	run(t, "verify", dir).wants(t, 0)
}

func TestDamageIsToldAndEndsWithFour(t *testing.T) {
	dir := shop(t)
	if err := os.WriteFile(filepath.Join(dir, "RETINUE"), []byte("retinue 1 00112233445566778899aabbccddeeff\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"verify", "log", "stats"} {
		run(t, verb, dir).wants(t, 4, "damaged")
	}
}

func TestVerifyReadsAStoreThatIsRefused(t *testing.T) {
	dir := shop(t)
	database, older := filepath.Join(dir, "pebble"), filepath.Join(t.TempDir(), "older")
	entries := reopened(t, dir).Permanent.Head - 1
	if err := os.CopyFS(older, os.DirFS(database)); err != nil {
		t.Fatal(err)
	}
	bus := openShop(t, dir, nil, nil)
	if err := errors.Join(trade(t.Context(), bus), bus.Close()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(database), os.Rename(older, database)); err != nil {
		t.Fatal(err)
	}
	run(t, "log", dir).wants(t, 4, "write-ahead log")
	said := fmt.Sprintf("%d entries of the permanent log", entries)
	for range 2 { // it changes nothing
		run(t, "verify", dir).wants(t, 4, said, "write-ahead log", "1 problem")
	}
}

func TestANewerStoreIsNotTouched(t *testing.T) {
	dir := shop(t)
	if err := os.WriteFile(filepath.Join(dir, "RETINUE"), []byte("retinue 99 00112233445566778899aabbccddeeff\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, dir)
	run(t, "log", dir).wants(t, 1, "newer format")
	run(t, "pause", dir, "mail").wants(t, 1, "newer format")
	if fingerprint(t, dir) != before {
		t.Error("it was changed")
	}
}

func TestAChangedExportIsToldToBeginAnew(t *testing.T) {
	dir := shop(t)
	t.Chdir(t.TempDir())
	whole := must(t, "export", dir)
	for name, text := range map[string]string{"good.jsonl": whole, "changed.jsonl": strings.Replace(whole, "alice", "alicf", 1)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "import", "copy", "changed.jsonl").wants(t, 1, "lines were changed")
	run(t, "import", "copy", "good.jsonl").wants(t, 1, "copy holds the beginning of another export", "remove it first")
	if err := os.RemoveAll("copy"); err != nil {
		t.Fatal(err)
	}
	run(t, "import", "copy", "good.jsonl").wants(t, 0, "45 entries imported")
}

func TestCopiesOfALiveStoreAreMadeThroughItsBus(t *testing.T) {
	dir, _ := liveShop(t)
	t.Chdir(t.TempDir())
	run(t, "backup", dir, filepath.Join(dir, "in")).wants(t, 1, "the store's own directory")
	isGone(t, filepath.Join(dir, "in"))
	run(t, "restore", dir, "copy").wants(t, 5, "restore the backup")
	isGone(t, "copy")
	run(t, "export", dir, "-o", "shop.jsonl").wants(t, 0)
	run(t, "import", dir, "shop.jsonl").wants(t, 5, "one that is open")
	run(t, "export", dir, "-o", "-").wants(t, 0, `{"retinue_export":1`)
	onlyHas(t, ".", "shop.jsonl")
}

func TestCommandsSayInJSONWhatTheyDid(t *testing.T) {
	dir, bus := liveShop(t)
	t.Chdir(t.TempDir())
	for _, try := range []struct{ args, want string }{
		{"pause STORE mail", `{"name":"mail","log":"permanent","state":"paused"`},
		{"resume STORE mail", `{"name":"mail","log":"permanent","state":"`},
		{"seek STORE mail --to 5 --yes", `{"name":"mail","log":"permanent","state":"`},
		{"trim STORE --preview", `{"entries":0,"horizon":1}`},
		{"trim STORE --yes", `{"entries":0,"horizon":1}`},
		{"parked replay STORE mail --all --preview", `{"found":3,"done":0,"failed":0}`},
		{"parked drop STORE mail 8 8 --yes", `{"dropped":1}`},
		{"parked drop STORE mail --all --yes", `{"dropped":2}`},
		{"parked drop STORE mail --all --yes", `{"dropped":0}`},
		{"backup STORE monday", `{"from":"` + dir + `","to":"`},
		{"restore monday copy", `{"from":"monday","to":"copy"}`},
		{"export monday -o all.jsonl", ``},
		{"import copy2 all.jsonl", `{"from":"`},
	} {
		args := on(dir, strings.Fields(try.args))
		if args[0] != "export" {
			args = append(args, "--json")
		}
		out := must(t, args...)
		if args[0] == "seek" { // what is parked again comes before it is dropped
			if err := bus.CaughtUp(t.Context(), "mail"); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.HasPrefix(out, try.want) || out != "" && !json.Valid([]byte(out)) {
			t.Errorf("%s prints %s, want %s", try.args, out, try.want)
		}
	}
}

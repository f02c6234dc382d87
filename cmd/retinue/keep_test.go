package main_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func isGone(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there: %v", path, err)
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
	isGone(t, "shop.jsonl.partial")
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
	isGone(t, "other")
}

func TestAnExportThatCannotBeWrittenLeavesNoFile(t *testing.T) {
	dir := shop(t)
	t.Chdir(t.TempDir())
	if err := os.Mkdir("full", 0o700); err != nil {
		t.Fatal(err)
	}
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

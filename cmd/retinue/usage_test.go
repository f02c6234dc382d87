package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCallsThatMakeNoSenseEndWithTwo(t *testing.T) {
	dir := shop(t)
	for text, args := range map[string][]string{
		"unknown command \"lgo\"":        {"lgo", dir},
		"Did you mean this?\n\tlog":      {"lo", dir},
		"did you mean replay?":           {"parked", "repaly"},
		"did you mean --limit?":          {"log", dir, "--limt", "3"},
		"did you mean --correlation?":    {"log", dir, "--corr", "3"},
		"want: retinue log STORE":        {"log"},
		"got 3 arguments":                {"show", dir, "1", "2"},
		"\"never\" is no time":           {"log", dir, "--since", "never"},
		"--from 9 is behind --to 3":      {"log", dir, "--from", "9", "--to", "3"},
		"is after --until":               {"log", dir, "--since", "tomorrow", "--until", "yesterday"},
		"goes without --reverse":         {"log", dir, "-f", "-r"},
		"goes without --to":              {"log", dir, "-f", "--to", "3"},
		"goes without --until":           {"log", dir, "-f", "--until", "now"},
		"\"x\" is no id":                 {"show", dir, "x"},
		"\"0\" is no id":                 {"show", dir, "0"},
		"\"other\" is neither permanent": {"log", dir, "--log", "other"},
		"--to: \"18446744073709551615\"": {"log", dir, "--to", "18446744073709551615"},
		"got an empty argument":          {"log", ""},
		"the file has no name":           {"export", dir, "-o", ""},
		"command \"cash\"":               {"completion", "cash"},
		"--effects -1 is below 0":        {"show", dir, "2", "--effects", "-1"},
		"\"few\" is no whole number":     {"log", dir, "--limit", "few"},
		"'z' in -z\n":                    {"log", dir, "-z"}, // and no guess
		"no text with the escapes":       {"log", dir, "--prefix", `"`},
		"one of --to and --since":        {"seek", dir, "mail"},
		"nor first or head":              {"seek", dir, "mail", "--to", "end"},
		"one of the three":               {"parked", "drop", dir, "mail"},
		"no duration":                    {"trim", dir, "--min-age", "old"},
		"--left, and --right":            {"join", dir, "--left", "pay/started"},
		"named twice":                    {"join", dir, "--left", "a/b", "--right", "a/b"},
		"--lateness needs --happened":    {"join", dir, "--left", "a/b", "--right", "a/c", "--lateness", "1s"},
		"neither hour nor day":           {"summary", dir, "--by", "year"},
		"--within is that of a join":     {"summary", dir, "--within", "1h"},
		"that of a --value":              {"summary", dir, "--unit", "s"},
		"none of ns, us, ms and s":       {"summary", dir, "--value", "Sats", "--unit", "h"},
		"under 100ms":                    {"top", dir, "--every", "1ms"},
		"--limit -1 is below 0":          {"log", dir, "--limit", "-1"},
		"--min-entries -1 is below 0":    {"trim", dir, "--min-entries", "-1"},
		"--instance: \"4294967296\" is":  {"log", dir, "--instance", "4294967296"},
		"--from: \"1.5\" is no id":       {"log", dir, "--from", "1.5"},
		"unknown command \"nope\"":       {"help", "nope"},
		"for \"retinue parked\"":         {"help", "parked", "nope"},
		"for \"retinue log\"":            {"help", "log", "shop.db"},
		"is after --happened-until":      {"log", dir, "--happened-since", "tomorrow", "--happened-until", "yesterday"},
		"--type: \"pay/\" names no kind": {"log", dir, "--type", "pay/"},
		"--left: \"a/\" names no kind":   {"join", dir, "--left", "a/", "--right", "a/b"},
		"--failed: \"/\" names no kind":  {"join", dir, "--left", "a/b", "--failed", "/"},
		"http:// names no host":          {"stats", "http://"},
		"--key has no field":             {"join", dir, "--left", "a/b", "--right", "a/c", "--key", ""},
		"--value has no field":           {"summary", dir, "--value", ""},
		"/b is named twice":              {"join", dir, "--left", "b", "--right", "/b"},
		"--from: \"-1\" is no id":        {"log", dir, "--from", "-1"},
		"--min-age: \"-1h\" is no":       {"trim", dir, "--min-age", "-1h"},
	} {
		run(t, args...).wants(t, 2, text, "--help")
	}
	run(t, "parked", "replay", dir, "mail", "--all", "--limit", "-1", "--preview").wants(t, 2, "--limit -1 is below 0")
}

func TestTheVersionIsTold(t *testing.T) {
	run(t, "--version").wants(t, 0, "retinue ", "go1.", "stores of format 1")
}

func TestWhatIsNotThereEndsWithThree(t *testing.T) {
	dir, empty := shop(t), t.TempDir()
	file := filepath.Join(empty, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(empty, "missing")
	for _, try := range []struct {
		text string
		args []string
	}{
		{"does not exist", []string{"log", missing}},
		{"does not exist", []string{"pause", missing, "mail"}},
		{"has no file RETINUE", []string{"log", empty}},
		{"has no file RETINUE", []string{"pause", empty, "mail"}},
		{"is a file", []string{"stats", file}},
		{"does not exist", []string{"restore", missing, missing + "2"}},
		{"import makes a store of an export", []string{"restore", file, missing}},
		{"holds no database", []string{"log", empty, "--prefix", "x"}},
		{"leave --prefix away", []string{"log", dir, "--prefix", "x"}},
		{"leave --prefix away", []string{"pause", dir, "mail", "--prefix", "x"}},
		{`the store has "ledger", "mail", "pages"`, []string{"pause", dir, "nobody"}},
		{"unknown follower", []string{"parked", "ls", dir, "nobody"}},
		{"whose head is 34", []string{"show", dir, "34"}},
		{"whose last is 33", []string{"log", dir, "--from", "34"}},
		{"whose last is 33", []string{"seek", dir, "mail", "--to", "99", "-y"}},
		{"whose last is 33", []string{"join", dir, "--left", "pay/started", "--right", "pay/failed", "--from", "34"}},
		{"whose last is 33", []string{"summary", dir, "--from", "34"}},
		{"is not parked by mail", []string{"parked", "show", dir, "mail", "2"}},
		{"is not parked by mail", []string{"parked", "drop", dir, "mail", "2", "-y"}},
	} {
		run(t, try.args...).wants(t, 3, try.text)
	}
	isGone(t, missing)
	if entries, err := os.ReadDir(empty); err != nil || len(entries) != 1 {
		t.Errorf("the empty directory holds %v, %v", entries, err)
	}
	must(t, "trim", dir, "--min-age", "0s", "--min-entries", "5", "--yes")
	run(t, "log", dir, "--log", "trimmable", "--from", "2").wants(t, 3, "trimmable entry 2 is below the horizon 41")
	run(t, "log", dir, "--log", "trimmable", "--to", "40").wants(t, 3, "trimmable entry 40 is below the horizon 41")
	run(t, "summary", dir, "--log", "trimmable", "--to", "40").wants(t, 3, "trimmable entry 40 is below the horizon 41")
	run(t, "log", dir, "--log", "trimmable", "--to", "41").wants(t, 0, "ledger/booked")
	run(t, "show", dir, "2", "--log", "trimmable").wants(t, 3, "below the horizon")
	run(t, "show", dir, "2").wants(t, 0, "pay/succeeded", "trimmed")
}

func TestEveryVerbShowsExamplesThatItUnderstands(t *testing.T) {
	verbs := regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`)
	seen := 0
	var visit func(path ...string)
	visit = func(path ...string) {
		_, help, _ := strings.Cut(must(t, append(path, "--help")...), "Usage:\n")
		for _, m := range verbs.FindAllStringSubmatch(help, -1) {
			if m[1] != "help" && m[1] != "completion" {
				visit(append(path[:len(path):len(path)], m[1])...)
			}
		}
		_, examples, ok := strings.Cut(help, "Examples:\n")
		if !ok {
			t.Errorf("%v shows no examples", path)
		}
		for line := range strings.Lines(examples) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			line, _, _ = strings.Cut(line, " |")
			line, _, _ = strings.Cut(line, " >")
			args := strings.Fields(strings.ReplaceAll(line, "'", ""))
			if len(args) == 0 || args[0] != "retinue" || args[1] == "help" {
				if len(args) == 0 {
					break
				}
				continue
			}
			seen++
			if r := runIn(t, t.TempDir(), args[1:]...); r.code == 2 {
				t.Errorf("%s: %s", line, r.err)
			}
		}
	}
	visit()
	if seen < 30 {
		t.Errorf("only %d examples", seen)
	}
}

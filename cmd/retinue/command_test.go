package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func follower(s retinue.Status, name string) retinue.FollowerStatus {
	for _, f := range s.Followers {
		if f.Name == name {
			return f
		}
	}
	return retinue.FollowerStatus{}
}

func TestCommandsOnAClosedStoreStay(t *testing.T) {
	dir := shop(t)
	run(t, "pause", dir, "mail").wants(t, 0, "mail is paused")
	if s := follower(reopened(t, dir), "mail").State; s != "paused" {
		t.Errorf("state = %v, want paused", s)
	}
	run(t, "resume", dir, "mail").wants(t, 0, "mail was paused", "when its program runs")
	if s := follower(reopened(t, dir), "mail").State; s != "not followed" {
		t.Errorf("state = %v, want not followed", s)
	}
	run(t, "seek", dir, "mail", "--to", "5", "--yes").wants(t, 0, "reads entry 5")
	run(t, "seek", dir, "ledger", "--to", "head", "--yes").wants(t, 0, "reads entry 34")
	run(t, "seek", dir, "pages", "--since", "now", "--yes").wants(t, 0, "reads entry 46 of the trimmable log")
	run(t, "parked", "drop", dir, "mail", "19", "--yes").wants(t, 0, "1 record dropped")
	run(t, "parked", "drop", dir, "mail", "--key", "mallory", "--yes").wants(t, 0, "2 records dropped")
	run(t, "parked", "ls", dir).wants(t, 0, "nothing is parked")
	run(t, "trim", dir, "--min-age", "0s", "--min-entries", "5", "--yes").wants(t, 0, "40 entries removed")
	s := reopened(t, dir)
	if mail := follower(s, "mail"); mail.Cursor != 5 || s.Trimmable.Horizon != 41 {
		t.Errorf("mail at %d, horizon %d, want 5 and 41", mail.Cursor, s.Trimmable.Horizon)
	}
}

func TestCommandsOnALiveStoreReachItsBus(t *testing.T) {
	dir, bus := liveShop(t)
	run(t, "pause", dir, "mail").wants(t, 0)
	if s := follower(bus.Status(), "mail").State; s != "paused" {
		t.Errorf("state = %v, want paused", s)
	}
	run(t, "resume", filepath.Join(dir, retinue.AdminSocket), "mail").wants(t, 0, "goes on")
	if s := follower(bus.Status(), "mail").State; s == "paused" {
		t.Error("it is paused still")
	}
	run(t, "seek", dir, "ledger", "--to", "head", "-y").wants(t, 0)
	run(t, "trim", dir, "--min-age", "1d").wants(t, 2, "closed stores")
	run(t, "trim", dir).wants(t, 0, "nothing to remove")
	run(t, "parked", "replay", dir, "mail", "--all", "-y").wants(t, 1, "0 replayed, 1 failed, 3 still parked", "550 no such user")
	run(t, "parked", "drop", dir, "mail", "--all", "-y").wants(t, 0, "3 records dropped")
}

func TestAReplayRunsTheCodeOfALiveProgram(t *testing.T) {
	dir := shop(t)
	run(t, "parked", "replay", dir, "mail", "--all", "--yes").wants(t, 1, "the program that has it", "Admin")
	openShop(t, dir, &retinue.Options{Admin: true}, nil)
	run(t, "parked", "replay", dir, "mail", "--all", "--limit", "1", "--yes").wants(t, 0, "1 replayed, 0 failed, 2 still parked")
	run(t, "parked", "replay", dir, "mail", "29", "--yes").wants(t, 1, "parked before")
	run(t, "parked", "replay", dir, "mail", "--key", "mallory", "--yes").wants(t, 0, "2 replayed")
	run(t, "parked", "ls", dir).wants(t, 0, "nothing is parked")
}

func TestWhatCannotBeTakenBackIsAskedFirst(t *testing.T) {
	dir, bus := liveShop(t)
	before := bus.Status()
	for _, args := range [][]string{
		{"seek", dir, "mail", "--to", "1"},
		{"parked", "replay", dir, "mail", "--all"},
		{"parked", "drop", dir, "mail", "--all"},
	} {
		run(t, args...).wants(t, 1, "--yes does")
	}
	after := bus.Status()
	if follower(after, "mail").Cursor != follower(before, "mail").Cursor {
		t.Error("it was moved all the same")
	}
	run(t, "parked", "ls", dir).wants(t, 0, "mallory")
	closed := shop(t)
	run(t, "trim", closed, "--min-age", "0s", "--min-entries", "1").wants(t, 1, "removes 44 entries", "--yes does")
	if h := reopened(t, closed).Trimmable.Horizon; h != 1 {
		t.Errorf("horizon = %d, want 1", h)
	}
}

func TestALiveStoreWithoutASocketSaysHowToGetOne(t *testing.T) {
	dir := shop(t)
	openShop(t, dir, nil, errBounced)
	for _, args := range [][]string{{"log", dir}, {"pause", dir, "mail"}, {"verify", dir}} {
		run(t, args...).wants(t, 5, "in use", "set Admin", "ServeAdmin")
	}
}

func TestTheSocketOfADeadProgramIsNoHindrance(t *testing.T) {
	dir := shop(t)
	if err := os.WriteFile(filepath.Join(dir, retinue.AdminSocket), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "log", dir, "-n", "1").wants(t, 0, "pay/started")
}

func TestAnAddressWhereNobodyListensOrAnswersIsNamed(t *testing.T) {
	path := filepath.Join(tempDir(t), "left.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	run(t, "stats", path).wants(t, 1, "retinue: dial unix "+path)
	foreign := httptest.NewServer(http.NotFoundHandler())
	defer foreign.Close()
	run(t, "stats", foreign.URL).wants(t, 1, foreign.URL, "404")
	dying := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/export" {
			w.Write([]byte("{"))
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	}))
	defer dying.Close()
	file := filepath.Join(t.TempDir(), "cut.jsonl")
	run(t, "stats", dying.URL).wants(t, 1, "the bus has ended")
	run(t, "export", dying.URL, "-o", file).wants(t, 1, "the bus has ended")
	isGone(t, file)
	run(t, "stats", "http://127.0.0.1:0").wants(t, 1, "retinue: dial tcp 127.0.0.1:0") // where nobody can listen
}

func TestAnInterruptEndsWhatWaitsForABusThatDoesNotAnswer(t *testing.T) {
	asked, end := make(chan struct{}, 1), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-end
	}))
	defer silent.Close()
	defer close(end)
	for _, args := range append(slices.Clone(reads), []string{"top", "STORE"}, []string{"pause", "STORE", "mail"}, []string{"backup", "STORE", "copy"}) {
		c := command(t, on(silent.URL, args)...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		<-asked
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if state, err := c.Process.Wait(); err != nil || state.ExitCode() != 130 {
			t.Errorf("%v: %v, %v, want exit 130", args, state, err)
		}
	}
}

func TestAPrefixIsForNoBusThatIsLive(t *testing.T) {
	dir, bus := liveShop(t)
	server := httptest.NewServer(bus.AdminHandler())
	defer server.Close()
	for _, store := range []string{dir, filepath.Join(dir, retinue.AdminSocket), server.URL} {
		run(t, "pause", store, "mail", "--prefix", "other").wants(t, 2, "leave --prefix away")
	}
	if s := follower(bus.Status(), "mail").State; s == "paused" {
		t.Error("the follower of the one store was paused for that of another")
	}
}

func TestLogFollowsWhatIsAppended(t *testing.T) {
	dir, bus := liveShop(t)
	c := command(t, "log", dir, "--follow", "--json", "--type", "pay/started")
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	next := func() messages.Entry {
		t.Helper()
		var e messages.Entry
		if !lines.Scan() {
			t.Fatalf("no line: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	for n := range 10 { // the last ten of twelve
		want := messages.EventID([]uint64{7, 10, 13, 15, 18, 21, 24, 25, 28, 31}[n])
		if e := next(); e.ID != want {
			t.Errorf("line %d has entry %v, want %v", n, e.ID, want)
		}
	}
	for n := range 3 {
		at, err := bus.Append(t.Context(), seen{"/"}, started{Payment: "new"})
		if err != nil {
			t.Fatal(err)
		}
		if e := next(); e.ID != at.LastEvent {
			t.Errorf("new line %d has entry %v, want %v", n, e.ID, at.LastEvent)
		}
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if lines.Scan() {
		t.Errorf("after the interrupt: %q", lines.Text())
	}
	if c.Wait(); c.ProcessState.ExitCode() != 130 {
		t.Errorf("exit %d, want 130", c.ProcessState.ExitCode())
	}
}

func TestAFollowedLogBeginsWithTheLastThatAreAskedFor(t *testing.T) {
	for args, want := range map[string]string{
		"": "24 25 26 27 28 29 30 31 32 33", "-n 3": "31 32 33", "-n 0": "", "--from 32": "32 33",
		"--from 20 -n 2": "32 33", "--since -1h -n 1": "33", "--type pay/failed -n 5": "14",
	} {
		dir, bus := liveShop(t)
		c := command(t, append([]string{"log", dir, "-f"}, strings.Fields(args)...)...)
		pipe, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines, ids := bufio.NewScanner(pipe), []string{}
		next := func() {
			if lines.Scan() {
				ids = append(ids, strings.Fields(lines.Text())[0])
			}
		}
		for range strings.Fields(want) {
			next()
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
		// The command that shows nothing may come later than an entry.
		shown := make(chan struct{})
		go func() {
			next()
			close(shown)
		}()
		for more := true; more; {
			if _, err := bus.Append(t.Context(), failed{Payment: "new"}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-shown:
				more = false
			default:
			}
		}
		if last, err := strconv.Atoi(ids[len(ids)-1]); err != nil || last < 34 {
			t.Errorf("%q: then %d, %v", args, last, err)
		}
		c.Process.Kill()
		c.Wait()
	}
}

func TestAFollowedBusThatClosesEndsTheLog(t *testing.T) {
	dir, bus := liveShop(t)
	c := command(t, "log", dir, "-f")
	var errs strings.Builder
	c.Stderr = &errs
	pipe, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	for range 10 {
		lines.Scan()
	}
	if _, err := bus.Append(t.Context(), started{Payment: "new"}); err != nil || !lines.Scan() {
		t.Errorf("what was appended: %v, %q", err, lines.Text())
	}
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
	for lines.Scan() {
	}
	if c.Wait(); c.ProcessState.ExitCode() != 1 || !strings.Contains(errs.String(), "closed") {
		t.Errorf("exit %d, %s", c.ProcessState.ExitCode(), errs.String())
	}
	run(t, "log", dir, "-f").wants(t, 1, "nobody has the store open")
}

func TestAReaderThatLeavesIsNoError(t *testing.T) {
	dir := shop(t)
	bus := openShop(t, dir, nil, errBounced)
	for range 200 { // more than a pipe holds
		if _, err := bus.Append(t.Context(), started{Payment: strings.Repeat("p", 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	c := command(t, "log", dir)
	var errs strings.Builder
	c.Stderr = &errs
	pipe, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(pipe).Scan() {
		t.Error("no line")
	}
	pipe.Close()
	if err := c.Wait(); err == nil || errs.Len() > 0 {
		t.Errorf("%v, and says %q", err, errs.String())
	}
	run(t, "verify", dir).wants(t, 0, "sound")
}

func TestFollowersAreCompleted(t *testing.T) {
	dir := shop(t)
	run(t, "__complete", "pause", dir, "").wants(t, 0, "ledger\nmail\npages\n")
	run(t, "__complete", "sum").wants(t, 0, "summary")
	run(t, "completion", "bash").wants(t, 0, "__start_retinue")
	if _, err := os.Stat(filepath.Join(dir, "RETINUE")); errors.Is(err, os.ErrNotExist) {
		t.Error("the store is gone")
	}
}

func TestAnInterruptEndsWhatWaitsForItsReaderOrWriter(t *testing.T) {
	dir := shop(t)
	bus := openShop(t, dir, nil, errBounced)
	for range 200 { // more than a pipe holds
		if _, err := bus.Append(t.Context(), started{Payment: strings.Repeat("p", 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	exported := must(t, "export", dir)
	copied := filepath.Join(t.TempDir(), "copy.db")
	for name, args := range map[string][]string{"log": {"log", dir}, "export": {"export", dir}, "import": {"import", copied, "-"}} {
		t.Run(name, func(t *testing.T) {
			c := command(t, args...)
			out, err := c.StdoutPipe() // held and, but for its beginning, not read
			if err != nil {
				t.Fatal(err)
			}
			in, err := c.StdinPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if name == "import" {
				in.Write([]byte(exported[:len(exported)/2]))
			} else if _, err := out.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			if err := c.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if state, err := c.Process.Wait(); err != nil || state.ExitCode() != 130 {
				t.Errorf("%v, %v, want exit 130", state, err)
			}
		})
	}
	whole := filepath.Join(t.TempDir(), "whole.jsonl")
	if err := os.WriteFile(whole, []byte(exported), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "import", copied, whole).wants(t, 0, "imported")
}

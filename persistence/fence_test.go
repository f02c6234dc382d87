package persistence

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble retries a flush that fails without a pause, and says so each time.
func TestErrorsOfTheDatabaseAreLoggedOnceASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := &slogLogger{log: slog.New(slog.NewTextHandler(&out, nil))}
		for range 95 {
			log.Errorf("background error: %v", errors.New("no space"))
			time.Sleep(100 * time.Millisecond)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 10 {
			t.Fatalf("%d records in 9.5 s, want 10: %q", len(lines), lines)
		}
		if last := lines[9]; !strings.Contains(last, "no space") || !strings.Contains(last, "suppressed=9") {
			t.Errorf("the last record is %q, want the error and how many were held back", last)
		}
	})
}

// programLogger is a program's, which ends the process where it is told to, and
// writes to a disk that fails: what is fatal waits until it may go on.
type programLogger struct {
	t              *testing.T
	lines          []string
	goOn, wroteAll chan struct{}
}

func (l *programLogger) Infof(format string, args ...any)  { l.Errorf(format, args...) }
func (l *programLogger) Fatalf(format string, args ...any) { l.t.Errorf("fatal: "+format, args...) }
func (l *programLogger) Errorf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if strings.HasPrefix(line, "fatal") {
		<-l.goOn
		defer close(l.wroteAll)
	}
	l.lines = append(l.lines, line)
}

func TestTheLoggerOfASharedDatabaseHearsOnceASecondIsNotToldToExitAndHoldsUpNoFailure(t *testing.T) {
	program := &programLogger{t: t, goOn: make(chan struct{}), wroteAll: make(chan struct{})}
	options := &pebble.Options{Logger: program, FS: vfs.NewMem()}
	fence := Configure(options)
	synctest.Test(t, func(*testing.T) {
		options.Logger.Infof("opened")
		for range 15 {
			options.Logger.Errorf("background error: %v", errors.New("no space"))
			time.Sleep(100 * time.Millisecond)
		}
	})
	reason := errors.New("input/output error")
	go func() {
		options.Logger.Fatalf("sync: %v", reason)
		t.Error("fatal returned")
	}()
	<-fence.Tripped()
	close(program.goOn)
	<-program.wroteAll
	want := []string{
		"opened", "background error: no space",
		"background error: no space (9 errors before it were not logged)", "fatal: input/output error",
	}
	if !slices.Equal(program.lines, want) || !errors.Is(fence.Cause(), reason) {
		t.Errorf("it was told %q, want %q; the fence fell because of %v", program.lines, want, fence.Cause())
	}
}

package persistence

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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

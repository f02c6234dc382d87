package actors

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// perSecond is how many records of one source reach the level that they are
// meant for. More of them go to Debug: a follower that skips a million entries
// must not fill a disk.
const perSecond = 10

// limiter counts the records of one source. It is safe for concurrent use.
type limiter struct {
	mu    sync.Mutex
	since time.Time
	count int
}

// hold returns how many records the second before has held back, for the
// first of a second, and whether this one is held back as well.
func (l *limiter) hold(now time.Time) (held int, hold bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= time.Second {
		held = max(l.count-perSecond, 0)
		l.since, l.count = now, 0
	}
	l.count++
	return held, l.count > perSecond
}

// warn logs at the level Warn, what comes too often at Debug.
func (e *Engine) warn(l *limiter, message string, attrs ...slog.Attr) {
	e.logLimited(l, slog.LevelWarn, message, attrs)
}

// error is warn at the level Error.
func (e *Engine) error(l *limiter, message string, attrs ...slog.Attr) {
	e.logLimited(l, slog.LevelError, message, attrs)
}

func (e *Engine) logLimited(l *limiter, level slog.Level, message string, attrs []slog.Attr) {
	held, hold := l.hold(time.Now())
	if hold {
		level = slog.LevelDebug
	}
	if held > 0 {
		attrs = append(attrs, slog.Int("suppressed", held))
	}
	e.Logger.LogAttrs(context.Background(), level, message, attrs...)
}

package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// moment is a flag that takes a time in any common form.
type moment struct {
	time.Time
	now func() time.Time
}

const momentForms = `"2026-01-31", "2026-01-31 15:04", RFC 3339, "-2h", "3d ago", "today", "yesterday", "now", "15:04" or "@" and seconds since 1970`

// Forms of a moment that say its day, and those of a time of today.
var (
	dayForms = []string{
		time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04Z07:00",
		"2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04 Z07:00", "2006-01-02T15:04:05Z0700",
		"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 -0700 MST", "2006-01-02 15:04:05 MST",
		"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02",
		"20060102T150405Z07:00", "20060102T150405", "20060102", "2006/01/02 15:04:05", "2006/01/02",
		time.RFC1123Z, time.RFC1123, time.RFC850, time.UnixDate, time.ANSIC,
		"Mon Jan _2 03:04:05 PM MST 2006", "Mon _2 Jan 15:04:05 MST 2006", // and where zones have no names:
		"Mon Jan _2 15:04:05 -0700 2006", "Mon Jan _2 03:04:05 PM -0700 2006", "Mon _2 Jan 15:04:05 -0700 2006",
	}
	clockForms = []string{"15:04:05", "15:04"}
)

// String implements [pflag.Value].
func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

// Type implements [pflag.Value].
func (m *moment) Type() string { return "time" }

// Set implements [pflag.Value].
func (m *moment) Set(text string) (err error) {
	now := time.Now
	if m.now != nil {
		now = m.now
	}
	m.Time, err = parseMoment(text, now())
	return err
}

// parseMoment reads a time. One without a zone is in that of now.
func parseMoment(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch strings.ToLower(text) {
	case "now":
		return now, nil
	case "today":
		return today, nil
	case "yesterday":
		return today.AddDate(0, 0, -1), nil
	case "tomorrow":
		return today.AddDate(0, 0, 1), nil
	}
	span, before := strings.CutSuffix(text, " ago")
	span, minus := strings.CutPrefix(span, "-")
	if d, err := parseSpan(span); err == nil && d > 0 || minus || before {
		return now.Add(-d), err
	}
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		f, err := strconv.ParseFloat(seconds, 64)
		if err != nil || f < -1e11 || f > 1e11 {
			return time.Time{}, fmt.Errorf("%q is no number of seconds", seconds)
		}
		whole := int64(f)
		return time.Unix(whole, int64((f-float64(whole))*1e9)).In(now.Location()), nil
	}
	upper := strings.ToUpper(goes.ReplaceAllString(text, "$1")) // RFC 3339 may be in small letters
	for _, form := range dayForms {
		if t, err := time.ParseInLocation(form, upper, now.Location()); err == nil {
			return t, knownZone(t, now, form)
		}
	}
	for _, form := range clockForms {
		if t, err := time.Parse(form, text); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: give %s", text, momentForms)
}

// goes is what Go prints behind a moment: the offset again where the zone has
// no name, as " +0545 +0545", and for that of now the monotonic clock.
var goes = regexp.MustCompile(`(?:( [+-]\d{4}) [+-]\d{2,4})?(?: m=[+-][\d.]+)?$`)

// knownZone refuses the name of a zone that is not the local one, nor UTC: what
// it stands for is not known here, and package time takes it for UTC.
func knownZone(t, now time.Time, form string) error {
	name, offset := t.Zone()
	if !strings.Contains(form, "MST") || strings.Contains(form, "-0700") || offset != 0 ||
		t.Location() == time.UTC || t.Location() == now.Location() || name == "GMT" {
		return nil
	}
	return fmt.Errorf("it is not known here what time %q is: give the zone as in 2026-01-31T15:04:05+02:00", name)
}

var days = regexp.MustCompile(`^(?:(\d+)w)?(?:(\d+)d)?(.*)$`)

// longest span; three of it are a duration still.
const longest = 90 * 365 * 24 * time.Hour

// parseSpan reads a duration that may begin with weeks and days.
func parseSpan(text string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration: give one like 90s, 36h, 3d or 2w", text)
	m := days.FindStringSubmatch(text)
	if text == "" || strings.ContainsAny(text[:1], "+-") {
		return 0, bad
	}
	var d time.Duration
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+1])
		if err != nil || time.Duration(n) > longest/unit {
			return 0, bad
		}
		d += time.Duration(n) * unit
	}
	if m[3] != "" {
		rest, err := time.ParseDuration(m[3])
		if err != nil || rest < 0 || rest > longest {
			return 0, bad
		}
		d += rest
	}
	return d, nil
}

// duration is a flag that takes weeks and days too.
type duration struct{ time.Duration }

// String implements [pflag.Value].
func (d *duration) String() string {
	if d.Duration == 0 {
		return ""
	}
	return span(d.Duration)
}

// Type implements [pflag.Value].
func (d *duration) Type() string { return "duration" }

// Set implements [pflag.Value].
func (d *duration) Set(text string) (err error) {
	d.Duration, err = parseSpan(text)
	return err
}

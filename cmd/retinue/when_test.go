package main

import (
	"strings"
	"testing"
	"time"
)

func TestTimesAreReadInAnyCommonForm(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	now := time.Date(2026, 3, 1, 12, 30, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"now":                              now,
		"today":                            time.Date(2026, 3, 1, 0, 0, 0, 0, zone),
		"Yesterday":                        time.Date(2026, 2, 28, 0, 0, 0, 0, zone),
		"-2h":                              now.Add(-2 * time.Hour),
		"-1w2d3h":                          now.Add(-(9*24 + 3) * time.Hour),
		"-90s":                             now.Add(-90 * time.Second),
		"2026-01-31":                       time.Date(2026, 1, 31, 0, 0, 0, 0, zone),
		"2026-01-31 15:04":                 time.Date(2026, 1, 31, 15, 4, 0, 0, zone),
		"2026-01-31 15:04:05.5":            time.Date(2026, 1, 31, 15, 4, 5, 5e8, zone),
		"2026-01-31T15:04:05":              time.Date(2026, 1, 31, 15, 4, 5, 0, zone),
		"2026-01-31T15:04:05Z":             time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
		"2026-01-31T15:04:05-05:00":        time.Date(2026, 1, 31, 20, 4, 5, 0, time.UTC),
		"2026-01-31 15:04:05Z":             time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
		"2026-01-31T15:04Z":                time.Date(2026, 1, 31, 15, 4, 0, 0, time.UTC),
		"2026-01-31T15:04+02:00":           time.Date(2026, 1, 31, 13, 4, 0, 0, time.UTC),
		"2026-01-31 15:04:05 +0100":        time.Date(2026, 1, 31, 14, 4, 5, 0, time.UTC),
		"2026-01-31 15:04:05.25 +0000 UTC": time.Date(2026, 1, 31, 15, 4, 5, 25e7, time.UTC),
		"20260131T150405Z":                 time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
		"20260131":                         time.Date(2026, 1, 31, 0, 0, 0, 0, zone),
		"2026/01/31":                       time.Date(2026, 1, 31, 0, 0, 0, 0, zone),
		"Sat, 31 Jan 2026 15:04:05 GMT":    time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
		"2026-01-31t15:04:05z":             time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
		"Sat Jan 31 15:04:05 UTC 2026":     time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
		"Sat Jan 31 03:04:05 PM UTC 2026":  time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
		"Sat 31 Jan 15:04:05 UTC 2026":     time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
		"Sun  1 Feb 15:04:05 GMT 2026":     time.Date(2026, 2, 1, 15, 4, 5, 0, time.UTC),
		"Sat Jan 31 15:04:05 +0545 2026":   time.Date(2026, 1, 31, 9, 19, 5, 0, time.UTC),
		"Sat 31 Jan 15:04:05 +0545 2026":   time.Date(2026, 1, 31, 9, 19, 5, 0, time.UTC),
		"tomorrow":                         time.Date(2026, 3, 2, 0, 0, 0, 0, zone),
		"2h":                               now.Add(-2 * time.Hour),
		"2h ago":                           now.Add(-2 * time.Hour),
		"-1h30m":                           now.Add(-90 * time.Minute),
		"09:15":                            time.Date(2026, 3, 1, 9, 15, 0, 0, zone),
		"@1700000000":                      time.Unix(1700000000, 0),
		"@1700000000.25":                   time.Unix(1700000000, 25e7),
	} {
		if got, err := parseMoment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "2026-13-01", "-", "--2h", "-x", "@x", "@1e30", "25:00", "2026-01-31 15", "-999999999w", "-20000w", "-100000w", "0", "+2h", "-2", "2", "ago", "-2h-1h", "2026-02-30"} {
		if got, err := parseMoment(text, now); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

func TestATimeIsReadAsGoPrintsTheOneOfNow(t *testing.T) {
	for _, zone := range []string{"Local", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"} {
		place, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for _, text := range []string{now.String(), now.In(place).String(), now.In(place).Round(0).String()} {
			if got, err := parseMoment(text, now); err != nil || !got.Equal(now) {
				t.Errorf("%q: %v, %v", text, got, err)
			}
		}
	}
}

func TestAZoneOfAnotherPlaceIsRefusedAndNotTakenForUTC(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 30, 0, 0, zone)
	for _, text := range []string{"Sat Jan 31 15:04:05 EST 2026", "2026-01-31 15:04:05 PST", "Sat, 31 Jan 2026 15:04:05 MSK"} {
		if got, err := parseMoment(text, now); err == nil || !strings.Contains(err.Error(), "+02:00") {
			t.Errorf("%q: %v, %v, want an error that says how to give a zone", text, got, err)
		}
	}
	want := time.Date(2026, 1, 31, 14, 4, 5, 0, time.UTC)
	if got, err := parseMoment("Sat Jan 31 15:04:05 CET 2026", now); err != nil || !got.Equal(want) {
		t.Errorf("the local zone: %v, %v, want %v", got, err, want)
	}
}

func TestATimeOfTodayIsThatOfTheClockWhereClocksChange(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 29, 18, 0, 0, 0, zone) // has 23 hours
	if got, err := parseMoment("15:04", now); err != nil || got.Hour() != 15 || got.Minute() != 4 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFiguresAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234 * time.Nanosecond: "1µs", 1234 * time.Microsecond: "1ms", 1234 * time.Millisecond: "1.23s",
		61 * time.Second: "1m1s", 70 * time.Second: "1m10s", 2 * time.Minute: "2m", 100 * time.Hour: "4d4h", 10 * time.Hour: "10h0m",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", int64(d), got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -123: "-123", -1234567: "-1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("count %d: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 1 << 20: "1 MiB", 5 << 30: "5 GiB"} {
		if got := size(n); got != want {
			t.Errorf("size %d: %q, want %q", n, got, want)
		}
	}
}

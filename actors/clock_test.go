package actors

import (
	"testing"
	"time"
)

func TestOrderingTimeIsTheWallClockUntilThatIsSetBack(t *testing.T) {
	wall := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := newClock(func() time.Time { return wall }, 0, 0)
	ordering := wall
	for _, step := range []struct{ wall, ordering time.Duration }{
		{0, 0},
		{time.Second, time.Second},
		{-time.Hour, 0},            // stands still for the reading that shows the jump
		{time.Minute, time.Minute}, // and goes on at the wall clock's pace
		{2 * time.Hour, 2 * time.Hour},
		{-time.Nanosecond, 0},
		{24 * time.Hour, 24 * time.Hour},
	} {
		wall = wall.Add(step.wall)
		ordering = ordering.Add(step.ordering)
		if got := orderedTime(c.tick()); !got.Equal(ordering) {
			t.Errorf("after a step of %v: %v, want %v", step.wall, got, ordering)
		}
		if want := ordering.Sub(wall); c.offset != want {
			t.Errorf("after a step of %v: offset %v, want %v", step.wall, c.offset, want)
		}
	}
}

func TestANewClockGoesOnFromWhatWasStored(t *testing.T) {
	wall := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		name         string
		last         time.Time
		offset       time.Duration
		want         time.Time
		wantedOffset time.Duration
	}{
		{"a new store", time.Unix(0, 0), 0, wall, 0},
		{"closed for an hour", wall.Add(-time.Hour), 0, wall, 0},
		{"closed for an hour, ahead by a day", wall.Add(23 * time.Hour), 24 * time.Hour, wall.Add(24 * time.Hour), 24 * time.Hour},
		{"set back by a day while closed", wall.Add(24 * time.Hour), 0, wall.Add(24 * time.Hour), 24 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClock(func() time.Time { return wall }, uint64(test.last.UnixNano()), test.offset)
			if got := orderedTime(c.tick()); !got.Equal(test.want) || c.offset != test.wantedOffset {
				t.Errorf("time = %v, offset %v; want %v, %v", got, c.offset, test.want, test.wantedOffset)
			}
		})
	}
}

func TestAWallClockBefore1970DoesNotUnderflow(t *testing.T) {
	wall := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
	c := newClock(func() time.Time { return wall }, 0, 0)
	for range 3 {
		if at := c.tick(); at != 0 || c.offset != 0 {
			t.Errorf("time = %d, offset %v, want 0", at, c.offset)
		}
	}
}

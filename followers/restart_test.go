package followers_test

import (
	"math"
	"testing"
	"time"

	"github.com/retinue-go/retinue/followers"
)

func TestTheFirstTenDelaysDoubleUpToTheCap(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for _, test := range []struct {
		name    string
		restart followers.Restart
		want    [10]time.Duration
	}{
		{"default", followers.Restart{},
			[10]time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 30 * s}},
		{"a second, up to ten", followers.Restart{Initial: s, Max: 10 * s},
			[10]time.Duration{s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s, 10 * s, 10 * s, 10 * s, 10 * s}},
		{"max below the default initial", followers.Restart{Max: 50 * ms},
			[10]time.Duration{50 * ms, 50 * ms, 50 * ms, 50 * ms, 50 * ms, 50 * ms, 50 * ms, 50 * ms, 50 * ms, 50 * ms}},
		{"initial above the default max", followers.Restart{Initial: time.Minute},
			[10]time.Duration{60 * s, 60 * s, 60 * s, 60 * s, 60 * s, 60 * s, 60 * s, 60 * s, 60 * s, 60 * s}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := followers.Follower{Restart: test.restart}
			for i, want := range test.want {
				low, mid, high := f.Decide(i+1, 1, 0), f.Decide(i+1, 1, 0.5), f.Decide(i+1, 1, math.Nextafter(1, 0))
				t.Logf("failure %2d: %v, between %v and %v", i+1, mid.Delay, low.Delay, high.Delay)
				if !near(low.Delay, want*8/10) || !near(mid.Delay, want) || !near(high.Delay, want*12/10) {
					t.Errorf("failure %d: %v, %v, %v, want %v with 20 %% either way", i+1, low.Delay, mid.Delay, high.Delay, want)
				}
				if mid.Action != followers.Retry {
					t.Errorf("failure %d: %v, want retry", i+1, mid.Action)
				}
			}
		})
	}
}

func TestDelaysNeverOverflow(t *testing.T) {
	if got := (followers.Follower{}).Decide(math.MaxInt, 1, 0.5).Delay; !near(got, 30*time.Second) {
		t.Errorf("delay %v after very many failures, want 30s", got)
	}
	forever := followers.Follower{Restart: followers.Restart{Initial: 1, Max: math.MaxInt64}}
	if got := forever.Decide(math.MaxInt, 1, 0.99).Delay; got != math.MaxInt64 {
		t.Errorf("delay %v, want the longest there is", got)
	}
}

func TestDecide(t *testing.T) {
	park := followers.Poison{Action: followers.Park, After: 3}
	skip := followers.Poison{Action: followers.Skip}
	for _, test := range []struct {
		name               string
		poison             followers.Poison
		budget             int
		failures, attempts int
		want               followers.Verdict
	}{
		{"halt retries for ever", followers.Poison{}, 0, 1000, 1000, followers.Retry},
		{"halt does not look at After", followers.Poison{After: 1}, 0, 2, 2, followers.Retry},
		{"park: attempts left", park, 0, 2, 2, followers.Retry},
		{"park: last attempt", park, 0, 3, 3, followers.ParkEntry},
		{"park: an attempt that killed the process counts", park, 0, 1, 4, followers.ParkEntry},
		{"skip: fourth of five by default", skip, 0, 4, 4, followers.Retry},
		{"skip: fifth of five by default", skip, 0, 5, 5, followers.SkipEntry},
		{"no entry to blame", park, 0, 50, 0, followers.Retry},
		{"budget: borne", followers.Poison{}, 3, 3, 3, followers.Retry},
		{"budget: spent", followers.Poison{}, 3, 4, 4, followers.ParkFollower},
		{"budget: spent without an entry", park, 3, 4, 0, followers.ParkFollower},
		{"a parked entry before a spent budget", park, 2, 3, 3, followers.ParkEntry},
		{"a spent budget before the last attempt", skip, 2, 3, 3, followers.ParkFollower},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := followers.Follower{Poison: test.poison, Restart: followers.Restart{Budget: test.budget}}
			got := f.Decide(test.failures, test.attempts, 0.5)
			if got.Action != test.want {
				t.Errorf("%v, want %v", got.Action, test.want)
			}
			if (got.Delay > 0) != (test.want == followers.Retry) {
				t.Errorf("delay %v with %v", got.Delay, got.Action)
			}
		})
	}
}

func TestPoliciesSpellThemselves(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{followers.Halt.String(), "halt"},
		{followers.Skip.String(), "skip"},
		{followers.Park.String(), "park"},
		{followers.Action(9).String(), "action(9)"},
		{followers.Retry.String(), "retry"},
		{followers.SkipEntry.String(), "skip entry"},
		{followers.ParkEntry.String(), "park entry"},
		{followers.ParkFollower.String(), "park follower"},
		{followers.Verdict(9).String(), "verdict(9)"},
		{followers.Fail.String(), "fail"},
		{followers.Jump.String(), "jump"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

// near allows for the rounding of floating point.
func near(got, want time.Duration) bool { return (got - want).Abs() <= time.Microsecond }

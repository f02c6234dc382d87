package metrics

import (
	"time"

	"github.com/retinue-go/retinue"
)

// states of a follower, so that each has a series whether it holds or not.
var states = []retinue.FollowerState{
	retinue.NotFollowed, retinue.Running, retinue.Idle, retinue.BackingOff, retinue.Paused, retinue.ParkedState, retinue.Stuck,
}

var followerFamilies = []family{
	{name: "retinue_follower_state", help: "1 for the state that the follower is in.", labels: []string{"follower", "state"}, kind: gauge,
		value: func(s *source, emit func(float64, ...string)) {
			for _, f := range s.status.Followers {
				for _, state := range states {
					emit(truth(f.State == state), f.Name, string(state))
				}
			}
		}},
	{name: "retinue_follower_stalled", help: "1 while the follower has entries to read and stands still.", labels: perFollower, kind: gauge,
		value: status(func(f *retinue.FollowerStatus) float64 { return truth(f.Stalled) })},
	{name: "retinue_follower_lag_entries", help: "Entries that the follower has not passed yet.", labels: perFollower, kind: gauge,
		value: status(func(f *retinue.FollowerStatus) float64 { return float64(f.Lag) })},
	{name: "retinue_follower_lag_seconds", help: "Age of the oldest entry that the follower has not passed yet.", labels: perFollower, kind: gauge,
		value: status(func(f *retinue.FollowerStatus) float64 { return f.LagTime.Seconds() })},
	{name: "retinue_follower_cursor", help: "The next id that the follower will read, as it is stored.", labels: perFollower, kind: gauge,
		value: status(func(f *retinue.FollowerStatus) float64 { return float64(f.Cursor) })},
	{name: "retinue_follower_failures", help: "Failures in a row since the cursor moved.", labels: perFollower, kind: gauge,
		value: status(func(f *retinue.FollowerStatus) float64 { return float64(f.Failures) })},
	{name: "retinue_follower_handled_entries_total", help: "Entries that the follower has handled since it was new.", labels: perFollower, kind: counter,
		value: status(func(f *retinue.FollowerStatus) float64 { return float64(f.Handled) })},
	{name: "retinue_follower_skipped_entries_total", help: "Entries that were given up on since the follower was new.", labels: perFollower, kind: counter,
		value: status(func(f *retinue.FollowerStatus) float64 { return float64(f.Skipped) })},
	{name: "retinue_follower_parked_entries_total", help: "Entries that were parked since the follower was new.", labels: perFollower, kind: counter,
		value: status(func(f *retinue.FollowerStatus) float64 { return float64(f.Parked) })},
	{name: "retinue_follower_missed_entries_total", help: "Entries that were trimmed before the follower came to them.", labels: perFollower, kind: counter,
		value: status(func(f *retinue.FollowerStatus) float64 { return float64(f.Missed) })},
	{name: "retinue_follower_turn_duration_seconds", help: "Time of a turn; those of one commit count with their mean.", labels: perFollower,
		durations: timed(func(f *retinue.FollowerMetrics) retinue.Histogram[time.Duration] { return f.Turn })},
	{name: "retinue_follower_commit_latency_seconds", help: "Time of a follower's commit, waiting for the writer included.", labels: perFollower,
		durations: timed(func(f *retinue.FollowerMetrics) retinue.Histogram[time.Duration] { return f.Commit })},
	{name: "retinue_follower_failed_turns_total", help: "Turns that failed.", labels: perFollower, kind: counter,
		value: measured(func(f *retinue.FollowerMetrics) uint64 { return f.Failed })},
	{name: "retinue_follower_retried_turns_total", help: "Turns at an entry that had failed before.", labels: perFollower, kind: counter,
		value: measured(func(f *retinue.FollowerMetrics) uint64 { return f.Retried })},
	{name: "retinue_follower_restarts_total", help: "Incarnations of the follower after the first.", labels: perFollower, kind: counter,
		value: measured(func(f *retinue.FollowerMetrics) uint64 { return f.Restarts })},
}

var perFollower = []string{"follower"}

func status(value func(*retinue.FollowerStatus) float64) func(*source, func(float64, ...string)) {
	return func(s *source, emit func(float64, ...string)) {
		for i := range s.status.Followers {
			emit(value(&s.status.Followers[i]), s.status.Followers[i].Name)
		}
	}
}

func measured(value func(*retinue.FollowerMetrics) uint64) func(*source, func(float64, ...string)) {
	return func(s *source, emit func(float64, ...string)) {
		for i := range s.Followers {
			emit(float64(value(&s.Followers[i])), s.Followers[i].Name)
		}
	}
}

func timed(value func(*retinue.FollowerMetrics) retinue.Histogram[time.Duration]) func(*source, func(retinue.Histogram[time.Duration], ...string)) {
	return func(s *source, emit func(retinue.Histogram[time.Duration], ...string)) {
		for i := range s.Followers {
			emit(value(&s.Followers[i]), s.Followers[i].Name)
		}
	}
}

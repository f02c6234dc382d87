package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/retinue-go/retinue"
)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// families are all metrics, in the order of docs/metrics.md.
var families = append(append(append([]family{}, busFamilies...), followerFamilies...), databaseFamilies...)

var busFamilies = []family{
	{name: "retinue_failed", help: "1 once the bus has failed as a whole.", kind: gauge,
		value: one(func(s *source) float64 { return truth(s.status.Failed != nil) })},
	{name: "retinue_log_head", help: "The next id of the log.", labels: []string{"log"}, kind: gauge,
		value: perLog(func(l retinue.LogStatus) uint64 { return l.Head })},
	{name: "retinue_log_horizon", help: "The lowest id that the log still has.", labels: []string{"log"}, kind: gauge,
		value: perLog(func(l retinue.LogStatus) uint64 { return l.Horizon })},
	{name: "retinue_log_entries", help: "Entries that the log has.", labels: []string{"log"}, kind: gauge,
		value: perLog(func(l retinue.LogStatus) uint64 { return l.Entries })},
	{name: "retinue_log_size_bytes", help: "What the log takes on disk, without memtables; an estimate.", labels: []string{"log"}, kind: gauge,
		value: perLog(func(l retinue.LogStatus) uint64 { return l.Bytes })},
	{name: "retinue_clock_offset_seconds", help: "How far ordering time runs ahead of the wall clock.", kind: gauge,
		value: one(func(s *source) float64 { return s.status.ClockOffset.Seconds() })},
	{name: "retinue_events_total", help: "Events that were ordered or, transient ones, broadcast.", labels: []string{"persistence"}, kind: counter,
		value: func(s *source, emit func(float64, ...string)) {
			emit(float64(s.Persistent), "persistent")
			emit(float64(s.Trimmable), "trimmable")
			emit(float64(s.Transient), "transient")
		}},
	{name: "retinue_append_latency_seconds", help: "From the hand-over of an append to its answer; those of one round count with the oldest.",
		durations: single(func(s *source) retinue.Histogram[time.Duration] { return s.Append })},
	{name: "retinue_append_wait_seconds", help: "How long appends waited because too much was pending.",
		durations: single(func(s *source) retinue.Histogram[time.Duration] { return s.Wait })},
	{name: "retinue_order_latency_seconds", help: "Time of the writer for a round, commit and sync included.",
		durations: single(func(s *source) retinue.Histogram[time.Duration] { return s.Order })},
	{name: "retinue_commit_latency_seconds", help: "Time of a commit, by whether it waited for the disk.", labels: []string{"sync"},
		durations: func(s *source, emit func(retinue.Histogram[time.Duration], ...string)) {
			emit(s.Synced, "true")
			emit(s.Unsynced, "false")
		}},
	{name: "retinue_update_hold_seconds", help: "How long closures of Update held the writer.",
		durations: single(func(s *source) retinue.Histogram[time.Duration] { return s.Update })},
	{name: "retinue_round_events", help: "Events of a round of the writer that had any.",
		sizes: func(s *source) retinue.Histogram[int64] { return s.RoundEvents }},
	{name: "retinue_round_bytes", help: "Bytes of a commit in the write-ahead log.",
		sizes: func(s *source) retinue.Histogram[int64] { return s.RoundBytes }},
	{name: "retinue_appends_repeated_total", help: "Appends that their idempotency key found done already.", kind: counter,
		value: count(func(s *source) uint64 { return s.Repeated })},
	{name: "retinue_appends_refused_total", help: "Appends whose condition did not hold.", kind: counter,
		value: count(func(s *source) uint64 { return s.Refused })},
	{name: "retinue_trimmed_entries_total", help: "Entries that the trimmer let go.", kind: counter,
		value: count(func(s *source) uint64 { return s.Trimmed })},
	{name: "retinue_subscribers", help: "Subscribers of the moment.", kind: gauge,
		value: one(func(s *source) float64 { return float64(s.Subscribers) })},
	{name: "retinue_subscriber_gaps_total", help: "How often a subscriber was too slow.", kind: counter,
		value: count(func(s *source) uint64 { return s.Gaps })},
	{name: "retinue_subscriber_lost_entries_total", help: "Entries that slow subscribers missed.", kind: counter,
		value: count(func(s *source) uint64 { return s.Lost })},
	{name: "retinue_staged_tickets", help: "Stage calls whose batch was not found committed yet.", kind: gauge,
		value: one(func(s *source) float64 { return float64(s.StagedTickets) })},
}

func one(value func(*source) float64) func(*source, func(float64, ...string)) {
	return func(s *source, emit func(float64, ...string)) { emit(value(s)) }
}

func count(value func(*source) uint64) func(*source, func(float64, ...string)) {
	return func(s *source, emit func(float64, ...string)) { emit(float64(value(s))) }
}

func perLog(value func(retinue.LogStatus) uint64) func(*source, func(float64, ...string)) {
	return func(s *source, emit func(float64, ...string)) {
		emit(float64(value(s.status.Permanent)), "permanent")
		emit(float64(value(s.status.Trimmable)), "trimmable")
	}
}

func single(value func(*source) retinue.Histogram[time.Duration]) func(*source, func(retinue.Histogram[time.Duration], ...string)) {
	return func(s *source, emit func(retinue.Histogram[time.Duration], ...string)) { emit(value(s)) }
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

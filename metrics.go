package retinue

import (
	"github.com/retinue-go/retinue/actors"
	"github.com/retinue-go/retinue/persistence"
)

// Metrics is what a bus has counted and measured since it was opened. Package
// metrics gives it to Prometheus.
type Metrics = actors.Metrics

// FollowerMetrics is what was measured of one follower.
type FollowerMetrics = actors.FollowerMetrics

// Histogram of durations or sizes, in [Metrics].
type Histogram[U ~int64] = persistence.Histogram[U]

// Database is what Pebble says of itself, in [Metrics].
type Database = persistence.Database

// FollowerState is what a follower is doing, in [FollowerStatus].
type FollowerState = actors.State

// States of a follower; docs/supervision.md draws them.
const (
	NotFollowed = actors.NotFollowed
	Running     = actors.Running
	Idle        = actors.Idle
	BackingOff  = actors.BackingOff
	Paused      = actors.Paused
	ParkedState = actors.ParkedState
	Stuck       = actors.Stuck
)

// Metrics tells what the bus has counted and measured since it was opened;
// [Bus.Status] tells how things stand. It is cheap enough to be asked every
// second, and works on a failed or closed bus too.
func (b *Bus) Metrics() Metrics { return b.engine.Metrics() }

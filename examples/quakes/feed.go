package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Detected is a quake that a seismic network has noticed.
type Detected struct {
	ID        string  `json:"id"`
	Network   string  `json:"network"`
	Magnitude float64 `json:"magnitude"`
	Place     string  `json:"place"`
}

// EventType names the event on disk. Nothing is said of its persistence, so
// it is kept for ever.
func (Detected) EventType() messages.Type { return messages.Type{Kind: "quake-detected"} }

// Reviewed is a quake that a seismologist has looked at.
type Reviewed struct {
	ID string `json:"id"`
}

// EventType names the event on disk.
func (Reviewed) EventType() messages.Type { return messages.Type{Kind: "quake-reviewed"} }

// recording is what the USGS published; see SOURCE.md.
//
//go:embed earthquakes.json
var recording []byte

// feature is the part of the recording's GeoJSON that is used here. Times are
// milliseconds since 1970.
type feature struct {
	ID         string
	Properties struct {
		Net, Place, Status string
		Mag                float64
		Time, Updated      int64
	}
}

// step is one event of the replay, with the key that appends it only once.
type step struct {
	messages.Draft
	key string
}

// recorded returns what happened in that week, in the order of time. Where
// two steps share a millisecond their keys decide: a detection comes first.
func recorded() ([]step, error) {
	var week struct{ Features []feature }
	if err := json.Unmarshal(recording, &week); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	var steps []step
	for _, f := range week.Features {
		p := f.Properties
		steps = append(steps, at(p.Time, Detected{f.ID, p.Net, p.Mag, p.Place}, "detected/"+f.ID))
		if p.Status == "reviewed" {
			steps = append(steps, at(p.Updated, Reviewed{f.ID}, "reviewed/"+f.ID))
		}
	}
	slices.SortFunc(steps, func(a, b step) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.key, b.key))
	})
	return steps, nil
}

func at(millis int64, e messages.Event, key string) step {
	return step{messages.Draft{Event: e, Time: time.UnixMilli(millis)}, key}
}

// inFlight is how many appends wait for the disk at a time: they share syncs.
const inFlight = 256

// replay submits the steps in order and returns how many of them were not in
// the log yet.
func replay(ctx context.Context, bus *retinue.Bus, steps []step, acknowledged func(int)) (appended int, err error) {
	var tickets []*retinue.Ticket
	for i := range len(steps) + inFlight {
		if i < len(steps) {
			t, err := bus.Submit(ctx, retinue.Request{Events: []messages.Event{steps[i].Draft}, Key: steps[i].key})
			if err != nil {
				return appended, err
			}
			tickets = append(tickets, t)
		}
		oldest := i - inFlight
		if oldest < 0 || oldest >= len(tickets) {
			continue
		}
		receipt, err := tickets[oldest].Wait(ctx)
		if err != nil {
			return appended, err
		}
		if !receipt.Repeated {
			appended++
		}
		acknowledged(oldest + 1)
	}
	return appended, nil
}

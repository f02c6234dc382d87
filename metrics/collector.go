package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/retinue-go/retinue"
)

// Collector is a [prometheus.Collector] of one bus. Its metrics have the
// constant labels bus, the name of the bus, and store, its store's identity,
// so that one registry takes the collectors of several buses. It may be used
// by several goroutines and registries at once, and also after the bus was
// closed or has failed: then what Pebble would say is left out.
//
// A scrape costs a [retinue.Bus.Status] and a [retinue.Bus.Metrics].
type Collector struct {
	// Bus to ask; never nil.
	Bus *retinue.Bus
}

// source is what one scrape reads of a bus.
type source struct {
	retinue.Metrics
	status retinue.Status
}

// Describe implements [prometheus.Collector].
func (c Collector) Describe(descriptions chan<- *prometheus.Desc) {
	m := c.Bus.Metrics()
	for i := range families {
		descriptions <- families[i].describe(&m)
	}
}

// Collect implements [prometheus.Collector].
func (c Collector) Collect(found chan<- prometheus.Metric) {
	s := source{Metrics: c.Bus.Metrics(), status: c.Bus.Status()}
	for i := range families {
		f := &families[i]
		if f.database && !s.Database.Known {
			continue
		}
		f.collect(&s, f.describe(&s.Metrics), found)
	}
}

// family is one metric with its help and its labels beside the constant ones.
// One of value, durations and sizes gives its values.
type family struct {
	name, help string
	labels     []string
	kind       prometheus.ValueType // of value
	database   bool                 // needs what Pebble says
	value      func(*source, func(value float64, labels ...string))
	durations  func(*source, func(h retinue.Histogram[time.Duration], labels ...string))
	sizes      func(*source) retinue.Histogram[int64]
}

func (f *family) describe(m *retinue.Metrics) *prometheus.Desc {
	return prometheus.NewDesc(f.name, f.help, f.labels, prometheus.Labels{"bus": m.Bus, "store": m.Store.String()})
}

func (f *family) collect(s *source, d *prometheus.Desc, found chan<- prometheus.Metric) {
	switch {
	case f.value != nil:
		f.value(s, func(value float64, labels ...string) {
			found <- prometheus.MustNewConstMetric(d, f.kind, value, labels...)
		})
	case f.durations != nil:
		f.durations(s, func(h retinue.Histogram[time.Duration], labels ...string) {
			found <- histogram(d, h, float64(time.Second), labels)
		})
	default:
		found <- histogram(d, f.sizes(s), 1, nil)
	}
}

// histogram is a classic one: unit is what one in the base unit is in h's.
func histogram[U ~int64](d *prometheus.Desc, h retinue.Histogram[U], unit float64, labels []string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(h.Bounds))
	var below uint64
	for i, bound := range h.Bounds {
		below += h.Counts[i]
		buckets[float64(bound)/unit] = below
	}
	return prometheus.MustNewConstHistogram(d, h.Count(), h.Sum/unit, buckets, labels...)
}

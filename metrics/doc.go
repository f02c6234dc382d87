// Package metrics gives what a bus has counted and measured to Prometheus.
//
//	registry.MustRegister(metrics.Collector{Bus: bus})
//
// docs/metrics.md lists every metric; docs/metrics has a Grafana dashboard and
// alert rules for them.
package metrics

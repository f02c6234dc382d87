// Package workloads holds what is measured, one file per workload. A workload
// is a function from the plan of a run to groups of cases.
package workloads

// Package report shows results: as a table, as JSON lines, as a plot, and
// against the bars that Retinue has set itself.
package report

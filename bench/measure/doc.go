// Package measure is the core of the comparison: it drives workers for a
// measured time, runs the cases of a group in interleaved rounds, and reduces
// the rounds to one Result per case.
//
// A figure is the median over the rounds. A round runs every case of its group
// once, each in a fresh directory, in an order that rotates from round to
// round: a ratio within a group compares moments that lie seconds apart, on the
// same disk in the same mood.
package measure

// Package actors is a program's own package that is called like one of the
// library's.
package actors

// Note is a message between a program's actors.
type Note struct{ Text string }

// Package engines holds the two that stand on Pebble: Retinue, and Pebble
// without it. It imports no peer, so that a process that is weighed holds
// nothing else.
package engines

// Package systems holds what is compared, one file per system: Retinue, Pebble
// itself, and what a Go program would use instead.
//
// Every system stores the same payloads. A peer is set up as its documentation
// recommends for durable single events, with what helps it here and costs it
// nothing: batches of the size of the producers, one connection where more
// would fight over the same lock.
package systems

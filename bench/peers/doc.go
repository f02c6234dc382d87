// Package peers holds what a Go program would use instead of Retinue, one file
// per system.
//
// Every peer stores the same payloads, set up as its documentation recommends
// for durable single events, with what helps it here and costs it nothing:
// batches of the size of the producers, one connection where more would fight
// over the same lock.
package peers

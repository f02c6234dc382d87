// Package messages holds the words of Retinue: what a program says when it
// appends (an [Event], perhaps wrapped in a [Draft]), what it gets back (a
// [Receipt]), and what it reads (an [Entry]).
//
//	type Deposited struct {
//		Account string
//		Sats    uint64
//	}
//
//	func (Deposited) EventType() messages.Type {
//		return messages.Type{Module: "wallet", Kind: "deposited"}
//	}
//
// The package is data and rules about data: it has no method with an effect,
// starts no goroutine, and imports nothing but the standard library. Every
// error that a caller of Retinue may match lives here, sentinels as ErrX and
// types as XError.
package messages

// Package lint holds the house rules as tests; it has no other code.
//
//	go test ./internal/lint
//
// A rule is a function from the parsed repository to complaints, each of
// which says what to do instead. Beside each rule stands its proof: small
// sources that it must complain about, and some that it must let pass.
package lint

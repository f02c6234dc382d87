// Package faults holds the tests that make the disk fail. A failed store is
// abandoned with its goroutines parked, so these tests have a package, and a
// process, of their own, without the leak check of the others.
package faults

// Package wallclock lets the tests and the simulation of this module give a
// bus another wall clock, one that also runs backwards. No program needs that,
// so it is no option.
//
//	wallclock.Set(opts, clock.Now)
//	bus, err := retinue.Open(dir, opts)
package wallclock

import "time"

// Set makes now the wall clock of every bus that is opened with opts, which is
// a *retinue.Options: package retinue, which this one cannot name, puts the
// function here. now may be called from any goroutine.
var Set func(opts any, now func() time.Time)

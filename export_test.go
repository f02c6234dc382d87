package retinue

import "time"

// SetClock makes now the wall clock of the bus.
func (o *Options) SetClock(now func() time.Time) { o.now = now }

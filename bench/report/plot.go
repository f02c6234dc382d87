package report

import (
	"errors"

	"github.com/retinue-go/retinue/bench/measure"
)

// Plot draws.
func Plot(file string, results []measure.Result) error { return errors.New("not yet") }

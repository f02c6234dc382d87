package report

import (
	"encoding/json"
	"io"

	"github.com/retinue-go/retinue/bench/measure"
)

// JSON writes one object per line.
func JSON(w io.Writer, results []measure.Result) error {
	e := json.NewEncoder(w)
	for _, r := range results {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

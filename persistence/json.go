package persistence

import (
	"encoding/hex"
	"encoding/json"

	"github.com/retinue-go/retinue/messages"
)

// MarshalText returns String's form.
func (id StoreID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses String's form. Errors: [messages.InvalidError].
func (id *StoreID) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(id) {
		return messages.Invalid("store id", "%q is not %d bytes in hexadecimal", text, len(id))
	}
	copy(id[:], b)
	return nil
}

type (
	reportFields Report
	reportJSON   struct {
		reportFields
		Problems []*messages.RemoteError `json:"problems"`
	}
)

// MarshalJSON returns the report with its problems as [messages.RemoteError].
func (r Report) MarshalJSON() ([]byte, error) {
	form := reportJSON{reportFields: reportFields(r), Problems: []*messages.RemoteError{}}
	for _, err := range r.Problems {
		form.Problems = append(form.Problems, messages.Remote(err))
	}
	return json.Marshal(form)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Report) UnmarshalJSON(data []byte) error {
	var form reportJSON
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	*r = Report(form.reportFields)
	for _, problem := range form.Problems {
		if problem == nil {
			return messages.Invalid("report", "a problem is null")
		}
		r.Problems = append(r.Problems, problem)
	}
	return nil
}

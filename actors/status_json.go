package actors

import (
	"encoding/json"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// The JSON forms below are what a [Status] says to another program: errors
// as [messages.RemoteError], durations in seconds.
type (
	statusFields   Status
	followerFields FollowerStatus

	statusJSON struct {
		statusFields
		Failed      *messages.RemoteError `json:"failed,omitempty"`
		ClockOffset float64               `json:"clock_offset_seconds"`
	}
	followerJSON struct {
		followerFields
		LagTime    float64               `json:"lag_seconds"`
		LastError  *messages.RemoteError `json:"last_error,omitempty"`
		LastModule string                `json:"last_module,omitempty"`
		LastKind   string                `json:"last_kind,omitempty"`
	}
)

// MarshalJSON returns the status with its errors as [messages.RemoteError] and
// its durations in seconds.
func (s Status) MarshalJSON() ([]byte, error) {
	return json.Marshal(statusJSON{statusFields(s), messages.Remote(s.Failed), s.ClockOffset.Seconds()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Status) UnmarshalJSON(data []byte) error {
	var form statusJSON
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	*s = Status(form.statusFields)
	s.Failed, s.ClockOffset = form.Failed.Err(), seconds(form.ClockOffset)
	return nil
}

// MarshalJSON returns the status with its error as [messages.RemoteError] and
// its durations in seconds.
func (f FollowerStatus) MarshalJSON() ([]byte, error) {
	return json.Marshal(followerJSON{
		followerFields(f), f.LagTime.Seconds(), messages.Remote(f.LastError), f.LastType.Module, f.LastType.Kind,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote; of LastType it knows module and
// kind.
func (f *FollowerStatus) UnmarshalJSON(data []byte) error {
	var form followerJSON
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	*f = FollowerStatus(form.followerFields)
	f.LagTime, f.LastError = seconds(form.LagTime), form.LastError.Err()
	f.LastType = messages.Type{Module: form.LastModule, Kind: form.LastKind}
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

package queries_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/queries"
	"github.com/retinue-go/retinue/retinuetest"
)

func spellPaid(d queries.Decoded[paidV2]) string {
	return fmt.Sprintf("%d:%d/%s", d.Entry.ID, d.Event.Msats, d.Event.Payer)
}

func TestEachYieldsEntriesOfOneKindWithTheirEventsUpcast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, paid{1}, step{"A"}, paidV1{2000}, paidV2{3000, "alice"},
			messages.Draft{Event: paid{4}, Instance: 1, Correlation: "order 7"})
		for _, test := range []struct {
			query retinue.Query
			want  string
		}{
			{retinue.Query{}, "1:1000/unknown 3:2000/unknown 4:3000/alice 5:4000/unknown"},
			{retinue.Query{Reverse: true, Limit: 2}, "5:4000/unknown 4:3000/alice"},
			{retinue.Query{Log: messages.TrimmableLog, From: messages.TrimmableID(4)}, "4:3000/alice 5:4000/unknown"},
			{retinue.Query{Filter: messages.Filter{Instances: []uint32{1}}}, "5:4000/unknown"},
			{retinue.Query{Filter: messages.Filter{Correlations: []string{"order 7"}}}, "5:4000/unknown"},
			{retinue.Query{Filter: messages.Filter{Modules: []string{"wallet"}}, Limit: 1}, "1:1000/unknown"},
			{retinue.Query{Filter: messages.Filter{Modules: []string{""}}}, ""},
			{retinue.Query{Filter: messages.Filter{Types: []messages.Type{step{}.EventType()}}}, ""},
		} {
			if got, err := collect(queries.Each[paidV2](t.Context(), bus, test.query), spellPaid); err != nil || got != test.want {
				t.Errorf("%+v: %q, %v, want %q", test.query, got, err, test.want)
			}
		}
	})
}

func TestWhatDoesNotDecodeIsTheLoopsToJudge(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, paid{1}, paid{-2}, paid{3})
		var skipped, raw, stopped string
		for d, err := range queries.Each[paidV2](t.Context(), bus, retinue.Query{}) {
			if errors.Is(err, messages.ErrDecode) {
				raw += string(d.Entry.Payload)
				if d.Event != (paidV2{}) || !errors.Is(err, errNegative) {
					t.Errorf("entry %v: %+v, %v", d.Entry.ID, d.Event, err)
				}
				continue
			}
			skipped += spellPaid(d) + " "
		}
		for d, err := range queries.Each[paidV2](t.Context(), bus, retinue.Query{}) {
			if err != nil {
				var failed *messages.DecodeError
				if !errors.As(err, &failed) || failed.At != messages.EventID(2) || failed.Reason != messages.UpcastFailed {
					t.Errorf("stopped by %v", err)
				}
				break
			}
			stopped += spellPaid(d) + " "
		}
		if skipped != "1:1000/unknown 3:3000/unknown " || raw != `{"Sats":-2}` || stopped != "1:1000/unknown " {
			t.Errorf("skipped %q, raw %q, stopped %q", skipped, raw, stopped)
		}
	})
}

func TestADowngradedTypeReportsEveryNewerEntry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, paid{1}, paidV2{2, "bob"}, paid{3})
		var reasons []messages.DecodeReason
		var sats int
		for d, err := range queries.Each[paid](t.Context(), bus, retinue.Query{}) {
			if failed := (*messages.DecodeError)(nil); errors.As(err, &failed) {
				reasons = append(reasons, failed.Reason)
			}
			sats += d.Event.Sats
		}
		if sats != 4 || fmt.Sprint(reasons) != "[newer version]" {
			t.Errorf("%d sats, reasons %v", sats, reasons)
		}
	})
}

func TestEachRefusesTypesThatTheLogNeverHolds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		bus := retinuetest.Open(t, nil)
		retinuetest.Append(t, bus, step{"A"}, traced{"a"})
		_, err := collect(queries.Each[traced](t.Context(), bus, retinue.Query{}), func(queries.Decoded[traced]) string { return "?" })
		wantError(t, err, messages.ErrInvalid)
		_, err = collect(queries.Each[blinked](t.Context(), bus, retinue.Query{Log: messages.TrimmableLog}), func(queries.Decoded[blinked]) string { return "?" })
		wantError(t, err, messages.ErrInvalid)
		_, err = collect(queries.Each[messages.Event](t.Context(), bus, retinue.Query{}), func(queries.Decoded[messages.Event]) string { return "?" })
		wantError(t, err, messages.ErrInvalid)
		got, err := collect(queries.Each[traced](t.Context(), bus, retinue.Query{Log: messages.TrimmableLog}),
			func(d queries.Decoded[traced]) string { return d.Event.Name })
		if got != "a" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = collect(queries.Each[step](ended, bus, retinue.Query{}), func(queries.Decoded[step]) string { return "?" })
		wantError(t, err, context.Canceled)
	})
}

func wantError(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error = %v, want %v", err, target)
	}
}

package retinue_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// meddlingContext calls meddle when a reader asks whether it may go on, for
// the nth time: after it has looked for the horizon, before it reads.
type meddlingContext struct {
	context.Context
	asked, nth int
	meddle     func()
}

func (c *meddlingContext) Err() error {
	if c.asked++; c.asked == c.nth {
		c.meddle()
	}
	return c.Context.Err()
}

// tids reads ids in the trimmable log, in one go or as one page.
func tids(ctx context.Context, bus *retinue.Bus, q retinue.Query, paged bool) (ids []uint64, err error) {
	if paged {
		p, err := bus.Page(ctx, q)
		for _, e := range p.Entries {
			ids = append(ids, uint64(e.TrimmableID))
		}
		return ids, err
	}
	for e, err := range bus.Entries(ctx, q) {
		if err != nil {
			return ids, err
		}
		ids = append(ids, uint64(e.TrimmableID))
	}
	return ids, nil
}

func TestReaderFromTheHorizonFollowsItUntilTheFirstEntry(t *testing.T) {
	for _, q := range []retinue.Query{
		{Log: messages.TrimmableLog},
		{Log: messages.TrimmableLog, Reverse: true},
		{Log: messages.TrimmableLog, Since: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Log: messages.TrimmableLog, To: messages.TrimmableID(3)},
	} {
		var want []uint64
		if q.To == nil {
			want = []uint64{9, 10}
		}
		if q.Reverse {
			slices.Reverse(want)
		}
		for _, paged := range []bool{false, true} {
			b := openTrimming(t, retinue.Trim{MinEntries: 2, MinAge: -1})
			b.fill(t, 10)
			ctx := &meddlingContext{Context: t.Context(), nth: 1, meddle: func() {
				b.wantPass(t, retinue.Trimmed{Entries: 8, Horizon: 9})
			}}
			got, err := tids(ctx, b.Bus, q, paged)
			if err != nil {
				t.Fatalf("%+v: %v", q, err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v, paged %v: %v, want %v", q, paged, got, want)
			}
		}
	}
}

// A reader that holds its loop pins nothing: the trimmer overtakes it, and it
// is told.
func TestReaderThatTheTrimmerOvertakesIsTold(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: 10, MinAge: -1})
	b.fill(t, 1000)
	next, err := uint64(1), error(nil)
	for e, problem := range b.Entries(t.Context(), retinue.Query{Log: messages.TrimmableLog}) {
		if err = problem; err != nil {
			break
		}
		if uint64(e.TrimmableID) != next {
			t.Fatalf("entry %v after %d", e.TrimmableID, next-1)
		}
		if next++; next == 2 {
			b.wantPass(t, retinue.Trimmed{Entries: 990, Horizon: 991})
		}
	}
	var trimmed *messages.TrimmedError
	if !errors.As(err, &trimmed) || uint64(trimmed.Wanted) != next || trimmed.Horizon != 991 {
		t.Errorf("after entry %d: %v, want it trimmed up to 991", next-1, err)
	}
}

func TestReverseReaderEndsAtTheHorizonThatTheTrimmerMoved(t *testing.T) {
	b := openTrimming(t, retinue.Trim{MinEntries: 500, MinAge: -1})
	b.fill(t, 1000)
	last := uint64(1001)
	for e, err := range b.Entries(t.Context(), retinue.Query{Log: messages.TrimmableLog, Reverse: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if last == 1001 {
			b.wantPass(t, retinue.Trimmed{Entries: 500, Horizon: 501})
		}
		if last--; uint64(e.TrimmableID) != last {
			t.Fatalf("entry %v, want %d", e.TrimmableID, last)
		}
	}
	if last != 501 {
		t.Errorf("it ended at %d, want the horizon 501", last)
	}
}

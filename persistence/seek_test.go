package persistence

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"pgregory.net/rapid"

	"github.com/retinue-go/retinue/messages"
)

func TestSeekByTimeAgreesWithAPlainSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLogModel(t, "", blockPropertyCollectors())
		defer l.close(t)
		start := l.ordered
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			l.step(t)
		}
		for range 20 {
			log, from, to := messages.Permanent, uint64(1), uint64(l.events)
			if rapid.Bool().Draw(t, "trimmable") {
				log, from, to = messages.TrimmableLog, uint64(l.horizon), l.head()
			}
			from = rapid.Uint64Range(from, to).Draw(t, "from")
			to = rapid.Uint64Range(from, to).Draw(t, "to")
			at := rapid.Uint64Range(start, l.ordered+1).Draw(t, "at")
			want := to
			for _, e := range l.want(PageQuery{Log: log, From: from, To: to}, messages.Filter{}) {
				if uint64(e.Ordered.UnixNano()) >= at {
					want, _, _ = messages.Span(e, log)
					break
				}
			}
			if got, err := l.seekTime(log, at, from, to, nil); got != want || err != nil {
				t.Fatalf("%v log, %d in [%d, %d): got %d, %v, want %d", log, at, from, to, got, err, want)
			}
		}
	})
}

// A search for a time halves a wide range, then scans the rest, past the blocks
// that lie before it, whether or not their times are known.
func TestSeekByTimeInAFlushedLogReadsASmallShare(t *testing.T) {
	for _, collectors := range [][]func() pebble.BlockPropertyCollector{blockPropertyCollectors(), nil} {
		l := rareKind(t, collectors)
		defer l.close(t)
		whole, err := l.page(PageQuery{Log: messages.TrimmableLog, From: 1, To: l.head()})
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(l.entries); at += 997 {
			e := l.entries[at]
			for _, log := range []messages.Log{messages.Permanent, messages.TrimmableLog} {
				want, _, err := messages.Span(e, log)
				if err != nil {
					continue
				}
				var read ReadStats
				got, err := l.seekTime(log, uint64(e.Ordered.UnixNano()), 1, l.head(), &read)
				if got != want || err != nil {
					t.Fatalf("%v log: got %d, %v, want %d", log, got, err, want)
				}
				if read.Bytes*8 > whole.Read.Bytes {
					t.Errorf("%v log, entry %d: %d bytes of %d", log, want, read.Bytes, whole.Read.Bytes)
				}
			}
		}
	}
}

func TestSeekByTimeStartsAtTheHorizon(t *testing.T) {
	l := newLogModel(t, "", blockPropertyCollectors())
	defer l.close(t)
	l.append(t, some(5, "p", messages.Persistent)...)
	l.append(t, some(5, "t", messages.Trimmable)...)
	l.trim(t, 4)
	if got, err := l.seekTime(messages.TrimmableLog, 0, 1, l.head(), nil); got != 4 || err != nil {
		t.Errorf("got %d, %v, want 4", got, err)
	}
}

func TestOneEntryIsFoundInBothLogs(t *testing.T) {
	l := newLogModel(t, "app", blockPropertyCollectors())
	defer l.close(t)
	l.append(t, some(3, "t", messages.Trimmable)...)
	l.append(t, some(3, "p", messages.Persistent)...)
	l.append(t, some(3, "t", messages.Trimmable)...)
	for _, want := range l.entries {
		got, err := l.entry(messages.TrimmableLog, uint64(want.TrimmableID))
		if err != nil || !sameEntry(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if want.ID == 0 {
			continue
		}
		want.Log = messages.Permanent
		got, err = l.entry(messages.Permanent, uint64(want.ID))
		if err != nil || !sameEntry(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	l.trim(t, 3)
	if _, err := l.entry(messages.TrimmableLog, 2); !errors.Is(err, messages.ErrTrimmed) {
		t.Errorf("trimmed entry: %v", err)
	}
	for log, ids := range map[messages.Log][]uint64{
		messages.Permanent:    {0, 4, ^uint64(0)},
		messages.TrimmableLog: {0, 10, ^uint64(0)},
	} {
		for _, id := range ids {
			if _, err := l.entry(log, id); !errors.Is(err, messages.ErrOutOfRange) {
				t.Errorf("entry %d of the %v log: %v", id, log, err)
			}
		}
	}
}

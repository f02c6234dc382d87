package persistence

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"pgregory.net/rapid"

	"github.com/retinue-go/retinue/messages"
)

func TestPagesAgreeWithAPlainSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		collectors := blockPropertyCollectors()
		if rapid.IntRange(0, 3).Draw(t, "collectors") == 0 {
			collectors = nil // a database that was not configured for us
		}
		l := newLogModel(t, rapid.SampledFrom([]string{"", "app", "\x00P"}).Draw(t, "prefix"), collectors)
		defer l.close(t)
		if len(l.keys.prefix) > 0 {
			for _, foreign := range []string{"a", "apo", "apq this is a long key of a stranger", "\x00P", "\x00\xffQ"} {
				check(l.disk.Set([]byte(foreign), []byte("value"), pebble.NoSync))
			}
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			l.step(t)
		}
		for range 8 {
			l.compare(t)
		}
	})
}

func drawFilter(t *rapid.T) messages.Filter {
	some := func(name string, of ...string) []string {
		if rapid.IntRange(0, 2).Draw(t, name) > 0 {
			return nil
		}
		return rapid.SliceOfN(rapid.SampledFrom(of), 1, 2).Draw(t, name+"s")
	}
	f := messages.Filter{
		Modules: some("module", "", "a", "b", "many", "absent"),
		Kinds:   some("kind", "x", "y", "5", "69", "absent"),
	}
	if rapid.IntRange(0, 3).Draw(t, "by type") == 0 {
		f.Types = []messages.Type{{Module: "a", Kind: "x"}, {Kind: "y"}}
	}
	if rapid.IntRange(0, 3).Draw(t, "by instance") == 0 {
		f.Instances = []uint32{rapid.Uint32Range(0, 3).Draw(t, "instance")}
	}
	if rapid.IntRange(0, 3).Draw(t, "by correlation") == 0 {
		f.Correlations = []string{rapid.SampledFrom(correlations).Draw(t, "correlation")}
	}
	if rapid.IntRange(0, 3).Draw(t, "by event time") == 0 {
		f.HappenedSince = time.Unix(rapid.Int64Range(0, 9).Draw(t, "since"), 0)
		f.HappenedUntil = f.HappenedSince.Add(time.Duration(rapid.Int64Range(0, 5e9).Draw(t, "window")))
	}
	return f
}

// compare draws a query, reads all its pages, and holds them against the slice.
func (l *logModel) compare(t *rapid.T) {
	q := PageQuery{Log: messages.Permanent, From: 1, To: uint64(l.events)}
	if rapid.Bool().Draw(t, "trimmable") {
		q = PageQuery{Log: messages.TrimmableLog, From: uint64(l.horizon), To: l.head()}
	}
	if rapid.Bool().Draw(t, "part") {
		q.From = rapid.Uint64Range(q.From, q.To).Draw(t, "from")
		q.To = rapid.Uint64Range(q.From, q.To).Draw(t, "to")
	}
	if q.Log == messages.TrimmableLog && rapid.Bool().Draw(t, "hinted") {
		q.Hint = messages.EventID(rapid.Uint64Range(0, uint64(l.hintFor(q.From))).Draw(t, "hint"))
	}
	f := drawFilter(t)
	q.Reverse = rapid.Bool().Draw(t, "reverse")
	q.Selection = l.types.selection(f)
	q.MaxEntries = rapid.IntRange(0, 5).Draw(t, "max entries")
	q.MaxBytes = rapid.SampledFrom([]int{0, 1, 500}).Draw(t, "max bytes")
	q.MaxScan = rapid.SampledFrom([]int{0, 1, 7}).Draw(t, "max scan")
	want := l.want(q, f)

	var p Page
	for more := true; more; {
		before := q
		if err := l.readPage(&p, q); err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		l.compareLimits(t, &p, q)
		for _, e := range p.Entries {
			if len(want) == 0 || !sameEntry(e, want[0]) {
				t.Fatalf("%+v: got %+v, want first of %d %+v", q, e, len(want), want)
			}
			want = want[1:]
		}
		if q.Reverse {
			q.To, more = p.Next, p.Next > q.From
		} else {
			q.From, more = p.Next, p.Next < q.To
		}
		if q.Hint = p.Hint; q.Log == messages.TrimmableLog && q.Hint > l.hintFor(q.From) {
			t.Fatalf("hint %d for %d, want %d at most", q.Hint, q.From, l.hintFor(q.From))
		}
		if more && q.From == before.From && q.To == before.To {
			t.Fatalf("%+v: no progress", q)
		}
	}
	if len(want) > 0 {
		t.Fatalf("%+v: %d entries not read, first %+v", q, len(want), want[0])
	}
}

func (l *logModel) compareLimits(t *rapid.T, p *Page, q PageQuery) {
	size := 0
	for _, e := range p.Entries {
		size += len(e.Payload)
	}
	switch {
	case q.MaxEntries > 0 && len(p.Entries) > q.MaxEntries,
		q.MaxScan > 0 && p.Scanned > q.MaxScan,
		q.MaxBytes > 0 && size > q.MaxBytes && len(p.Entries) > 1:
		t.Fatalf("%+v: %d entries, %d bytes, %d scanned", q, len(p.Entries), size, p.Scanned)
	case q.Log == messages.TrimmableLog && p.Horizon != l.horizon:
		t.Fatalf("horizon %v, want %v", p.Horizon, l.horizon)
	}
}

// trimmingReader commits a trim as soon as an iterator has been opened.
type trimmingReader struct {
	pebble.Reader
	trim func()
}

func (r *trimmingReader) NewIter(o *pebble.IterOptions) (*pebble.Iterator, error) {
	it, err := r.Reader.NewIter(o)
	if r.trim != nil {
		r.trim()
		r.trim = nil
	}
	return it, err
}

func TestTrimBetweenTwoScansSkipsNothing(t *testing.T) {
	for _, f := range []messages.Filter{{}, {Kinds: []string{"p", "t"}}} {
		for _, reverse := range []bool{false, true} {
			l := newLogModel(t, "", blockPropertyCollectors())
			for range 10 {
				l.append(t, some(1, "p", messages.Persistent)...)
				l.append(t, some(2, "t", messages.Trimmable)...)
			}
			l.db = &trimmingReader{Reader: l.disk, trim: func() { l.trim(t, 25) }}
			q := PageQuery{Log: messages.TrimmableLog, To: l.head(), Reverse: reverse, Selection: l.types.selection(f)}
			p, err := l.page(q)
			if err != nil || len(p.Entries) != 30 || p.Horizon != 1 {
				t.Errorf("%v: got %d entries, horizon %v, %v; want all 30 of before the trim", f, len(p.Entries), p.Horizon, err)
			}
			p, err = l.page(q)
			if err != nil || len(p.Entries) != 6 || p.Horizon != 25 {
				t.Errorf("%v: got %d entries, horizon %v, %v; want the 6 behind the trim", f, len(p.Entries), p.Horizon, err)
			}
			l.close(t)
		}
	}
}

func TestUnfilteredPageAssertsContiguity(t *testing.T) {
	for _, victim := range []int{0, 1, 7, 18, 19} { // the last two are at the end of the range
		for _, reverse := range []bool{false, true} {
			l := newLogModel(t, "", blockPropertyCollectors())
			for range 10 {
				l.append(t, some(1, "p", messages.Persistent)...)
				l.append(t, some(1, "t", messages.Trimmable)...)
			}
			e := l.entries[victim]
			typ, _ := l.types.number("m", e.Type.Kind)
			key := l.keys.trimmable(nil, e.TrimmableID, uint64(e.Ordered.UnixNano()), typ)
			if e.ID != 0 {
				key = l.keys.permanent(nil, e.ID, e.TrimmableID, uint64(e.Ordered.UnixNano()), typ)
			}
			check(l.disk.Delete(key, pebble.NoSync))
			queries := []PageQuery{{Log: messages.TrimmableLog, From: 1, To: l.head(), Reverse: reverse}}
			if e.ID != 0 {
				queries = append(queries, PageQuery{Log: messages.Permanent, From: 1, To: uint64(l.events), Reverse: reverse})
			}
			for _, q := range queries {
				if _, err := l.page(q); !errors.Is(err, messages.ErrCorrupt) {
					t.Errorf("entry %d deleted, %v log, reverse %v: got %v", victim+1, q.Log, reverse, err)
				}
				for q.MaxEntries = 1; q.From < q.To; { // also where a gap lies between two pages
					p, err := l.page(q)
					if errors.Is(err, messages.ErrCorrupt) {
						break
					}
					if err != nil || p.Next == q.start() {
						t.Fatalf("entry %d deleted: next %d, %v", victim+1, p.Next, err)
					}
					if reverse {
						q.To = p.Next
					} else {
						q.From = p.Next
					}
				}
				if q.From >= q.To {
					t.Errorf("entry %d deleted, %v log, reverse %v: pages of one entry passed it", victim+1, q.Log, reverse)
				}
			}
			l.close(t)
		}
	}
}

func TestPageBelowHorizonIsATypedError(t *testing.T) {
	l := newLogModel(t, "", blockPropertyCollectors())
	defer l.close(t)
	l.append(t, some(20, "t", messages.Trimmable)...)
	l.trim(t, 11)
	for _, f := range []messages.Filter{{}, {Kinds: []string{"t"}}, {Kinds: []string{"absent"}}} {
		for _, to := range []uint64{5, 10, l.head()} {
			_, err := l.page(PageQuery{Log: messages.TrimmableLog, From: 5, To: to, Selection: l.types.selection(f)})
			var trimmed *messages.TrimmedError
			if !errors.As(err, &trimmed) || *trimmed != (messages.TrimmedError{Wanted: 5, Horizon: 11}) {
				t.Errorf("%v: got %v", f, err)
			}
		}
	}
	l.trim(t, messages.TrimmableID(l.head()))
	p, err := l.page(PageQuery{Log: messages.TrimmableLog, To: l.head()})
	if err != nil || len(p.Entries) != 0 || p.Next != l.head() || p.Horizon != 21 {
		t.Errorf("emptied log: got %+v, %v", p, err)
	}
}

func TestPermanentEntriesBelowHorizonStayInThePermanentLogOnly(t *testing.T) {
	l := newLogModel(t, "", blockPropertyCollectors())
	defer l.close(t)
	l.append(t, some(20, "p", messages.Persistent)...)
	l.trim(t, 11)
	p, err := l.page(PageQuery{Log: messages.TrimmableLog, To: l.head()})
	if err != nil || len(p.Entries) != 10 || p.Entries[0].TrimmableID != 11 || p.Entries[0].ID != 11 {
		t.Errorf("trimmable log: got %d entries, %v", len(p.Entries), err)
	}
	p, err = l.page(PageQuery{To: uint64(l.events)})
	if err != nil || len(p.Entries) != 20 {
		t.Errorf("permanent log: got %d entries, %v", len(p.Entries), err)
	}
}

func TestDamagedRecordsEndAPageWithATypedError(t *testing.T) {
	for name, damage := range map[string]func(l *logModel){
		"horizon": func(l *logModel) { check(l.disk.Set(l.keys.meta(metaHorizon), []byte("short"), pebble.NoSync)) },
		"key":     func(l *logModel) { check(l.disk.Set(l.keys.permanentID(nil, 3), nil, pebble.NoSync)) },
		"type":    func(l *logModel) { check(l.disk.Set(l.keys.permanent(nil, 3, 3, 0, 9), []byte{0}, pebble.NoSync)) },
		"record":  func(l *logModel) { check(l.disk.Set(l.keys.permanent(nil, 3, 3, 0, 1), nil, pebble.NoSync)) },
	} {
		l := newLogModel(t, "", blockPropertyCollectors())
		l.append(t, some(2, "p", messages.Persistent)...)
		damage(l)
		if _, err := l.page(PageQuery{Log: messages.TrimmableLog, From: 1, To: 4}); !errors.Is(err, messages.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
		l.close(t)
	}
}

func TestSelectionLearnsKindsThatJoinLater(t *testing.T) {
	l := newLogModel(t, "", blockPropertyCollectors())
	defer l.close(t)
	l.append(t, some(1, "old", messages.Persistent)...)
	q := PageQuery{From: 1, Selection: l.types.selection(messages.Filter{Kinds: []string{"new"}})}
	for _, want := range []int{0, 3} {
		q.To = uint64(l.events)
		if p, err := l.page(q); err != nil || len(p.Entries) != want || p.Next != q.To {
			t.Errorf("got %d entries, next %d, %v; want %d, %d", len(p.Entries), p.Next, err, want, q.To)
		}
		l.append(t, some(3, "new", messages.Persistent)...)
	}
}

func TestReusedPageAllocatesNothingPerEntry(t *testing.T) {
	l := newLogModel(t, "", blockPropertyCollectors())
	defer l.close(t)
	for range 300 {
		l.append(t, some(1, "p", messages.Persistent)...)
		l.append(t, some(1, "t", messages.Trimmable)...)
	}
	l.flush(t)
	for name, q := range map[string]PageQuery{
		"permanent": {Log: messages.Permanent, From: 20, To: 300},
		"trimmable": {Log: messages.TrimmableLog, From: 20, To: 500},
		"reverse":   {Log: messages.TrimmableLog, From: 20, To: 500, Reverse: true},
		"filtered":  {Log: messages.TrimmableLog, From: 20, To: 600, Selection: l.types.selection(messages.Filter{Kinds: []string{"t"}})},
	} {
		q.MaxEntries = 256
		var p Page
		allocations := testing.AllocsPerRun(20, func() {
			if err := l.readPage(&p, q); err != nil || len(p.Entries) != 256 {
				t.Fatal(len(p.Entries), err)
			}
		})
		if allocations > pageAllocations {
			t.Errorf("%s: %v allocations for 256 entries", name, allocations)
		}
	}
}

func BenchmarkReadPage(b *testing.B) {
	l := newLogModel(b, "", blockPropertyCollectors())
	defer l.close(b)
	for range 200 {
		l.append(b, some(50, "p", messages.Persistent)...)
		l.append(b, some(50, "t", messages.Trimmable)...)
	}
	l.flush(b)
	for name, q := range map[string]PageQuery{
		"permanent": {Log: messages.Permanent, From: 1, To: uint64(l.events)},
		"trimmable": {Log: messages.TrimmableLog, From: 1, To: l.head()},
	} {
		b.Run(name, func(b *testing.B) {
			var p Page
			entries := 0
			for b.Loop() {
				at := q
				at.MaxEntries = 256
				for at.From < at.To {
					if err := l.readPage(&p, at); err != nil {
						b.Fatal(err)
					}
					at.From, at.Hint = p.Next, p.Hint
					entries += len(p.Entries)
				}
			}
			b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

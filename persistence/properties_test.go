package persistence

import (
	"encoding/binary"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/retinue-go/retinue/messages"
)

// rareKind is a flushed log of 20000 entries of which 4 are rare.
func rareKind(t *testing.T, collectors []func() pebble.BlockPropertyCollector) *logModel {
	l := newLogModel(t, "app", collectors)
	for range 4 {
		for range 50 {
			l.append(t, some(50, "common", messages.Persistent)...)
			l.append(t, some(50, "ordinary", messages.Trimmable)...)
		}
		l.append(t, some(1, "rare", messages.Persistent)...)
	}
	l.flush(t)
	return l
}

func TestRareKindSkipsBlocks(t *testing.T) {
	l := rareKind(t, blockPropertyCollectors())
	defer l.close(t)
	rare := l.types.selection(messages.Filter{Kinds: []string{"rare"}})
	for _, q := range []PageQuery{
		{Log: messages.Permanent, From: 1, To: uint64(l.events)},
		{Log: messages.TrimmableLog, From: 1, To: l.head()},
		{Log: messages.TrimmableLog, From: 1, To: l.head(), Reverse: true},
	} {
		all, err := l.page(q)
		if err != nil {
			t.Fatal(err)
		}
		q.Selection = rare
		few, err := l.page(q)
		if err != nil || len(few.Entries) != 4 || few.Scanned > 400 {
			t.Fatalf("got %d entries, %d scanned, %v", len(few.Entries), few.Scanned, err)
		}
		// What the page has loaded: the cache is asked by compactions as well.
		t.Logf("%v log, reverse %v: %d bytes of blocks instead of %d", q.Log, q.Reverse, few.Read.Bytes, all.Read.Bytes)
		if all.Read.Bytes < 200<<10 || few.Read.Bytes*4 > all.Read.Bytes {
			t.Errorf("%v log: %d bytes of blocks instead of %d", q.Log, few.Read.Bytes, all.Read.Bytes)
		}
	}
}

func TestWindowOfTimeSkipsBlocks(t *testing.T) {
	l := rareKind(t, blockPropertyCollectors())
	defer l.close(t)
	middle := l.entries[10_000].Ordered.UnixMilli()
	scan := func(filters ...pebble.BlockPropertyFilter) (keys int) {
		lower, upper := l.keys.bounds(spacePermanent)
		it, err := l.disk.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper, PointKeyFilters: filters})
		if err != nil {
			t.Fatal(err)
		}
		for ok := it.First(); ok; ok = it.Next() {
			keys++
		}
		if err := closing(it, nil); err != nil {
			t.Fatal(err)
		}
		return keys
	}
	all := scan()
	few := scan(sstable.NewBlockIntervalFilter(propertyOrdered, uint64(middle), uint64(middle+200), nil))
	if all != 10_004 || few < 100 || few > 300 {
		t.Errorf("window of 100 permanent entries: %d keys of %d", few, all)
	}
}

func TestTablesWithoutPropertiesMatchEveryFilter(t *testing.T) {
	l := rareKind(t, nil)
	defer l.close(t)
	q := PageQuery{Log: messages.TrimmableLog, From: 1, To: l.head()}
	q.Selection = l.types.selection(messages.Filter{Kinds: []string{"rare"}})
	if p, err := l.page(q); err != nil || len(p.Entries) != 4 {
		t.Errorf("got %d entries, %v", len(p.Entries), err)
	}
}

func TestKeysOfStrangersOnlyWidenAProperty(t *testing.T) {
	add := func(keys ...[]byte) (props [][]byte) {
		for _, collector := range blockPropertyCollectors() {
			c := collector()
			for _, key := range keys {
				if err := c.AddPointKey(sstable.InternalKey{UserKey: key}, nil); err != nil {
					t.Fatal(err)
				}
			}
			prop, err := c.FinishDataBlock(nil)
			if err != nil {
				t.Fatal(err)
			}
			props = append(props, prop)
		}
		return props
	}
	for i, prop := range add(nil, []byte{}, []byte("short"), make([]byte, trimmableKeyLen-1)) {
		if len(prop) > 0 {
			t.Errorf("short keys contribute to property %d: %x", i, prop)
		}
	}
	const ordered = 1_500_000_000e9
	entry := newKeyspace([]byte("app")).trimmable(nil, 7, ordered, 64+5)
	stranger := append([]byte("a stranger's key"), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9)
	props := add(entry, stranger)
	if got := binary.BigEndian.Uint64(props[1]); got != 1<<5|1<<9 {
		t.Errorf("types %b", got)
	}
	filter := sstable.NewBlockIntervalFilter(propertyOrdered, 1_500_000_000_000, 1_500_000_000_001, nil)
	if ok, err := filter.Intersects(props[0]); !ok || err != nil {
		t.Errorf("the entry's time is not in %x: %v", props[0], err)
	}
}

func TestTypeFilterReadsTheCollectorsProperty(t *testing.T) {
	property := binary.BigEndian.AppendUint64(nil, 1<<5|1<<63)
	for _, c := range []struct {
		filter typeFilter
		prop   []byte
		want   bool
	}{
		{1 << 5, property, true},
		{1<<63 | 1, property, true},
		{1 << 6, property, false},
		{^typeFilter(0), nil, false}, // no entry in the block
		{1 << 6, []byte{1, 2, 3}, true},
	} {
		if got, err := c.filter.Intersects(c.prop); got != c.want || err != nil {
			t.Errorf("%b in %x: got %v, %v", c.filter, c.prop, got, err)
		}
	}
}

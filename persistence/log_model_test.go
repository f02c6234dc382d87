package persistence

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/retinue-go/retinue/messages"
)

// logModel is a log on disk and, beside it, what it should hold.
type logModel struct {
	reader
	disk    *pebble.DB
	entries []messages.Entry // of the trimmable log, trimmed ones too
	events  messages.EventID // head of the permanent log
	horizon messages.TrimmableID
	ordered uint64
}

type failer interface{ Fatal(...any) }

func newLogModel(t failer, prefix string, collectors []func() pebble.BlockPropertyCollector) *logModel {
	o := &pebble.Options{
		FS: vfs.NewMem(), FormatMajorVersion: pebble.FormatValueSeparation,
		BlockPropertyCollectors: collectors, DisableTableStats: true,
		MemTableSize: 1 << 20, CacheSize: 8 << 20, Logger: quietLogger{},
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 1 << 10
	}
	db, err := pebble.Open("db", o)
	if err != nil {
		t.Fatal(err)
	}
	l := &logModel{disk: db, events: 1, horizon: 1, ordered: 1_500_000_000e9}
	l.reader = reader{db: db, keys: newKeyspace([]byte(prefix)), types: &dictionary{}}
	return l
}

type quietLogger struct{}

func (quietLogger) Infof(string, ...any)           {}
func (quietLogger) Errorf(string, ...any)          {}
func (quietLogger) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func (l *logModel) close(t failer) {
	if err := l.disk.Close(); err != nil { // tells of iterators left open
		t.Fatal(err)
	}
}

func (l *logModel) head() uint64 { return uint64(len(l.entries)) + 1 }

// append places events in one batch.
func (l *logModel) append(t failer, events ...messages.Prepared) {
	b := l.disk.NewBatch()
	for i := range events {
		p := &events[i]
		number, ok := l.types.number(p.Type.Module, p.Type.Kind)
		if !ok {
			number = uint32(l.types.len() + 1)
			l.types.add(number, p.Type.Module, p.Type.Kind)
		}
		l.ordered += 1e6
		key := entryKey{tid: messages.TrimmableID(l.head()), ordered: l.ordered, typ: number}
		k := l.keys.trimmable(nil, key.tid, key.ordered, key.typ)
		if p.Type.Persistence == messages.Persistent {
			key.id = l.events
			l.events++
			k = l.keys.permanent(nil, key.id, key.tid, key.ordered, key.typ)
		}
		check(b.Set(k, appendRecord(nil, p, key.ordered), nil))
		l.entries = append(l.entries, entryOf(messages.TrimmableLog, p, key))
	}
	l.commit(t, b)
}

func (l *logModel) trim(t failer, to messages.TrimmableID) {
	b := l.disk.NewBatch()
	check(b.DeleteRange(l.keys.trimmableID(nil, l.horizon), l.keys.trimmableID(nil, to), nil))
	check(b.Set(l.keys.meta(metaHorizon), binary.BigEndian.AppendUint64(nil, uint64(to)), nil))
	l.horizon = to
	l.commit(t, b)
}

func (l *logModel) commit(t failer, b *pebble.Batch) {
	if err := b.Commit(pebble.NoSync); err != nil {
		t.Fatal(err)
	}
}

func (l *logModel) flush(t failer) {
	if err := l.disk.Flush(); err != nil {
		t.Fatal(err)
	}
}

// page reads one page into fresh memory.
func (l *logModel) page(q PageQuery) (Page, error) {
	var p Page
	err := l.readPage(&p, q)
	return p, err
}

// want is the answer to a query without limits.
func (l *logModel) want(q PageQuery, f messages.Filter) (want []messages.Entry) {
	for _, e := range l.entries {
		e.Log = q.Log
		id, _, err := messages.Span(e, q.Log)
		if err != nil || id < q.From || id >= q.To || !f.Match(e) {
			continue
		}
		if q.Reverse {
			want = append([]messages.Entry{e}, want...)
		} else {
			want = append(want, e)
		}
	}
	return want
}

// hintFor is the last valid hint for a query from tid.
func (l *logModel) hintFor(tid uint64) messages.EventID {
	for _, e := range l.entries {
		if e.ID != 0 && uint64(e.TrimmableID) >= tid {
			return e.ID
		}
	}
	return l.events
}

var correlations = []string{"", "order 7", "a correlation that is longer than thirty-two bytes"}

func (l *logModel) step(t *rapid.T) {
	switch rapid.IntRange(0, 5).Draw(t, "step") {
	case 0:
		l.flush(t)
		if rapid.Bool().Draw(t, "compact") {
			check(l.disk.Compact(context.Background(), []byte{0}, []byte{0xff}, false))
		}
	case 1:
		l.trim(t, messages.TrimmableID(rapid.Uint64Range(uint64(l.horizon), l.head()).Draw(t, "trim")))
	case 2: // kinds whose numbers share a bit of the block property
		for l.types.len() < 70 {
			l.append(t, messages.Prepared{Type: messages.Type{Module: "many", Kind: fmt.Sprint(l.types.len())}, Codec: "raw"})
		}
	default:
		events := make([]messages.Prepared, rapid.IntRange(1, 20).Draw(t, "events"))
		persistence := []messages.Persistence{messages.Persistent, messages.Trimmable}
		if rapid.Bool().Draw(t, "one persistence") {
			persistence = persistence[rapid.IntRange(0, 1).Draw(t, "which"):][:1]
		}
		for i := range events {
			events[i] = messages.Prepared{
				Type: messages.Type{
					Module:      rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "module"),
					Kind:        rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "kind"),
					Persistence: rapid.SampledFrom(persistence).Draw(t, "persistence"),
					Version:     rapid.Uint32Range(0, 2).Draw(t, "version"),
				},
				Codec:       rapid.SampledFrom([]string{"json", "raw", "cbor"}).Draw(t, "codec"),
				Instance:    rapid.Uint32Range(0, 2).Draw(t, "instance"),
				Correlation: rapid.SampledFrom(correlations).Draw(t, "correlation"),
				Time:        time.Unix(rapid.Int64Range(0, 10).Draw(t, "happened"), 0).UTC(),
				Payload:     make([]byte, rapid.IntRange(0, 200).Draw(t, "payload")),
			}
		}
		l.append(t, events...)
	}
}

// some returns n events of a kind.
func some(n int, kind string, persistence messages.Persistence) []messages.Prepared {
	events := make([]messages.Prepared, n)
	for i := range events {
		events[i] = messages.Prepared{
			Type:  messages.Type{Module: "m", Kind: kind, Persistence: persistence},
			Codec: "json", Payload: fmt.Appendf(nil, `{"number":%6d}`, i),
		}
	}
	return events
}

package persistence

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

func kindName(n int) string { return fmt.Sprintf("kind %d", n) }

func TestAHundredThousandKindsKeepTheirNumbers(t *testing.T) {
	const kinds, perBatch = 100_000, 10_000
	fs := vfs.NewMem()
	s, err := Open(Config{Dir: "store", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	for first := 1; first <= kinds; first += perBatch {
		var placed []Placed
		for n := first; n < first+perBatch; n++ {
			b.NameType(uint32(n), "m", kindName(n))
			placed = append(placed, Placed{
				Prepared: &messages.Prepared{Type: messages.Type{Module: "m", Kind: kindName(n)}, Codec: "raw", Time: time.Unix(1, 0)},
				Event:    messages.EventID(n), Trimmable: messages.TrimmableID(n), Ordered: uint64(n), Type: uint32(n),
			})
		}
		b.Place(placed)
		b.SetHeads(Heads{Event: messages.EventID(first + perBatch), Trimmable: messages.TrimmableID(first + perBatch), Ordered: uint64(first + perBatch)})
		if err := b.Commit(true); err != nil {
			t.Fatal(err)
		}
		for n := first; n < first+perBatch; n++ {
			s.Learn(uint32(n), "m", kindName(n))
		}
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(Config{Dir: "store", FS: fs}); err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if s.Types() != kinds {
		t.Errorf("%d kinds are known, want %d", s.Types(), kinds)
	}
	report, err := s.Verify(context.Background())
	if err != nil || report.Err() != nil || report.Permanent != kinds {
		t.Errorf("verified %d entries: %v, %v", report.Permanent, report.Err(), err)
	}
	for _, n := range []int{1, 64, 65, 77_777, kinds} {
		if number := s.TypeNumber("m", kindName(n)); number != uint32(n) {
			t.Errorf("%s has number %d", kindName(n), number)
		}
		var p Page
		err := s.ReadPage(&p, PageQuery{From: 1, To: kinds + 1, Selection: s.Select(messages.Filter{Kinds: []string{kindName(n)}})})
		if err != nil || len(p.Entries) != 1 || p.Entries[0].Type.Kind != kindName(n) || p.Entries[0].ID != messages.EventID(n) {
			t.Errorf("%s: %d entries, %v", kindName(n), len(p.Entries), err)
		}
	}
}

package persistence

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestDictionaryKnowsWhatWasAddedAndNothingElse(t *testing.T) {
	var d dictionary
	if _, ok := d.number("m", "k"); ok || d.len() != 0 {
		t.Fatal("an empty dictionary knows a type")
	}
	// Enough to grow the table many times; linear work per add would take hours.
	const kinds = 100_000
	for i := 1; i <= kinds; i++ {
		d.add(uint32(i), fmt.Sprint("m", i%7), fmt.Sprint("k", i))
	}
	for i := 1; i <= kinds; i++ {
		module, kind := fmt.Sprint("m", i%7), fmt.Sprint("k", i)
		if n, ok := d.number(module, kind); !ok || n != uint32(i) {
			t.Fatalf("%s/%s: got %d, %v, want %d", module, kind, n, ok, i)
		}
		if name, ok := d.name(uint32(i)); !ok || name != (typeName{module, kind}) {
			t.Fatalf("%d: got %v, %v", i, name, ok)
		}
	}
	for _, absent := range []typeName{{"m0", "k1"}, {"", "k1"}, {"m", "1k1"}, {"m1k", "1"}} {
		if n, ok := d.number(absent.Module, absent.Kind); ok {
			t.Errorf("%v: got %d", absent, n)
		}
	}
	for _, absent := range []uint32{0, kinds + 1, 1<<32 - 1} {
		if name, ok := d.name(absent); ok {
			t.Errorf("%d: got %v", absent, name)
		}
	}
	if d.len() != kinds {
		t.Errorf("length %d", d.len())
	}
}

func TestDictionaryIsReadWhileItGrows(t *testing.T) {
	var d dictionary
	const kinds = 2_000
	names := make([]string, kinds+1)
	for i := range names {
		names[i] = fmt.Sprint("k", i)
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for n := 0; n < kinds; n = d.len() {
				if n == 0 {
					continue
				}
				if got, ok := d.number("m", names[n]); !ok || got != uint32(n) {
					t.Errorf("kind %d of %d: got %d, %v", n, n, got, ok)
					return
				}
				if name, ok := d.name(uint32(n)); !ok || name.Kind != names[n] {
					t.Errorf("number %d: got %v, %v", n, name, ok)
					return
				}
			}
		})
	}
	for i := 1; i <= kinds; i++ {
		d.add(uint32(i), "m", names[i])
	}
	readers.Wait()
}

func TestDictionaryLookupAllocatesNothing(t *testing.T) {
	var d dictionary
	d.add(1, "module", "kind")
	if n := testing.AllocsPerRun(100, func() {
		number, _ := d.number("module", "kind")
		if name, _ := d.name(number); name.Kind != "kind" {
			t.Fatal(name)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDictionaryRefusesAGapInItsNumbers(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	var d dictionary
	d.add(2, "m", "k")
}

func TestTypeNameReadsBackAsWritten(t *testing.T) {
	long := strings.Repeat("x", messages.MaxName)
	for _, want := range []typeName{{"", "k"}, {"wallet", "deposited"}, {long, long}, {"", long}} {
		if got, err := decodeTypeName(encodeTypeName(want)); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	for _, damaged := range []string{"", "\x00", "\x01", "\x01m", "\x05abc", "\x00" + long + "x"} {
		if _, err := decodeTypeName([]byte(damaged)); !errors.Is(err, messages.ErrCorrupt) {
			t.Errorf("%q: got %v", damaged, err)
		}
	}
}

func TestInternerStopsGrowing(t *testing.T) {
	var i interner
	for n := range 2 * maxInterned {
		if name := fmt.Sprint(n); i.text([]byte(name)) != name {
			t.Fatal(name)
		}
	}
	if n := len(*i.known.Load()); n != maxInterned {
		t.Errorf("keeps %d names", n)
	}
}

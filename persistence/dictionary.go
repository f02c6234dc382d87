package persistence

import (
	"fmt"
	"hash/maphash"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/retinue-go/retinue/messages"
)

// typeName is what a type number stands for.
type typeName struct{ Module, Kind string }

// dictionary gives each pair of module and kind a number, from 1 and without
// a gap. The zero dictionary is empty. Readers take no lock and allocate
// nothing; add has one caller at a time.
//
// Invariant: numbers only join, and what a number means never changes.
type dictionary struct {
	current atomic.Pointer[dictionaryView]
}

// dictionaryView is what one reader sees. Views share memory: a newer one has
// appended behind the names of an older one, and has filled slots that the
// older one passes over.
//
// Invariants: number n is names[n-1]; len(slots) is a power of two and at
// least twice len(names), so that every probe ends at an empty slot.
type dictionaryView struct {
	names []typeName
	slots []atomic.Uint32
}

var dictionarySeed = maphash.MakeSeed()

// number returns the number of a type, false if it has none.
func (d *dictionary) number(module, kind string) (uint32, bool) {
	v := d.current.Load()
	if v == nil {
		return 0, false
	}
	mask := uint64(len(v.slots) - 1)
	for at := slotOf(module, kind); ; at++ {
		n := v.slots[at&mask].Load()
		if n == 0 {
			return 0, false
		}
		if int(n) > len(v.names) {
			continue
		}
		if name := &v.names[n-1]; name.Kind == kind && name.Module == module {
			return n, true
		}
	}
}

// name returns the type of a number, false if the number was not given.
func (d *dictionary) name(number uint32) (typeName, bool) {
	v := d.current.Load()
	if v == nil || number == 0 || int64(number) > int64(len(v.names)) {
		return typeName{}, false
	}
	return v.names[number-1], true
}

// len returns the highest number, 0 for an empty dictionary.
func (d *dictionary) len() int {
	if v := d.current.Load(); v != nil {
		return len(v.names)
	}
	return 0
}

// add gives number to a type, after the record that says so was committed.
// It panics unless number is len()+1.
func (d *dictionary) add(number uint32, module, kind string) {
	var next dictionaryView
	if v := d.current.Load(); v != nil {
		next = *v
	}
	if int(number) != len(next.names)+1 {
		panic(fmt.Sprintf("retinue: type number %d follows %d", number, len(next.names)))
	}
	next.names = append(next.names, typeName{strings.Clone(module), strings.Clone(kind)})
	if 2*len(next.names) > len(next.slots) {
		next.slots = make([]atomic.Uint32, max(16, 2*len(next.slots)))
		for i := range next.names {
			next.insert(uint32(i + 1))
		}
	} else {
		next.insert(number)
	}
	d.current.Store(&next)
}

func (v *dictionaryView) insert(number uint32) {
	name, mask := v.names[number-1], uint64(len(v.slots)-1)
	at := slotOf(name.Module, name.Kind)
	for v.slots[at&mask].Load() != 0 {
		at++
	}
	v.slots[at&mask].Store(number)
}

func slotOf(module, kind string) uint64 {
	return maphash.String(dictionarySeed, kind) + 31*maphash.String(dictionarySeed, module)
}

// interner keeps one string for each of a few names. The zero interner is
// empty; it is safe for concurrent use, without locks.
type interner struct {
	known atomic.Pointer[map[string]string]
}

// maxInterned bounds what damaged records can make an interner keep.
const maxInterned = 256

var codecNames interner

// text returns name as a string, allocated the first time only.
func (i *interner) text(name []byte) string {
	for {
		old := i.known.Load()
		var known map[string]string
		if old != nil {
			known = *old
		}
		if s, ok := known[string(name)]; ok {
			return s
		}
		s := string(name)
		if len(known) >= maxInterned {
			return s
		}
		next := maps.Clone(known)
		if next == nil {
			next = map[string]string{}
		}
		next[s] = s
		if i.known.CompareAndSwap(old, &next) {
			return s
		}
	}
}

// encodeTypeName returns the value of a 'K' key:
//
//	0    1        1+n
//	+----+--------+------------------+
//	| n  | module | kind, to the end |
//	+----+--------+------------------+
func encodeTypeName(name typeName) []byte {
	value := append([]byte{byte(len(name.Module))}, name.Module...)
	return append(value, name.Kind...)
}

// decodeTypeName reads the value of a 'K' key. Errors: [messages.CorruptError].
func decodeTypeName(value []byte) (typeName, error) {
	if len(value) == 0 {
		return typeName{}, messages.Corrupt("type name", "it is empty")
	}
	n, rest := int(value[0]), value[1:]
	if n >= len(rest) || len(rest)-n > messages.MaxName {
		return typeName{}, messages.Corrupt("type name", "module of %d bytes in %d bytes", n, len(rest))
	}
	return typeName{Module: string(rest[:n]), Kind: string(rest[n:])}, nil
}

package persistence

import (
	"slices"
	"sync/atomic"

	"github.com/retinue-go/retinue/messages"
)

// A block of recent has so many ids; recentBlocks of them, 4 million ids, are
// remembered at least.
const (
	recentBlock  = 1024
	recentBlocks = 4096
)

// recent knows the types of the permanent entries that were placed since Open,
// by blocks of ids: what block properties are to tables, it is to what was not
// flushed yet. So a reader of a rare type passes over whole blocks in memory
// as well. The writer alone notes; readers ask about ids below their durable
// head, which were all noted.
type recent struct {
	view atomic.Pointer[recentTypes]
	// bits are those of the block under way, if it was noted from its start.
	bits  typeBits
	whole bool
}

// recentTypes are finished blocks. They never change.
//
// Invariant: bits[i] has the types of all ids in [(first+i)*recentBlock,
// (first+i+1)*recentBlock).
type recentTypes struct {
	first uint64
	bits  []typeBits
}

func (r *recent) note(id messages.EventID, number uint32) {
	at := uint64(id)
	if at%recentBlock == 0 {
		r.bits, r.whole = 0, true
	}
	r.bits |= typeBit(number)
	if r.whole && at%recentBlock == recentBlock-1 {
		r.finish(at / recentBlock)
	}
}

func (r *recent) finish(block uint64) {
	next := &recentTypes{first: block}
	if v := r.view.Load(); v != nil {
		*next = *v
	}
	if len(next.bits) == 2*recentBlocks {
		next.first += recentBlocks
		next.bits = slices.Clone(next.bits[recentBlocks:])
	}
	next.bits = append(next.bits, r.bits) // behind what a reader of the old view sees
	r.view.Store(next)
}

// narrow bounds a query to the next blocks that may hold what it asks for.
func (r *recent) narrow(q *PageQuery) {
	v := r.view.Load()
	if v == nil || q.Reverse || q.Log != messages.Permanent || !q.Selection.byType() {
		return
	}
	q.Selection.refresh()
	bits := q.Selection.bits
	for q.From < q.To && v.without(q.From, bits) {
		q.From = min(blockBehind(q.From), q.To)
	}
	to := max(blockBehind(q.From), v.first*recentBlock)
	for to < q.To && to < v.end() && !v.without(to, bits) {
		to = blockBehind(to)
	}
	if to < v.end() {
		q.To = min(q.To, to)
	}
}

func (v *recentTypes) end() uint64 { return (v.first + uint64(len(v.bits))) * recentBlock }

// without reports whether the block of an id is known to have none of the
// types.
func (v *recentTypes) without(id uint64, bits typeBits) bool {
	i := id/recentBlock - v.first
	return i < uint64(len(v.bits)) && v.bits[i]&bits == 0
}

func blockBehind(id uint64) uint64 { return (id/recentBlock + 1) * recentBlock }

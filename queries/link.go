package queries

import (
	"context"
	"iter"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Source is what is read: a [*retinue.Bus], or an admin.Client for one in
// another process.
type Source interface {
	// Entry is [retinue.Bus.Entry].
	Entry(messages.Log, messages.Position) (messages.Entry, error)
	// Entries is [retinue.Bus.Entries].
	Entries(context.Context, retinue.Query) iter.Seq2[messages.Entry, error]
}

// Link is one entry in a chain of causes and effects. A reaction that appends
// is what makes such a chain: the entry that it reacted to is the cause of
// what it appended.
type Link struct {
	// Entry is the caller's. Of one that was trimmed only Log and TrimmableID
	// are known.
	Entry messages.Entry
	// Depth counts the steps from the entry that was asked about, which is at
	// 0.
	Depth int
	// Trimmed says that the log does not know any more; see [Why] and
	// [Effects] for what.
	Trimmed bool
}

// entryAt returns the entry at a position: from the permanent log where it is
// there, because that is never trimmed.
func entryAt(bus Source, at messages.Position) (messages.Entry, error) {
	log := messages.Permanent
	if _, _, err := messages.Span(at, log); err != nil {
		log = messages.TrimmableLog
	}
	return bus.Entry(log, at)
}

func gone(id messages.TrimmableID, depth int) Link {
	return Link{Entry: messages.Entry{Log: messages.TrimmableLog, TrimmableID: id}, Depth: depth, Trimmed: true}
}

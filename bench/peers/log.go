package peers

import (
	"context"

	"github.com/retinue-go/retinue/bench/engines"
)

// Log is an open peer. What else it can do, it says by the interfaces below.
type Log interface {
	Close() error
}

// Appender appends one event and returns when it is as durable as the peer
// says. It is safe for concurrent use. n counts the caller's events.
type Appender interface {
	Append(ctx context.Context, n uint64) error
}

// BatchAppender appends events from n on in one transaction, or with as many
// in flight.
type BatchAppender interface {
	AppendBatch(ctx context.Context, n uint64, events int) error
}

// Consumer reads the first n events in steps of engines.ConsumeStep. For each event it
// sets a key of its own to 24 bytes, and with each step its cursor, in one
// transaction. It returns when the last cursor is as durable as promised.
type Consumer interface {
	Consume(ctx context.Context, n int) error
}

// Updater reads one key and writes one, as one transaction. It is safe for
// concurrent use.
type Updater interface {
	Update(ctx context.Context, key []byte) error
}

// Peer is a system beside Retinue and raw Pebble.
type Peer struct {
	// Name of the system in results.
	Name string
	// Durability of what it has acknowledged: a word of package measure.
	Durability string
	// Reactions is the durability of Consume; empty means Durability.
	Reactions string
	// Consumes says what Consume leaves out, as a variant; empty where a step
	// is one transaction with its reactions.
	Consumes string
	// Note says what acknowledged means, in one line.
	Note string
	// LaterSync: engines.Config.Unsynced has a meaning.
	LaterSync bool
	// Log is a nil pointer of what Open returns, to ask what it can do.
	Log  Log
	Open func(engines.Config) (Log, error)
}

// All peers in the order of the tables.
func All() []Peer {
	return []Peer{
		natsPeer("nats", true), natsPeer("nats-default", false),
		boltPeer(), badgerPeer(), sqlitePeer("sqlite-modernc", "sqlite"), sqlitePeer("sqlite-mattn", "sqlite3"),
		tidwallPeer(), watermillPeer(),
	}
}

package systems

import (
	"context"

	"github.com/retinue-go/retinue/persistence"
)

// Config says how a system is opened.
type Config struct {
	// Dir is the system's own, and exists.
	Dir string
	// Profile of Retinue, and of raw Pebble, which gets the same sizes.
	Profile persistence.Profile
	// Payloads that are appended in turn.
	Payloads [][]byte
	// Producers that will append concurrently: a batch size, for those who
	// have one to set.
	Producers int
	// Unsynced asks for reactions that a power cut may take back, with the
	// cursor; see [Peer.LaterSync].
	Unsynced bool
}

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

// Consumer reads the first n events in steps of ConsumeStep. For each event it
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

// ConsumeStep is how many events a consumer takes per transaction: what
// Retinue's host reads at once.
const ConsumeStep = 256

// ReactionSize is how many bytes a reaction sets.
const ReactionSize = 24

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
	// LaterSync: Config.Unsynced has a meaning.
	LaterSync bool
	// Log is a nil pointer of what Open returns, to ask what it can do.
	Log  Log
	Open func(Config) (Log, error)
}

// Peers in the order of the tables.
func Peers() []Peer {
	return []Peer{
		natsPeer("nats", true), natsPeer("nats-default", false),
		boltPeer(), badgerPeer(), sqlitePeer("sqlite-modernc", "sqlite"), sqlitePeer("sqlite-mattn", "sqlite3"),
		tidwallPeer(), watermillPeer(),
	}
}

// Payloads returns different events of size bytes each: JSON-like, and about
// half of it random letters, so that it compresses as events do.
func Payloads(size int) [][]byte {
	const head = `{"account":"alice","sats":2100000,"memo":"a payment of some kind","ref":"`
	payloads := make([][]byte, 1024)
	random := uint64(1)
	for i := range payloads {
		p := make([]byte, size)
		for at := copy(p, head); at < size; at++ {
			if at%256 < len(head) && at >= 256 {
				p[at] = head[at%256]
				continue
			}
			random = random*6364136223846793005 + 1442695040888963407
			p[at] = 'a' + byte(random>>33)%26
		}
		payloads[i] = p
	}
	return payloads
}

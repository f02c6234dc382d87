package engines

import (
	"encoding/binary"

	"github.com/retinue-go/retinue/persistence"
)

// Config says how a system, of this package or a peer, is opened.
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
	// Unsynced asks a peer that can for reactions that a power cut may take
	// back together with the cursor.
	Unsynced bool
}

// ConsumeStep is how many events a consumer takes per transaction: what
// Retinue's host reads at once.
const ConsumeStep = 256

// ReactionSize is how many bytes a reaction sets.
const ReactionSize = 24

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

// Counted is what an update writes: the counter that it read, plus one.
func Counted(old []byte) []byte {
	n := uint64(0)
	if len(old) >= 8 {
		n = binary.BigEndian.Uint64(old)
	}
	value := make([]byte, ReactionSize)
	binary.BigEndian.PutUint64(value, n+1)
	return value
}

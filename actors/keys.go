package actors

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Forever, as a key window, keeps idempotency keys for ever.
const Forever time.Duration = math.MaxInt64

// foreverBucket holds the keys that never expire.
const foreverBucket = math.MaxUint32

// bucketWidth is the granularity in which keys expire: one DeleteRange a day.
const bucketWidth = 24 * time.Hour

// keyWindow remembers idempotency keys. It belongs to the writer.
//
// Invariant: buckets are those that hold keys on disk, descending, so that
// the newest is asked first; pending are the keys of this batch.
type keyWindow struct {
	window  time.Duration
	buckets []uint32
	pending map[string]persistence.Appended
}

func newKeyWindow(window time.Duration, buckets []uint32) keyWindow {
	buckets = slices.Clone(buckets)
	slices.Reverse(buckets)
	return keyWindow{window: window, buckets: buckets, pending: make(map[string]persistence.Appended)}
}

// find returns the receipt of an earlier append with the key. Errors:
// [messages.ErrKeyConflict] where that append was of other content.
func (k *keyWindow) find(w *writer, key []byte, digest [16]byte) (*messages.Receipt, error) {
	if len(key) == 0 {
		return nil, nil
	}
	known, ok := k.pending[string(key)]
	if !ok {
		var oldest uint64
		if now := w.now(); k.window != Forever && now > uint64(k.window) {
			oldest = now - uint64(k.window)
		}
		found, err := w.store.Key(k.buckets, key, oldest)
		if found == nil || err != nil {
			return nil, err
		}
		known = *found
	}
	if known.Digest != digest {
		return nil, fmt.Errorf("key %q stands for content %s, not %s: %w", key,
			hex.EncodeToString(known.Digest[:4]), hex.EncodeToString(digest[:4]), messages.ErrKeyConflict)
	}
	return &known.Receipt, nil
}

// any reports whether a key in [first, last] is remembered. Asked of many keys
// that are mostly new, it spares most of the finding.
func (k *keyWindow) any(w *writer, first, last []byte) (bool, error) {
	if len(k.pending) > 0 {
		return true, nil
	}
	return w.store.AnyKey(k.buckets, first, last)
}

// add remembers a key with the append that it stands for.
func (k *keyWindow) add(w *writer, key []byte, a persistence.Appended) {
	if len(key) == 0 {
		return
	}
	bucket := uint32(foreverBucket)
	if k.window != Forever {
		bucket = uint32(a.Ordered / uint64(bucketWidth))
		k.expire(w, a.Ordered)
	}
	if i, ok := slices.BinarySearchFunc(k.buckets, bucket, descending); !ok {
		k.buckets = slices.Insert(k.buckets, i, bucket)
	}
	w.batch.SetKey(bucket, key, a)
	k.pending[string(key)] = a
}

func descending(a, b uint32) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// expire deletes the buckets that lie wholly before the window.
func (k *keyWindow) expire(w *writer, now uint64) {
	if now < uint64(k.window) || len(k.buckets) == 0 {
		return
	}
	first := uint32((now - uint64(k.window)) / uint64(bucketWidth))
	if k.buckets[len(k.buckets)-1] >= first {
		return
	}
	w.batch.ExpireKeys(first)
	k.buckets = slices.DeleteFunc(k.buckets, func(b uint32) bool { return b < first })
}

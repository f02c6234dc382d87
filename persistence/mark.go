package persistence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// markEvery is how often the second mark is written at most.
const markEvery = time.Second

// A write-ahead log that is cut off or lost takes its own heads with it, and
// Pebble opens what is left without a word. The second mark of the heads lies
// in a file of its own and is written behind the log: at a clean close, and
// at most once a second. A store whose heads are below it is damaged.
//
// The file has two slots of 64 bytes, written in turn, so that a torn write
// leaves the other:
//
//	0      4      8          24        32         40        48     60     64
//	+------+------+----------+---------+----------+---------+------+------+
//	| RTNM | u32  | store id | turn    | event    | trimm.  | zero | crc  |
//	|      | fmt  |          | u64     | head u64 | head u64|      | u32  |
//	+------+------+----------+---------+----------+---------+------+------+
//
// All integers are big endian; crc is CRC-32C of the 60 bytes before it.
const (
	markName  = "HEADS"
	markMagic = "RTNM"
	markSize  = 64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// marker writes the second mark, off the writer's path.
//
// Invariant: the file never holds heads that are not durable in the log.
type marker struct {
	id     StoreID
	failed func(error)

	disk    chan struct{} // holds a token over I/O; guards the next three
	file    vfs.File      // nil in a shared database, and after the end
	turn    uint64
	written Heads

	mu     sync.Mutex // never held over I/O; guards the rest
	active bool
	latest Heads
	timer  *time.Timer
}

func newMarker() marker { return marker{disk: make(chan struct{}, 1)} }

// open opens the mark of a directory and returns the heads that it holds.
func (m *marker) open(fs vfs.FS, dir string, id StoreID, readOnly bool, failed func(error)) (Heads, error) {
	path := fs.PathJoin(dir, markName)
	text, err := readFile(fs, path)
	if err != nil {
		return Heads{}, damage(path, err)
	}
	if len(text) != 2*markSize {
		return Heads{}, &messages.DamagedError{File: markName, Want: fmt.Sprintf("%d bytes", 2*markSize), Got: fmt.Sprint(len(text))}
	}
	m.id, m.failed = id, failed
	heads := m.read([]byte(text))
	if readOnly {
		return heads, nil
	}
	if m.file, err = fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified); err != nil {
		return Heads{}, err
	}
	m.written, m.latest, m.active = heads, heads, true
	return heads, nil
}

// marked reports whether a mark was ever written into a directory.
func marked(fs vfs.FS, dir string) bool {
	text, err := readFile(fs, fs.PathJoin(dir, markName))
	return err == nil && bytes.Contains([]byte(text), []byte(markMagic))
}

// read returns the newest slot that is whole, zero where there is none.
func (m *marker) read(b []byte) (heads Heads) {
	for ; len(b) >= markSize; b = b[markSize:] {
		slot := b[:markSize]
		if string(slot[:4]) != markMagic || string(slot[8:24]) != string(m.id[:]) ||
			crc32.Checksum(slot[:60], castagnoli) != binary.BigEndian.Uint32(slot[60:]) {
			continue
		}
		if turn := binary.BigEndian.Uint64(slot[24:]); turn > m.turn {
			m.turn = turn
			heads.Event = messages.EventID(binary.BigEndian.Uint64(slot[32:]))
			heads.Trimmable = messages.TrimmableID(binary.BigEndian.Uint64(slot[40:]))
		}
	}
	return heads
}

// note has durable heads written within markEvery.
func (m *marker) note(heads Heads) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latest = heads
	if m.active && m.timer == nil {
		m.timer = time.AfterFunc(markEvery, m.tick)
	}
}

// tick writes the mark, and sees to the next where the heads have moved on
// meanwhile. One write at a time waits for a disk that is slow.
func (m *marker) tick() {
	m.disk <- struct{}{}
	err := m.write()
	written := m.written
	<-m.disk
	if err != nil {
		m.failed(fmt.Errorf("write %s: %w", markName, err))
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.timer = nil
	if m.active && (m.latest.Event != written.Event || m.latest.Trimmable != written.Trimmable) {
		m.timer = time.AfterFunc(markEvery, m.tick)
	}
}

// write writes the latest heads into the slot that holds the older ones; disk
// is held.
func (m *marker) write() error {
	m.mu.Lock()
	latest := m.latest
	m.mu.Unlock()
	if m.file == nil || latest.Event == m.written.Event && latest.Trimmable == m.written.Trimmable {
		return nil
	}
	slot := markSlot(m.id, m.turn+1, latest)
	if _, err := m.file.WriteAt(slot, int64((m.turn+1)%2)*markSize); err != nil {
		return err
	}
	if err := m.file.Sync(); err != nil {
		return err
	}
	m.turn++
	m.written = latest
	return nil
}

func markSlot(id StoreID, turn uint64, heads Heads) []byte {
	slot := append(make([]byte, 0, markSize), markMagic...)
	slot = binary.BigEndian.AppendUint32(slot, Format)
	slot = append(slot, id[:]...)
	slot = binary.BigEndian.AppendUint64(slot, turn)
	slot = binary.BigEndian.AppendUint64(slot, uint64(heads.Event))
	slot = binary.BigEndian.AppendUint64(slot, uint64(heads.Trimmable))
	slot = append(slot, make([]byte, 60-len(slot))...)
	return binary.BigEndian.AppendUint32(slot, crc32.Checksum(slot, castagnoli))
}

// firstMark is the file of a store that was not made here: its second slot is
// empty.
func firstMark(id StoreID, heads Heads) string {
	return string(append(markSlot(id, 2, heads), make([]byte, markSize)...))
}

// close writes the last heads, and lets go of the file.
func (m *marker) close() error {
	m.rest()
	m.disk <- struct{}{}
	defer func() { <-m.disk }()
	if m.file == nil {
		return nil
	}
	err := errors.Join(m.write(), m.file.Close())
	m.file = nil
	return err
}

// rest writes nothing by itself any more.
func (m *marker) rest() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active = false
	if m.timer != nil {
		m.timer.Stop()
	}
}

// drop lets go of the file of a store that did not open, or is read only.
func (m *marker) drop() {
	m.rest()
	m.disk <- struct{}{}
	defer func() { <-m.disk }()
	if m.file != nil {
		_ = m.file.Close()
		m.file = nil
	}
}

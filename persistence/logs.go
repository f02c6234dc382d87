package persistence

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"github.com/retinue-go/retinue/messages"
)

// Pebble replays the write-ahead logs that it finds and does not ask whether
// they are all of them: no file lists them. But it numbers what it commits,
// one number for each key written, and numbers nothing that is not in a log.
// So the batches of the logs that it is about to replay follow each other
// without a gap, across the ends of files:
//
//	000012.log            000015.log            000019.log
//	[101, 180)            [180, 233)            [233, 240) torn
//
// and where 000015.log is lost, 233 follows 180. The logs to be replayed are
// those from the number on that the MANIFEST names: it is raised when what is
// before it is in tables, durably, and before a log is deleted or written
// anew. While Pebble works it names a log that is there. At the end of a
// recovery it is raised to a number that no log ever has, when everything is in
// tables: the first log behind it begins with the batch after the last one.

// replay is what a MANIFEST says of the logs.
type replay struct {
	// min is the number of the first log whose batches are not in tables; 0
	// before the first flush.
	min uint64
	// given is the last batch number that had been given when min was raised;
	// 0 is unknown: a MANIFEST that begins anew does not repeat it.
	given uint64
}

// checkLogs returns [messages.DamagedError] where a log is lost without which
// others cannot be replayed. That the last ones are lost it cannot tell: see
// the second mark.
func checkLogs(fs vfs.FS, database, manifest string) error {
	r, err := readManifest(fs, manifest)
	if err != nil {
		return err
	}
	logs, err := wal.Scan(wal.Dir{FS: fs, Dirname: database})
	if err != nil {
		return err
	}
	for len(logs) > 0 && uint64(logs[0].Num) < r.min {
		logs = logs[1:]
	}
	if len(logs) == 0 {
		return nil
	}
	var next uint64 // batch, 0 where any will do
	if uint64(logs[0].Num) != r.min && r.given != 0 {
		next = r.given + 1
	}
	behind := wal.NumWAL(r.min)
	for i, log := range logs {
		from, to, whole := batches(log, i == len(logs)-1)
		if from != 0 && next != 0 && from != next {
			return &messages.DamagedError{
				File: "write-ahead log",
				Want: fmt.Sprintf("batch %d in log %v or the next", next, behind),
				Got:  fmt.Sprintf("batch %d in log %v", from, log.Num),
			}
		}
		if !whole {
			return nil // Pebble says what is wrong with it
		}
		if from != 0 {
			next, behind = to, log.Num
		}
	}
	return nil
}

// readManifest reads as much of a MANIFEST as Pebble does.
func readManifest(fs vfs.FS, path string) (replay, error) {
	var r replay
	f, err := fs.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	for edits := record.NewReader(f, 0); ; {
		edit, err := edits.Next()
		if err == nil {
			var b []byte
			if b, err = io.ReadAll(edit); err == nil {
				r.apply(b)
				continue
			}
		}
		if errors.Is(err, io.EOF) || record.IsInvalidRecord(err) {
			return r, nil
		}
		return r, err
	}
}

// Tags of an edit, which begins with these in this order, each followed by
// uvarints; none is an end. The format is older than Pebble.
const (
	tagComparator   = 1 // a string
	tagLogNumber    = 2
	tagNextFile     = 3
	tagLastSequence = 4
	tagPreviousLog  = 9
	tagBacking      = 105 // two numbers
	tagBackingGone  = 106
)

// apply takes up what an edit changes.
func (r *replay) apply(edit []byte) {
	f := fields{rest: edit}
	var first, given uint64
	for more := true; more && len(f.rest) > 0; {
		switch f.uvarint() {
		case tagComparator:
			f.bytes()
		case tagLogNumber:
			first = f.uvarint()
		case tagNextFile, tagPreviousLog, tagBackingGone:
			f.uvarint()
		case tagBacking:
			f.uvarint()
			f.uvarint()
		case tagLastSequence:
			given = f.uvarint()
		default:
			more = false
		}
	}
	if !f.bad && first != 0 {
		r.min, r.given = first, given
	}
}

// batches returns the numbers [from, to) of a log's batches, zero for none.
// whole is false where its end cannot be read. Of the last log, whose end is
// anybody's guess, only from is looked for.
func batches(log wal.LogicalLog, last bool) (from, to uint64, whole bool) {
	r := log.OpenForRead()
	defer r.Close()
	for {
		rec, _, err := r.NextRecord()
		if err != nil {
			return from, to, errors.Is(err, io.EOF)
		}
		b, err := io.ReadAll(io.LimitReader(rec, batchrepr.HeaderLen))
		if err != nil {
			return from, to, false
		}
		h, ok := batchrepr.ReadHeader(b)
		if !ok {
			return from, to, false
		}
		if from == 0 {
			from = uint64(h.SeqNum)
		}
		if last {
			return from, to, true
		}
		to = uint64(h.SeqNum) + uint64(h.Count)
	}
}

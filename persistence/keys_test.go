package persistence

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// In a shared database anybody can write below the store's prefix; a key that
// was too short for its space ended the process.
func TestShortKeysAreCorruptAndPanicNobody(t *testing.T) {
	for _, space := range []byte{spaceCursor, spaceParked, spaceState, spaceKey, spaceType, spacePermanent, spaceControl, spaceTrimmable, spaceStaged} {
		t.Run(string(space), func(t *testing.T) {
			db, err := pebble.Open("db", &pebble.Options{FS: vfs.NewMem(), FormatMajorVersion: formatMajorVersion, Logger: quietLogger{}})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			key := newKeyspace([]byte("p")).space(nil, space)
			if err := db.Set(append(key, 0, 0), nil, pebble.Sync); err != nil {
				t.Fatal(err)
			}
			s, err := Open(Config{DB: db, Prefix: []byte("p")})
			if err == nil {
				defer s.Close(context.Background())
				_, err = s.StagedRecords(StagedID{}, 1<<20)
			}
			if err == nil {
				var report Report
				report, err = s.Verify(context.Background())
				err = errors.Join(err, report.Err())
			}
			if !errors.Is(err, messages.ErrCorrupt) {
				t.Errorf("%v, want ErrCorrupt", err)
			}
		})
	}
}

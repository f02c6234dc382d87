package persistence

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

// present refuses a store whose database is gone, or has lost a log that it
// needs: Pebble takes a directory without its markers for a new one, and
// deletes what is there; a lost log it does not miss.
func present(fs vfs.FS, database string) error {
	found, err := pebble.Peek(database, fs)
	if err != nil {
		return damage(database, err)
	}
	if !found.Exists {
		return &messages.DamagedError{File: database, Want: "marker.manifest and its MANIFEST", Got: "none"}
	}
	if err := checkLogs(fs, database, found.ManifestFilename); err != nil {
		return damage(database, err)
	}
	return nil
}

// damage says which of Pebble's errors on open are lost or broken files: it
// has no class for all of them.
func damage(path string, err error) error {
	var damaged *messages.DamagedError
	if errors.As(err, &damaged) {
		return err
	}
	broken := pebble.IsCorruptionError(err) || errors.Is(err, os.ErrNotExist) ||
		errors.Is(err, pebble.ErrDBDoesNotExist) || errors.Is(err, pebble.ErrDBNotPristine) ||
		strings.Contains(err.Error(), "size mismatch") || strings.Contains(err.Error(), "name from file") ||
		strings.Contains(err.Error(), "WALRecoveryDirs")
	if !broken {
		return fmt.Errorf("retinue: open %s: %w", path, err)
	}
	got := "a broken file"
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, pebble.ErrDBDoesNotExist) {
		got = "a lost file"
	}
	return &messages.DamagedError{File: path, Want: "every file as it was left", Got: got, Cause: err}
}

// broken makes a [messages.CorruptError] of what Pebble says of a file whose
// bytes have changed.
func broken(err error) error {
	if err == nil || !pebble.IsCorruptionError(err) {
		return err
	}
	what, _, _ := strings.Cut(err.Error(), "\n")
	return messages.Corrupt("file of the database", "%s", what)
}

// compareMark holds the heads of the log against those outside it, and the id
// of the database against the directory's.
func (s *Store) compareMark() error {
	if s.place == nil {
		return nil
	}
	if s.place.id != "" && s.place.id != s.id.String() {
		return &messages.DamagedError{File: databaseName, Want: "store " + s.place.id, Got: "store " + s.id.String()}
	}
	marked, err := s.mark.open(s.place.fs, s.place.dir, s.id, s.readOnly, s.fence.Trip)
	if err != nil {
		return err
	}
	if heads := s.opened.Heads; heads.Event < marked.Event || heads.Trimmable < marked.Trimmable {
		return &messages.DamagedError{
			File: "write-ahead log",
			Want: fmt.Sprintf("heads of at least %v and %v", marked.Event, marked.Trimmable),
			Got:  fmt.Sprintf("%v and %v", heads.Event, heads.Trimmable),
		}
	}
	return nil
}

// compareEntries holds the last entries against the heads.
func (s *Store) compareEntries() error {
	lastEvent, lastTrimmable, err := s.lastEntries()
	if err != nil {
		return err
	}
	heads := s.opened.Heads
	if lastEvent != heads.Event-1 {
		return &messages.DamagedError{
			File: "permanent log", Want: fmt.Sprintf("last entry %v", heads.Event-1), Got: lastEvent.String(),
		}
	}
	if s.opened.Horizon < heads.Trimmable && lastTrimmable != heads.Trimmable-1 {
		return &messages.DamagedError{
			File: "trimmable log", Want: fmt.Sprintf("last entry %v", heads.Trimmable-1), Got: lastTrimmable.String(),
		}
	}
	return nil
}

// lastEntries returns the highest ids that have an entry, 0 for none.
func (s *Store) lastEntries() (event messages.EventID, trimmable messages.TrimmableID, err error) {
	last := func(space byte) (k entryKey, err error) {
		lower, upper := s.keys.bounds(space)
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			return k, err
		}
		if it.Last() {
			k, err = s.keys.parseEntry(space, it.Key())
		}
		return k, closing(it, err)
	}
	p, err := last(spacePermanent)
	if err != nil {
		return 0, 0, err
	}
	t, err := last(spaceTrimmable)
	return p.id, max(p.tid, t.tid), err
}

package retinue_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
)

// markerFS looks at what a power failure would leave whenever a marker
// appears or goes.
type markerFS struct {
	*vfs.MemFS
	t       *testing.T
	created int
}

func (m *markerFS) Unwrap() vfs.FS { return m.MemFS }

// Create wants the manifest that a marker names to be durable before it.
func (m *markerFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if _, manifest, ok := strings.Cut(name, "MANIFEST"); ok && strings.Contains(name, "marker.") {
		m.created++
		left := m.CrashClone(vfs.CrashCloneCfg{})
		if _, err := left.Stat(m.PathJoin(m.PathDir(name), "MANIFEST"+manifest)); err != nil {
			m.t.Errorf("%s appears, its manifest can be lost: %v", name, err)
		}
	}
	return m.MemFS.Create(name, c)
}

// Remove wants another marker of its kind to be durable before one goes.
func (m *markerFS) Remove(name string) error {
	kind, _, _ := strings.Cut(strings.TrimPrefix(m.PathBase(name), "marker."), ".")
	if strings.Contains(name, "marker.") {
		others := 0
		left, err := m.CrashClone(vfs.CrashCloneCfg{}).List(m.PathDir(name))
		for _, file := range left {
			if strings.HasPrefix(file, "marker."+kind+".") && file != m.PathBase(name) {
				others++
			}
		}
		if err != nil || others == 0 {
			m.t.Errorf("%s goes, no other marker is durable: %v, %v", name, left, err)
		}
	}
	return m.MemFS.Remove(name)
}

// Found by the simulation: of a directory's changes that were not synced, a
// power failure may leave the marker and take the manifest.
func TestMarkerIsNeverMoreDurableThanItsManifest(t *testing.T) {
	fs := &markerFS{MemFS: vfs.NewCrashableMem(), t: t}
	for range 3 {
		bus, err := retinue.Open("store", &retinue.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		if err := bus.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if fs.created < 3 {
		t.Errorf("only %d markers were created", fs.created)
	}
}

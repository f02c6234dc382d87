package engines

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/retinue-go/retinue/persistence"
)

// optionsFile is what Pebble wrote down of its options, below dir.
func optionsFile(t *testing.T, dir string) []string {
	t.Helper()
	for _, pattern := range []string{"OPTIONS-*", "*/OPTIONS-*", "*/*/OPTIONS-*"} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
			text, err := os.ReadFile(slices.Max(found))
			if err != nil {
				t.Fatal(err)
			}
			return strings.Split(string(text), "\n")
		}
	}
	t.Fatalf("no OPTIONS below %s", dir)
	return nil
}

func TestRawPebbleHasTheOptionsOfTheProfile(t *testing.T) {
	for _, profile := range []persistence.Profile{persistence.Small, persistence.Server} {
		ours, raw := Config{Dir: t.TempDir(), Profile: profile}, Config{Dir: t.TempDir(), Profile: profile}
		r, err := OpenRetinue(ours)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		p, err := OpenPebble(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		want, got := optionsFile(t, ours.Dir), optionsFile(t, raw.Dir)
		for i := range max(len(want), len(got)) {
			if i >= len(want) || i >= len(got) || want[i] != got[i] {
				t.Fatalf("profile %v, line %d: Retinue opens Pebble with %q, raw Pebble with %q: copy persistence/profile.go", profile, i+1, want[min(i, len(want)-1)], got[min(i, len(got)-1)])
			}
		}
	}
}

func TestRawEntriesHaveTheBytesOfRetinues(t *testing.T) {
	c := Config{Dir: t.TempDir(), Payloads: Payloads(128)}
	s, err := OpenShared(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	prefix := []byte("bus\x00\x01P")
	key, value := first(t, s.DB, prefix)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := OpenPebble(Config{Dir: t.TempDir(), Payloads: c.Payloads})
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Append(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	rawKey, rawValue := first(t, raw.DB, []byte("P"))
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	// The nanoseconds in front of the payload have 5 bytes, now and then fewer.
	if more := len(rawValue) - len(value); value[0] != rawValue[0] || more < 0 || more > 4 || !bytes.HasSuffix(rawValue, value[len(value)-128:]) {
		t.Errorf("Retinue stores %x, raw Pebble %x", value, rawValue)
	}
	if want := len(key) - len(prefix) + 1; len(rawKey) != want {
		t.Errorf("a raw key has %d bytes, Retinue's %d without its prefix", len(rawKey), want)
	}
}

// first is the first pair whose key starts with prefix.
func first(t *testing.T, db *pebble.DB, prefix []byte) (key, value []byte) {
	t.Helper()
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: prefix})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	if !it.First() || !bytes.HasPrefix(it.Key(), prefix) {
		t.Fatalf("nothing below %q", prefix)
	}
	return bytes.Clone(it.Key()), bytes.Clone(it.Value())
}

func TestPayloadsDifferAndHaveTheirSize(t *testing.T) {
	for _, size := range []int{128, 1024} {
		seen := map[string]bool{}
		for _, p := range Payloads(size) {
			if len(p) != size || seen[string(p)] {
				t.Fatalf("payload of %d bytes, want %d, or twice: %s", len(p), size, p)
			}
			seen[string(p)] = true
		}
	}
}

func TestScanReadsWhatWasFilled(t *testing.T) {
	p, err := OpenPebble(Config{Dir: t.TempDir(), Payloads: Payloads(128)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Fill(t.Context(), 2500); err != nil {
		t.Fatal(err)
	}
	if err := p.Scan(t.Context(), 2500); err != nil {
		t.Error(err)
	}
	if err := p.Scan(t.Context(), 2501); err == nil {
		t.Error("read an entry that is not there")
	}
	if err := ScanAndSet(false)(p, t.Context(), 2500); err != nil {
		t.Error(err)
	}
	if _, _, err := p.TrimAndRead(2499); err != nil {
		t.Error(err)
	}
	if _, _, err := p.TrimAndRead(2500); err == nil {
		t.Error("read an entry that was trimmed")
	}
}

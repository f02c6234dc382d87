package workloads

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCloneLinksTablesAndCopiesTheRest(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"db/1.sst": "table", "db/2.log": "log", "store": "id"} {
		file := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := clone(from, to); err != nil {
		t.Fatal(err)
	}
	for name, shared := range map[string]bool{"db/1.sst": true, "db/2.log": false, "store": false} {
		a, err := os.Stat(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.Stat(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		if os.SameFile(a, b) != shared || a.Size() != b.Size() {
			t.Errorf("%s: the same file %v, want %v", name, !shared, shared)
		}
	}
}

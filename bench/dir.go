package main

import (
	"os"

	"github.com/retinue-go/retinue/bench/report"
)

// workDir makes the directory that everything happens in: below dir, or below
// the system's temporary directory unless that is memory, or else below the
// current one.
func workDir(dir string) (string, error) {
	if dir == "" && report.FileSystem(os.TempDir()) == "tmpfs" {
		dir = "."
	}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(dir, "retinue-bench-")
}

package workloads

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/weight"
)

// child runs the program in ../child, a process that holds Retinue and no
// peer, and returns what it prints. It is built first, which needs the go tool
// and the sources.
func (p Plan) child(ctx context.Context, args ...string) ([]byte, error) {
	_, here, _, _ := runtime.Caller(0)
	dir, err := os.MkdirTemp("", "retinue-bench-child-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "child")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = filepath.Join(filepath.Dir(here), "..", "child")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w: %s", build.Dir, err, bytes.TrimSpace(out))
	}
	run := exec.CommandContext(ctx, program, args...)
	run.Stderr = os.Stderr
	return run.Output()
}

// killed has a process append and stage in the store of dir and kill itself.
func (p Plan) killed(ctx context.Context, dir string, staged int) error {
	_, err := p.child(ctx, "kill", dir, p.ProfileName, strconv.Itoa(staged))
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() {
		return ctx.Err() // by a signal, as it should
	}
	return fmt.Errorf("the process was to kill itself: %v", err)
}

func weighed(out []byte) (measure.Sample, error) {
	var w weight.Weight
	if err := json.Unmarshal(out, &w); err != nil {
		return measure.Sample{}, fmt.Errorf("%q: %w", out, err)
	}
	const mib = 1 << 20
	return measure.Sample{Events: w.Events, Elapsed: w.Elapsed, Extra: map[string]float64{
		"start_mib": float64(w.Start) / mib, "peak_mib": float64(w.Peak) / mib, "idle_mib": float64(w.Idle) / mib,
	}}, nil
}

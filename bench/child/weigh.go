package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/weight"
)

// idle is how long the process rests before it is weighed again.
const idle = 5 * time.Second

// weigh appends n events with that many producers and prints a
// [weight.Weight].
func weigh(ctx context.Context, c engines.Config, n, producers int) (err error) {
	var w weight.Weight
	if w.Start, err = resident("VmRSS"); err != nil {
		return err
	}
	r, err := engines.OpenRetinue(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	began := time.Now()
	group, running := errgroup.WithContext(ctx)
	for i := range producers {
		group.Go(func() error {
			for k := i; k < n; k += producers {
				if err := r.Append(running, uint64(k)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	w.Elapsed, w.Events = time.Since(began), int64(n)
	if w.Peak, err = resident("VmHWM"); err != nil {
		return err
	}
	select {
	case <-time.After(idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.Idle, err = resident("VmRSS"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(w)
}

// resident reads a line of Linux's status of this process, in bytes.
func resident(name string) (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("memory is measured on Linux only: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if _, err := fmt.Sscanf(line, name+": %d kB", &kib); err == nil {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", name)
}

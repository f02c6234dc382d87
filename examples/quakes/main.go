// Quakes replays a week of recorded earthquakes through a bus, lets four
// followers react, and reports what they found.
//
//	go run ./examples/quakes            # in a temporary directory
//	go run ./examples/quakes -dir week  # in a directory that stays
//
// Run it again in the same directory, or kill it at any moment and run it
// again: every quake is in the log once, every follower goes on at its cursor,
// and the last line is the same.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/retinue-go/retinue"
)

func main() {
	dir := flag.String("dir", "", "directory of the log; empty means a temporary one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	err := in(*dir, func(dir string) error {
		return run(ctx, dir, os.Stdout, func(int) {})
	})
	if err != nil {
		log.Fatal(err)
	}
}

// in calls do with the directory, or with one that is gone afterwards.
func in(dir string, do func(dir string) error) error {
	if dir != "" {
		return do(dir)
	}
	temporary, err := os.MkdirTemp("", "quakes")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	return do(temporary)
}

// run is the whole program. It calls acknowledged for each event that is on
// disk, with how many there are so far.
func run(ctx context.Context, dir string, out io.Writer, acknowledged func(int)) (err error) {
	steps, err := recorded()
	if err != nil {
		return err
	}
	bus, err := retinue.Open(dir, &retinue.Options{KeyWindow: retinue.Forever})
	if err != nil {
		return err
	}
	defer func() {
		if closing := bus.Close(); err == nil {
			err = closing
		}
	}()

	all, err := staff(bus)
	if err != nil {
		return err
	}
	var names []string
	for _, f := range all {
		if err := bus.Follow(f); err != nil {
			return err
		}
		names = append(names, f.Name)
	}
	appended, err := replay(ctx, bus, steps, acknowledged)
	if err != nil {
		return err
	}
	if err := bus.CaughtUp(ctx, names...); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d events replayed, %d of them new\n", len(steps), appended)
	return report(ctx, bus, out)
}

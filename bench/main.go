// Command bench compares Retinue with raw Pebble and with what a Go program
// would use instead, interleaved in one run on the same disk.
//
//	go -C bench run . -short           a minute: is everything as fast as it was?
//	go -C bench run . -bars            everything, and whether it is fast enough
//	go -C bench run . -workload append -system retinue,pebble -json
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "bench: interrupted, nothing is left behind")
	case !errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	os.Exit(1)
}

// Command bench compares Retinue with raw Pebble and with what a Go program
// would use instead, interleaved in one run on the same disk.
//
//	go -C bench run . -short           a minute: is everything as fast as it was?
//	go -C bench run . -bars            everything, with what issue 4 demands
//	go -C bench run . -workload append -system retinue,pebble -json
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, errUsage) {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil {
		os.Exit(1)
	}
}

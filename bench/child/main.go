// Command child is a process of its own for the bench: it is weighed while it
// appends, or kills itself with work undone. It holds Retinue and no peer.
//
//	child weigh DIR PROFILE EVENTS PRODUCERS
//	child kill DIR PROFILE STAGED
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/persistence"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 4 {
		return errors.New("usage: child weigh|kill DIR PROFILE N [PRODUCERS]")
	}
	c := engines.Config{Dir: args[1], Payloads: engines.Payloads(128)}
	if args[2] == "server" {
		c.Profile = persistence.Server
	}
	var n [2]int
	for i, arg := range args[3:min(len(args), 5)] {
		var err error
		if n[i], err = strconv.Atoi(arg); err != nil {
			return err
		}
	}
	switch args[0] {
	case "weigh":
		return weigh(ctx, c, n[0], n[1])
	case "kill":
		return kill(ctx, c, n[0])
	}
	return fmt.Errorf("no job %q", args[0])
}

// kill appends n events, stages as many, and ends the process at once.
func kill(ctx context.Context, c engines.Config, n int) error {
	s, err := engines.OpenShared(c)
	if err != nil {
		return err
	}
	if err := s.Fill(ctx, n, s.Pick); err != nil {
		return err
	}
	if err := s.StageMany(n); err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := self.Kill(); err != nil {
		return err
	}
	select {}
}

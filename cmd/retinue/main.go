// Retinue looks into stores and commands the followers of a live bus.
//
//	retinue log wallet.db --since -2h
//	retinue followers wallet.db
//	retinue help
//
// docs/cli.md shows every verb at work.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// Exit codes, for scripts; docs/cli.md lists them.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitDamaged     = 4
	exitInUse       = 5
	exitInterrupted = 130
)

func main() {
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		ending = append(ending, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ending...)
	// What has a second to end and does not, another signal ends at once. Some
	// programs send every signal twice.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	os.Exit(run(ctx, os.Args[1:]))
}

// run is the whole program.
func run(ctx context.Context, args []string) int {
	root, understood := newRoot()
	root.SetArgs(args)
	plainUsage(root, args)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled), errors.Is(err, errInterrupted):
		return exitInterrupted
	}
	tell(err)
	if !*understood || errors.As(err, new(usageError)) {
		fmt.Fprintf(os.Stderr, "See '%s --help'.\n", cmd.CommandPath())
		return exitUsage
	}
	return exitCode(err)
}

// errInterrupted: somebody pressed Ctrl-C where that makes no signal.
var errInterrupted = errors.New("interrupted")

func exitCode(err error) int {
	for _, e := range []struct {
		code int
		errs []error
	}{
		{exitDamaged, []error{messages.ErrDamaged, messages.ErrCorrupt}},
		{exitInUse, []error{messages.ErrInUse}},
		{exitNotFound, []error{messages.ErrNotStore, messages.ErrUnknownFollower, messages.ErrOutOfRange, messages.ErrTrimmed, os.ErrNotExist}},
	} {
		for _, target := range e.errs {
			if errors.Is(err, target) {
				return e.code
			}
		}
	}
	return exitFailure
}

// usageError is a call that makes no sense.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// newRoot returns the tree of commands. understood is set once a command line
// was read without fault.
func newRoot() (root *cobra.Command, understood *bool) {
	understood = new(bool)
	root = &cobra.Command{
		Use:   "retinue",
		Short: "Look into a Retinue event log, and command its followers",
		Long: `Look into a Retinue event log, and command its followers.

STORE is one of
  a directory    of a closed store or a backup; of a live one where the program
                 that has it open sets Options.Admin
  a socket       that a live bus serves
  a URL          http://… where a live bus serves its admin handler`,
		Example: `  retinue log wallet.db --since -2h --type wallet/deposited
  retinue log wallet.db -f
  retinue followers wallet.db
  retinue help parked replay`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	root.Version = version()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(explainFlag)
	root.AddGroup(&cobra.Group{ID: "read", Title: "Read:"}, &cobra.Group{ID: "command", Title: "Command:"},
		&cobra.Group{ID: "keep", Title: "Keep safe:"})
	for group, verbs := range map[string][]*cobra.Command{
		"read":    {logVerb(), showVerb(), statsVerb(), followersVerb(), topVerb(), joinVerb(), summaryVerb()},
		"command": {parkedVerb(), pauseVerb(), resumeVerb(), seekVerb(), trimVerb()},
		"keep":    {verifyVerb(), backupVerb(), restoreVerb(), exportVerb(), importVerb()},
	} {
		for _, v := range verbs {
			v.GroupID = group
			onRun(v, func() { *understood = true })
			each(v, completeFlags)
		}
		root.AddCommand(verbs...)
	}
	root.InitDefaultCompletionCmd()
	helpVerb(root)
	for _, v := range root.Commands() {
		if v.Name() == "completion" {
			group(v)
			onRun(v, func() { *understood = true })
		}
	}
	return root, understood
}

// version says what was built, and which stores it reads.
func version() string {
	built, commit := "(unknown)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		built = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && !strings.Contains(built, s.Value[:min(12, len(s.Value))]) {
				commit = " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return fmt.Sprintf("%s%s, %s, stores of format %d", built, commit, runtime.Version(), persistence.Format)
}

// each calls do with a verb and those below it.
func each(v *cobra.Command, do func(*cobra.Command)) {
	do(v)
	for _, below := range v.Commands() {
		each(below, do)
	}
}

// onRun has a verb and those below it call do before they run.
func onRun(v *cobra.Command, do func()) {
	for _, below := range v.Commands() {
		onRun(below, do)
	}
	run := v.RunE
	v.RunE = func(cmd *cobra.Command, args []string) error {
		do()
		return run(cmd, args)
	}
}

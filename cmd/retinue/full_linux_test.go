package main_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestAFullDiskBehindStandardOutputIsAnError(t *testing.T) {
	dir := shop(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range append(slices.Clip(reads), []string{"completion", "zsh"}) {
		if args[len(args)-1] == "--preview" { // tells on standard error
			continue
		}
		c := command(t, on(dir, args)...)
		var errs strings.Builder
		c.Stdout, c.Stderr = full, &errs
		_ = c.Run()
		if said := errs.String(); c.ProcessState.ExitCode() != 1 || strings.Count(said, "no space left on device") != 1 {
			t.Errorf("%v: exit %d, %s", args, c.ProcessState.ExitCode(), said)
		}
	}
}

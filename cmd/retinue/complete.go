package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completeStore completes directories, and followers behind them.
func completeStore(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0:
		return nil, cobra.ShellCompDirectiveDefault // a directory or a socket
	case len(args) == 1 && strings.Contains(cmd.Use, "TARGET"):
		return nil, cobra.ShellCompDirectiveFilterDirs
	case len(args) > 1 || !strings.Contains(cmd.Use, "FOLLOWER"):
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	f := storeFlags{prefix: cmd.Flag("prefix").Value.String()}
	_ = f.with(cmd.Context(), args[0], reading, func(s *store) error { // no names then
		status, err := s.Status(cmd.Context())
		for _, f := range status.Followers {
			names = append(names, f.Name)
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeDirectories is for arguments that are directories all.
func completeDirectories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// choices are the values of flags that take few.
var choices = map[string][]string{
	"log": {"permanent", "trimmable"}, "by": {"hour", "day"}, "unit": {"ns", "us", "ms", "s"},
	"to": {"first", "head"}, "key": {"@correlation", "@instance"},
	"since": {"today", "yesterday", "-1h", "-24h"}, "until": {"now", "today"},
	"happened-since": {"today", "yesterday", "-1h", "-24h"}, "happened-until": {"now", "today"},
}

// completeFlags completes the values of a verb's flags: files for those of
// files, the choices of others, and nothing where only the user knows.
func completeFlags(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "output" || f.Value.Type() == "bool" {
			return
		}
		values := choices[f.Name]
		if f.Name == "to" && cmd.Name() != "seek" || f.Name == "key" && cmd.Name() != "join" && cmd.Name() != "summary" {
			values = nil
		}
		// It is refused for a name that is registered, and for none of ours.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	})
}

// plainUsage takes the marks from what a shell shows beside a flag.
func plainUsage(cmd *cobra.Command, args []string) {
	if len(args) == 0 || !strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		return
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	for _, below := range cmd.Commands() {
		plainUsage(below, args)
	}
}

// helpVerb refuses what is no verb, where cobra's own ends well.
func helpVerb(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, v := range root.Commands() {
		if v.Name() != "help" {
			continue
		}
		v.RunE = func(_ *cobra.Command, args []string) error {
			of, rest, err := root.Find(args)
			switch {
			case err != nil:
				return usageError{err}
			case len(rest) > 0:
				return usagef("unknown command %q for %q", rest[0], of.CommandPath())
			}
			of.InitDefaultHelpFlag()
			of.InitDefaultVersionFlag()
			return of.Help()
		}
	}
}

// group is a verb that has only those below it. It takes any argument, to say
// which of them was meant.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			slices.Sort(near)
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return usagef("%s", text)
	}
}

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

func parkedVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "See, replay or drop what followers have put aside",
		Long: `See, replay or drop what followers have put aside: entries that they could not
handle and were told to park or to skip, and those behind one in its sequence.`,
		Example: `  retinue parked ls wallet.db
  retinue parked show wallet.db mail 42
  retinue parked replay wallet.db mail --all`,
		Args: cobra.ArbitraryArgs,

		SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				text += "; did you mean " + strings.Join(near, " or ") + "?"
			}
			return usagef("%s", text)
		},
	}
	cmd.AddCommand(parkedLsVerb(), parkedShowVerb(), parkedReplayVerb(), parkedDropVerb())
	return cmd
}

func parkedState(p retinue.Parked) string {
	switch {
	case p.Skipped:
		return "skipped"
	case p.Error == "":
		return "waiting" // behind another of its key
	}
	return "parked"
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// parkedChoice says which records are meant.
type parkedChoice struct {
	all, yes bool
	key      string
	limit    int
}

func (c *parkedChoice) replay(log messages.Log, ids []string) (retinue.Replay, error) {
	choice := retinue.Replay{All: c.all, Key: c.key, Limit: c.limit}
	ways := 0
	for _, given := range []bool{c.all, c.key != "", len(ids) > 0} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return choice, usagef("give ids, --key or --all, one of the three")
	}
	for _, id := range ids {
		at, err := parsePosition(log, id)
		if err != nil {
			return choice, err
		}
		choice.At = append(choice.At, at)
	}
	return choice, nil
}

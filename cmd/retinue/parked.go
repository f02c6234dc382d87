package main

import (
	"slices"

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
	}
	group(cmd)
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
	if c.limit < 0 {
		return choice, usagef("--limit %d is below 0", c.limit)
	}
	for _, id := range ids {
		at, err := parsePosition(log, id)
		if err != nil {
			return choice, err
		}
		if !slices.Contains(choice.At, at) {
			choice.At = append(choice.At, at)
		}
	}
	return choice, nil
}

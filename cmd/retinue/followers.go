package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
)

func followersVerb() *cobra.Command {
	var f storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "followers STORE",
		Short: "List followers: where they stand, how they fare",
		Long: `List followers: where they stand, how they fare, and the last error of those
that have one. On a closed store nobody follows, and restarts are not known.`,
		Example: `  retinue followers wallet.db
  retinue followers wallet.db --json | jq 'select(.lag > 1000).name'`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd.Context(), args[0], reading, func(s *store) error {
				status, err := s.Status(cmd.Context())
				if err != nil {
					return err
				}
				return show(cmd.Context(), func(out *screen) error {
					if !asJSON {
						return printFollowers(out, status.Followers)
					}
					for _, f := range status.Followers {
						if err := out.line(f); err != nil {
							return err
						}
					}
					return nil
				})
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one follower a line, in JSON")
	return cmd
}

func printFollowers(out *screen, all []retinue.FollowerStatus) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "no followers")
		return err
	}
	t := out.table("NAME", "LOG", "STATE", "CURSOR", "LAG", "BEHIND", "HANDLED", "SKIPPED", "PARKED", "RESTARTS")
	for _, f := range all {
		t.row(followerColour(f), f.Name, f.Log.String(), state(f), count(f.Cursor), count(f.Lag), behind(f),
			count(f.Handled), count(f.Skipped), count(f.Parked), count(f.Restarts))
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, f := range all {
		why := ""
		switch {
		case f.LastError != nil:
			why = clean(f.LastError.Error())
		case f.State == "parked" || f.State == "stuck":
			why = clean(f.Why)
		}
		if why != "" {
			head := fmt.Sprintf("\n%s: ", clean(f.Name))
			fmt.Fprintf(out, "%s%s\n", out.paint(bold, head), out.cut(why, len(head)-1))
		}
	}
	return nil
}

func state(f retinue.FollowerStatus) string {
	if f.Stalled {
		return string(f.State) + ", stalled"
	}
	return string(f.State)
}

func behind(f retinue.FollowerStatus) string {
	if f.Lag == 0 {
		return "-"
	}
	return span(f.LagTime)
}

func followerColour(f retinue.FollowerStatus) colour {
	if f.Stalled {
		return red
	}
	return stateColour(string(f.State))
}

// stateColour of an actor or a follower.
func stateColour(state string) colour {
	switch state {
	case "backing off", "paused":
		return yellow
	case "parked", "stuck":
		return red
	case "not followed":
		return dim
	}
	return plain
}

package workloads

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/peers"
	"github.com/retinue-go/retinue/persistence"
)

// Plan says what of the workloads is run, and how large.
type Plan struct {
	// Profile of Retinue and raw Pebble, and its name.
	Profile     persistence.Profile
	ProfileName string
	// Systems to run; empty means all.
	Systems []string
	// Duration of one timed run, after a warm-up of a fifth of it.
	Duration time.Duration
	// Entries of a log to catch up with.
	Entries int
	// Scale of the workloads that fix their own numbers of entries.
	Scale float64
	// OnlyProfile: no other plan of the run has another profile.
	OnlyProfile bool
	// Short leaves out what is not needed to see that nothing became slow.
	Short bool
}

// Workload is a named part of the comparison.
type Workload struct {
	Name, Title string
	Groups      func(Plan) []measure.Group
	// InShort: the workload has a part in a short run.
	InShort bool
}

// All workloads, in the order in which they are run.
func All() []Workload {
	return []Workload{
		{"append", "durable append, P blocking producers", appendGroups, true},
		{"append-async", "one producer with 512 appends in flight", asyncGroups, false},
		{"update", "read one key and write it, P producers", updateGroups, false},
		{"staged", "the program's own batch with one key and one event, P producers", stagedGroups, false},
		{"follow", "catch-up of F followers that set one key per entry", followGroups, true},
		{"follow-trimmable", "catch-up on the trimmable log, half of its events persistent", trimmableGroups, false},
		{"fanout", "F followers caught up while P producers append; p50 and p99 from append to reaction", fanoutGroups, false},
		{"rare-kind", "a follower of a kind of 1 in 10,000, against one of all; entries passed per second", rareGroups, false},
		{"trim", "1,000,000 trimmable entries go", trimGroups, false},
		{"open", "Open of a store of 10,000,000 entries", openGroups, false},
		{"memory", "10,000,000 appends by 64 producers in a process of their own", memoryGroups, false},
		{"growth", "append and follow in a growing log", growthGroups, false},
	}
}

func (p Plan) warmUp() time.Duration { return p.Duration / 5 }

// scaled is n entries at the plan's scale, at least 1000.
func (p Plan) scaled(n int) int { return max(1000, int(float64(n)*p.Scale)) }

func (p Plan) config(dir string, payloads [][]byte) engines.Config {
	return engines.Config{Dir: dir, Profile: p.Profile, Payloads: payloads}
}

// keys that updates and staged batches write, in turn.
func updateKeys() [][]byte {
	keys := make([][]byte, 1<<14)
	for i := range keys {
		keys[i] = binary.BigEndian.AppendUint64([]byte("account/"), uint64(i)*0x9e3779b97f4a7c15)
	}
	return keys
}

// wants reports whether a system is to be run.
func (p Plan) wants(system string) bool {
	return len(p.Systems) == 0 || slices.Contains(p.Systems, system)
}

// chosen keeps the cases of the systems that are wanted. A group without any
// is dropped.
func (p Plan) chosen(groups ...measure.Group) []measure.Group {
	var kept []measure.Group
	for _, g := range groups {
		g.Cases = slices.DeleteFunc(g.Cases, func(c measure.Case) bool { return !p.wants(c.System) })
		for i := range g.Cases {
			g.Cases[i].Profile = cmp.Or(g.Cases[i].Profile, p.ProfileName)
		}
		if len(g.Cases) > 0 {
			kept = append(kept, g)
		}
	}
	return kept
}

// System is what can be chosen.
type System struct {
	Name string
	// Note says what an answer means, in one line.
	Note string
}

// Known are all systems.
func Known() []System {
	known := []System{
		{"retinue", "synced: one batch and one sync for all that are waiting; followers commit unsynced unless a line says synced"},
		{"pebble", "synced: one committer, batches of as many entries as there are producers"},
		{"pebble-goroutines", "synced: as many goroutines as producers, one entry each, Pebble's own group commit"},
		{"pertxn", "a follower on Pebble with one transaction per event, unsynced and synced"},
	}
	for _, peer := range peers.All() {
		known = append(known, System{peer.Name, peer.Durability + ": " + peer.Note})
	}
	return known
}

// Check returns what is wrong with names of systems.
func Check(names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(Known(), func(s System) bool { return s.Name == name }) {
			return fmt.Errorf("no system %q", name)
		}
	}
	return nil
}

package workloads

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
	"github.com/retinue-go/retinue/bench/peers"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

// catchUp is what a follower does with the log.
type catchUp struct {
	name    string // the variant
	payment bool   // the log holds payments, reacted to by type
	sync    bool
	log     messages.Log
}

// durability of the follower's commits.
func (c catchUp) durability() string {
	if c.sync {
		return measure.Synced
	}
	return measure.Unsynced
}

// follower number i, which sets one key per entry to 24 bytes.
func (c catchUp) follower(i int) followers.Follower {
	f := followers.Follower{Name: fmt.Sprint("f", i), Sync: c.sync, Log: c.log}
	key, value := make([]byte, 8), make([]byte, engines.ReactionSize)
	set := func(t *followers.Turn) error {
		e := t.Entry()
		binary.BigEndian.PutUint64(key, uint64(e.TrimmableID))
		return t.Set(key, value)
	}
	if !c.payment {
		f.Every = set
		return f
	}
	f.Reactions = []followers.Reaction{followers.On(func(t *followers.Turn, e engines.Payment) error {
		binary.BigEndian.PutUint64(value, e.Sats)
		return set(t)
	})}
	return f
}

// followGroups has F followers catch up with a log that lies in tables.
// events_per_s counts deliveries: entries times followers.
func followGroups(p Plan) []measure.Group {
	one := []catchUp{
		{name: "every"}, {name: "every", sync: true},
		{name: "reaction", payment: true}, {name: "reaction", payment: true, sync: true},
	}
	groups := []measure.Group{followGroup(p, 1, p.Entries, one)}
	if p.Short {
		groups = append(groups, followGroup(p, 8, p.Entries/4, one[:1]), followGroup(p, 64, p.Entries/16, one[:1]))
	} else {
		groups = append(groups, followGroup(p, 8, p.Entries, one), followGroup(p, 64, p.Entries, one[:1]))
	}
	return p.chosen(groups...)
}

func followGroup(p Plan, count, entries int, variants []catchUp) measure.Group {
	payloads := engines.Payloads(128)
	var template string
	point := measure.Result{Workload: "follow", Followers: count, Payload: 128, Entries: entries}
	var g measure.Group
	for _, v := range variants {
		r := point
		r.System, r.Variant, r.Durability = "retinue", v.name, v.durability()
		g.Cases = append(g.Cases, measure.Case{Result: r, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			from := filepath.Join(template, "bytes")
			if v.payment {
				from = filepath.Join(template, "json")
			}
			if err := clone(from, dir); err != nil {
				return measure.Sample{}, err
			}
			return follow(ctx, p.config(dir, payloads), entries, count, v)
		}})
	}
	if count == 1 {
		g.Cases = append(g.Cases, rawFollow(p, point, &template, payloads)...)
		if !p.Short {
			g.Cases = append(g.Cases, peerFollow(p, point, payloads)...)
		}
	}
	g.Setup = func(ctx context.Context, dir string) error {
		template = dir
		fills := map[string]func(engines.Config) error{
			"bytes": func(c engines.Config) error { return fillRetinue(ctx, c, entries, inBytes) },
		}
		if count == 1 {
			fills["raw"] = func(c engines.Config) error { return fillPebble(ctx, c, entries) }
		}
		if slices.ContainsFunc(variants, func(v catchUp) bool { return v.payment }) {
			fills["json"] = func(c engines.Config) error { return fillRetinue(ctx, c, entries, inJSON(128)) }
		}
		return p.fill(dir, payloads, fills)
	}
	return g
}

// fill makes one template per name, each below dir.
func (p Plan) fill(dir string, payloads [][]byte, fills map[string]func(engines.Config) error) error {
	for name, fill := range fills {
		at := filepath.Join(dir, name)
		if err := os.Mkdir(at, 0o700); err != nil {
			return err
		}
		if err := fill(p.config(at, payloads)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// follow measures from the start of the followers until all have passed the
// last entry, durably.
func follow(ctx context.Context, c engines.Config, entries, count int, v catchUp) (measure.Sample, error) {
	return within(engines.OpenRetinue, c, func(r *engines.Retinue) (measure.Sample, error) {
		return measure.Timed(entries*count, func() error {
			names := make([]string, count)
			for i := range count {
				f := v.follower(i)
				names[i] = f.Name
				if err := r.Follow(f); err != nil {
					return err
				}
			}
			return r.CaughtUp(ctx, names...)
		})
	})
}

// rawFollow is what Pebble itself does with the same log: read it, read it and
// set the keys in batches of 256, and commit one transaction per event.
func rawFollow(p Plan, point measure.Result, template *string, payloads [][]byte) []measure.Case {
	perEvent := min(point.Entries, 100_000)
	perSync := min(point.Entries, 2_000)
	type how struct {
		system, variant, durability string
		entries                     int
		run                         func(*engines.Pebble, context.Context, int) error
	}
	var cases []measure.Case
	for _, h := range []how{
		{"pebble", "scan", measure.Unsynced, point.Entries, (*engines.Pebble).Scan},
		{"pebble", "scan+set", measure.Unsynced, point.Entries, engines.ScanAndSet(false)},
		{"pebble", "scan+set", measure.Synced, point.Entries, engines.ScanAndSet(true)},
		{"pertxn", "", measure.Unsynced, perEvent, engines.PerTransaction(false)},
		{"pertxn", "", measure.Synced, perSync, engines.PerTransaction(true)},
	} {
		r := point
		r.System, r.Variant, r.Durability, r.Entries = h.system, h.variant, h.durability, h.entries
		cases = append(cases, measure.Case{Result: r, Run: func(ctx context.Context, dir string) (measure.Sample, error) {
			if err := clone(filepath.Join(*template, "raw"), dir); err != nil {
				return measure.Sample{}, err
			}
			return within(engines.OpenPebble, p.config(dir, payloads), func(db *engines.Pebble) (measure.Sample, error) {
				return measure.Timed(h.entries, func() error { return h.run(db, ctx, h.entries) })
			})
		}})
	}
	return cases
}

// peerEntries is how many events a peer catches up with: few are fast enough
// for more.
const peerEntries = 100_000

func peerFollow(p Plan, point measure.Result, payloads [][]byte) []measure.Case {
	point.Entries = min(point.Entries, peerEntries)
	var cases []measure.Case
	for _, peer := range able[peers.Consumer]() {
		r := point
		r.System, r.Variant, r.Durability = peer.Name, peer.Consumes, cmp.Or(peer.Reactions, peer.Durability)
		run := func(unsynced bool) func(context.Context, string) (measure.Sample, error) {
			return func(ctx context.Context, dir string) (measure.Sample, error) {
				c := p.config(dir, payloads)
				c.Unsynced = unsynced
				return within(peer.Open, c, func(log peers.Log) (measure.Sample, error) {
					return consume(ctx, log, point.Entries)
				})
			}
		}
		cases = append(cases, measure.Case{Result: r, Run: run(false)})
		if peer.LaterSync {
			r.Durability = measure.Unsynced
			cases = append(cases, measure.Case{Result: r, Run: run(true)})
		}
	}
	return cases
}

// consume fills a peer's log and measures how one consumer catches up.
func consume(ctx context.Context, log peers.Log, n int) (measure.Sample, error) {
	const batch = 1000
	for done := 0; done < n; done += batch {
		if err := log.(peers.BatchAppender).AppendBatch(ctx, uint64(done), min(batch, n-done)); err != nil {
			return measure.Sample{}, err
		}
	}
	return measure.Timed(n, func() error { return log.(peers.Consumer).Consume(ctx, n) })
}

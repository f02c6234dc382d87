package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

var _ = addPart("killed", playKilled)

// The parent kills the writer after so many acknowledged lines, or while it
// opens the store, and the next one tells what it finds.
func TestAKilledProcessLosesNothingAcknowledged(t *testing.T) {
	rounds := long(10, 200)
	seed := rand.Uint64()
	t.Logf("%d kills, seed %d", rounds, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := filepath.Join(t.TempDir(), "store")
	known := map[uint64]string{}
	for round := range rounds {
		limit := random.IntN(120)
		if round%5 == 4 {
			limit = -1
		}
		killRound(t, dir, round, limit, known)
	}
	killRound(t, dir, rounds, 0, known)
	if t.Failed() {
		t.Logf("the seed was %d", seed)
	}
	if len(known) < rounds {
		t.Errorf("%d entries after %d rounds", len(known), rounds)
	}
}

// killRound runs one writer until limit lines are acknowledged; below 0 it is
// killed as soon as it begins to open. known is what must be there.
func killRound(t *testing.T, dir string, round, limit int, known map[uint64]string) {
	t.Helper()
	c := startChild(t, "killed", dir, roundVariable+"="+strconv.Itoa(round))
	found := map[uint64]string{}
	acknowledged := 0
	for {
		line, ok := c.next()
		if !ok {
			break
		}
		what, rest, _ := strings.Cut(line, " ")
		switch what {
		case "opening":
			if limit < 0 {
				c.kill()
			}
		case "had":
			id, text := entryLine(t, rest)
			found[id] = text
		case "ready":
			compareFound(t, round, known, found)
			for id, text := range found {
				known[id] = text
			}
			if limit == 0 {
				c.kill()
			}
		case "ack":
			id, text := entryLine(t, rest)
			known[id] = text
			if acknowledged++; acknowledged == limit {
				c.kill()
			}
		default:
			t.Errorf("round %d: the child said %q", round, line)
		}
	}
	c.killed()
}

func entryLine(t *testing.T, rest string) (uint64, string) {
	t.Helper()
	number, text, _ := strings.Cut(rest, " ")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		t.Fatalf("line %q: %v", rest, err)
	}
	return id, text
}

// compareFound wants all of known in found, and nothing twice.
func compareFound(t *testing.T, round int, known, found map[uint64]string) {
	t.Helper()
	for id, text := range known {
		if found[id] != text {
			t.Errorf("round %d: entry %d is %q, was %q", round, id, found[id], text)
		}
	}
	ids := map[string]uint64{}
	for id, text := range found {
		if other, ok := ids[text]; ok {
			t.Errorf("round %d: entries %d and %d are both %q", round, id, other, text)
		}
		ids[text] = id
	}
}

// playKilled tells what the store holds, then follows it and writes until it
// is killed.
func playKilled() error {
	fmt.Println("opening")
	bus, err := retinue.Open(os.Getenv(dirVariable), nil)
	if err != nil {
		return err
	}
	if err := tell(bus); err != nil {
		return err
	}
	if err := followAll(bus); err != nil {
		return err
	}
	fmt.Println("ready")
	failed := make(chan error)
	for w, write := range []func(*retinue.Bus, string) error{writeOne, writePair, writeKey, writeMany} {
		go func() {
			for n := 0; ; n++ {
				if err := write(bus, fmt.Sprintf("%s.%d.%d", os.Getenv(roundVariable), w, n)); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func acknowledge(id messages.TrimmableID, text string) { fmt.Printf("ack %d %s\n", id, text) }

func writeOne(bus *retinue.Bus, text string) error {
	r, err := bus.Append(context.Background(), word{text})
	if err == nil {
		acknowledge(r.FirstTrimmable, text)
	}
	return err
}

func writePair(bus *retinue.Bus, text string) error {
	r, err := bus.Append(context.Background(), word{text}, aside{text + "+"})
	if err == nil {
		acknowledge(r.FirstTrimmable, text)
		acknowledge(r.LastTrimmable, text+"+")
	}
	return err
}

// writeKey writes a key of the application beside its event.
func writeKey(bus *retinue.Bus, text string) error {
	r, err := bus.Update(context.Background(), func(tx *retinue.Tx) error {
		return errors.Join(tx.Set([]byte(text+"="), []byte("1")), tx.Append(word{text + "="}))
	})
	if err == nil {
		acknowledge(r.FirstTrimmable, text+"=")
	}
	return err
}

func writeMany(bus *retinue.Bus, text string) error {
	var tickets [8]*retinue.Ticket
	name := func(i int) string { return fmt.Sprintf("%s#%d", text, i) }
	for i := range tickets {
		var err error
		tickets[i], err = bus.Submit(context.Background(), retinue.Request{
			Events: []messages.Event{aside{name(i)}}, Key: name(i),
		})
		if err != nil {
			return err
		}
	}
	for i, ticket := range tickets {
		r, err := ticket.Wait(context.Background())
		if err != nil {
			return err
		}
		acknowledge(r.FirstTrimmable, name(i))
	}
	return nil
}

// The reactions are functions of the id, so that a cursor says which keys,
// echoes and parked entries there must be.
const (
	echoEvery = 5
	parkEvery = 31
)

var errPicky = errors.New("not this one")

func reactionKey(id messages.TrimmableID) []byte { return fmt.Appendf(nil, "%d", id) }

func echoText(id messages.TrimmableID) string { return fmt.Sprintf("echo of %d", id) }

func followAll(bus *retinue.Bus) error {
	return errors.Join(
		bus.Follow(followers.Follower{
			Name: "every", Log: messages.TrimmableLog,
			Every: func(t *followers.Turn) error {
				e := t.Entry()
				if e.Type.Kind != "echo" && e.TrimmableID%echoEvery == 0 {
					if err := t.Append(echo{echoText(e.TrimmableID)}); err != nil {
						return err
					}
				}
				return t.Set(reactionKey(e.TrimmableID), []byte("1"))
			},
		}),
		bus.Follow(followers.Follower{
			Name: "batch", Log: messages.TrimmableLog,
			Batch: func(t *followers.Turn, entries []messages.Entry) error {
				for i := range entries {
					if err := t.Set(reactionKey(entries[i].TrimmableID), []byte("1")); err != nil {
						return err
					}
				}
				return nil
			},
		}),
		bus.Follow(followers.Follower{
			Name: "picky", Log: messages.TrimmableLog,
			Restart: followers.Restart{Initial: time.Millisecond},
			Poison:  followers.Poison{Action: followers.Park, After: 2},
			Every: func(t *followers.Turn) error {
				if id := t.Entry().TrimmableID; id%parkEvery == 0 {
					return errPicky
				}
				return t.Set(reactionKey(t.Entry().TrimmableID), []byte("1"))
			},
		}),
	)
}

// tell prints what the store holds, and what contradicts itself there.
func tell(bus *retinue.Bus) error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	report, err := bus.Verify(context.Background())
	if err != nil {
		return err
	}
	for _, problem := range report.Problems {
		fmt.Fprintln(out, "wrong", problem)
	}
	texts, echoes := map[string]bool{}, map[messages.TrimmableID]bool{}
	var last messages.TrimmableID
	for e, err := range bus.Entries(context.Background(), retinue.Query{Log: messages.TrimmableLog}) {
		if err != nil {
			return err
		}
		text, err := textOf(e)
		if err != nil {
			return err
		}
		if e.TrimmableID != last+1 {
			fmt.Fprintf(out, "wrong: entry %d follows %d\n", e.TrimmableID, last)
		}
		last, texts[text], echoes[e.TrimmableID] = e.TrimmableID, true, e.Type.Kind == "echo"
		fmt.Fprintln(out, "had", uint64(e.TrimmableID), text)
	}
	return bus.View(func(v *retinue.View) error {
		for kv, err := range v.Scan(nil) {
			if err != nil {
				return err
			}
			if !texts[string(kv.Key)] {
				fmt.Fprintf(out, "wrong: key %s without its event\n", kv.Key)
			}
			delete(texts, string(kv.Key))
		}
		for text := range texts {
			if strings.HasSuffix(text, "=") {
				fmt.Fprintf(out, "wrong: event %s without its key\n", text)
			}
		}
		for _, f := range bus.Status().Followers {
			if err := tellFollower(out, bus, v, f, last, texts, echoes); err != nil {
				return err
			}
		}
		return nil
	})
}

func textOf(e messages.Entry) (string, error) {
	switch e.Type.Kind {
	case "word":
		w, err := messages.Decode[word](e)
		return w.Text, err
	case "aside":
		a, err := messages.Decode[aside](e)
		return a.Text, err
	}
	o, err := messages.Decode[echo](e)
	return o.Text, err
}

// tellFollower wants a reaction if and only if the cursor has passed.
func tellFollower(out *bufio.Writer, bus *retinue.Bus, v *retinue.View, f retinue.FollowerStatus, last messages.TrimmableID, texts map[string]bool, echoes map[messages.TrimmableID]bool) error {
	keys, err := v.Follower(f.Name)
	if err != nil {
		return err
	}
	reacted := map[string]bool{}
	for kv, err := range keys.Scan(nil) {
		if err != nil {
			return err
		}
		reacted[string(kv.Key)] = true
	}
	for p, err := range bus.Parked(f.Name) {
		if err != nil {
			return err
		}
		// An entry whose turns were killed twice is parked too.
		if f.Name != "picky" || p.ID%parkEvery != 0 && strings.Contains(p.Error, errPicky.Error()) {
			fmt.Fprintf(out, "wrong: %s parked %d: %s\n", f.Name, p.ID, p.Error)
		}
		reacted[string(reactionKey(messages.TrimmableID(p.ID)))] = true
	}
	for id := messages.TrimmableID(1); id <= last; id++ {
		passed := uint64(id) < f.Cursor
		if reacted[string(reactionKey(id))] != passed {
			fmt.Fprintf(out, "wrong: %s stands at %d, reacted to %d: %v\n", f.Name, f.Cursor, id, !passed)
		}
	}
	if f.Name != "every" {
		return nil
	}
	for id := messages.TrimmableID(echoEvery); id <= last; id += echoEvery {
		due := uint64(id) < f.Cursor && !echoes[id]
		if texts[echoText(id)] != due {
			fmt.Fprintf(out, "wrong: the cursor stands at %d, there is %q: %v\n", f.Cursor, echoText(id), !due)
		}
	}
	return nil
}

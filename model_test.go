package retinue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/retinue-go/retinue/messages"
)

// Random histories: appends, updates, stagings, commits, turns, seeks, trims,
// clock jumps, power cuts and reopenings, against a plain model of what must
// be there. Rapid prints the seed that replays a failure.

func TestRandomHistoriesMatchTheModel(t *testing.T) {
	checkModel(t, false)
}

func TestRandomHistoriesMatchTheModelInASharedDatabase(t *testing.T) {
	checkModel(t, true)
}

func checkModel(t *testing.T, shared bool) {
	inBubble(t, func(t *testing.T) {
		system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(slog.DiscardHandler)
		}))
		defer system.Shutdown()
		rapid.Check(plainTB{t}, func(t *rapid.T) { runModel(t, modelWorld{system: system, shared: shared}) })
	})
}

// plainTB keeps rapid from asking for a deadline, which a bubble has not.
type plainTB struct{ rapid.TB }

func runModel(t *rapid.T, world modelWorld) {
	m := newModel(t, world)
	defer m.stop()
	actions := map[string]func(*rapid.T){
		"append":    m.append,
		"in flight": m.inFlight,
		"keyed":     m.keyed,
		"condition": m.condition,
		"update":    m.update,
		"seek":      m.seek,
		"pause":     m.pause,
		"trim":      m.trim,
		"clock":     m.jump,
		"power cut": m.powerCut,
		"reopen":    m.reopen,
		"check":     m.check,
		"":          m.glance,
	}
	if m.shared {
		actions["commit"] = m.commit
		actions["stage"] = m.stage
	}
	t.Repeat(actions)
	m.check(t)
}

// modelFate is what became of an append.
type modelFate int

const (
	modelOpen modelFate = iota // it may or may not be in the log
	modelKept
	modelLost
)

// modelAppend is one append with what is known of it.
type modelAppend struct {
	request retinueRequest
	tags    []int // of the events that are in a log
	fate    modelFate
	receipt *messages.Receipt
	ticket  modelTicket
	// ordered: it went to the writer in the order of model.appends.
	ordered bool
	// mark is a key that was written in the same batch; raw: in the program's
	// own database.
	mark string
	raw  bool
	// settled: its fate was known before the last power cut.
	settled bool
}

// model is what must be true of the bus.
type model struct {
	modelWorld
	t        *rapid.T
	nextTag  int
	appends  []*modelAppend
	byTag    map[int]*modelAppend
	at       map[int]uint64 // where a tag is in the trimmable log
	keys     map[string]*modelAppend
	logs     [2]modelLog
	walkers  []*modelFollower
	headsLow [2]uint64
}

func newModel(t *rapid.T, world modelWorld) *model {
	m := &model{
		modelWorld: world, t: t, byTag: make(map[int]*modelAppend), keys: make(map[string]*modelAppend),
		walkers: []*modelFollower{newModelFollower(messages.Permanent), newModelFollower(messages.TrimmableLog)},
	}
	for i := range m.logs {
		m.logs[i] = modelLog{seen: make(map[uint64]modelSeen), horizon: 1}
	}
	m.modelWorld.fail = m.fail
	m.start()
	m.follow()
	return m
}

// events draws one to three events; tags name those that a log keeps.
func (m *model) events(t *rapid.T) (events []messages.Event, tags []int) {
	kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"deposit", "deposit", "remark", "trace", "blip"}), 1, 3).Draw(t, "events")
	for _, kind := range kinds {
		m.nextTag++
		tag := m.nextTag
		switch kind {
		case "deposit":
			events = append(events, modelDeposit{tag})
		case "remark":
			events = append(events, messages.Draft{Event: modelRemark{tag}, Instance: 7, Time: m.clock.Now().AddDate(50, 0, 0)})
		case "trace":
			events = append(events, modelTrace{tag})
		case "blip":
			events = append(events, modelBlip{tag})
			continue
		}
		tags = append(tags, tag)
	}
	return events, tags
}

// expect makes the model responsible for an append.
func (m *model) expect(a *modelAppend) *modelAppend {
	m.appends = append(m.appends, a)
	for _, tag := range a.tags {
		m.byTag[tag] = a
	}
	return a
}

func (m *model) append(t *rapid.T) {
	m.t = t
	events, tags := m.events(t)
	a := m.expect(&modelAppend{tags: tags, ordered: true})
	receipt, err := m.bus.Append(m.ctx(), events...)
	m.acknowledge(a, receipt, err)
}

// inFlight leaves appends with the writer; a power cut may take them.
func (m *model) inFlight(t *rapid.T) {
	m.t = t
	for range rapid.IntRange(1, 5).Draw(t, "appends") {
		events, tags := m.events(t)
		m.submit(m.expect(&modelAppend{tags: tags, ordered: true, request: retinueRequest{Events: events}}))
	}
}

// seek moves a cursor, where nothing has moved it first.
func (m *model) seek(t *rapid.T) {
	m.t = t
	f := m.walkers[rapid.IntRange(0, 1).Draw(t, "follower")]
	place := modelPart(t, "to")
	status := m.status(f)
	low := uint64(1)
	if f.log == messages.TrimmableLog {
		low = m.bus.Status().Trimmable.Horizon
	}
	if low > status.Head {
		return
	}
	to := place(low, status.Head)
	err := m.bus.Seek(m.ctx(), f.name, status.Position(), modelPosition(f.log, to))
	if err == nil {
		f.seeks = append(f.seeks, modelSeek{status.Cursor, to})
	} else {
		m.mustBe(err, messages.ErrCursorMoved)
	}
}

func (m *model) pause(t *rapid.T) {
	m.t = t
	f := m.walkers[rapid.IntRange(0, 1).Draw(t, "follower")]
	if f.paused = !f.paused; f.paused {
		m.must(m.bus.Pause(m.ctx(), f.name), "pause")
		return
	}
	m.must(m.bus.Resume(m.ctx(), f.name), "resume")
}

// jump sets the wall clock, back or far ahead.
func (m *model) jump(t *rapid.T) {
	day := 24 * time.Hour
	m.clock.Advance(rapid.SampledFrom([]time.Duration{
		time.Nanosecond, time.Second, time.Hour, 10 * day, 20 * day, 100 * day, 3000 * day, -time.Hour, -30 * day, -3000 * day,
	}).Draw(t, "jump"))
}

// trim compares a pass with what must go: everything is known by now.
func (m *model) trim(t *rapid.T) {
	m.t = t
	m.quiesce()
	m.nextTag++
	now := m.expect(&modelAppend{tags: []int{m.nextTag}, ordered: true})
	receipt, err := m.bus.Append(m.ctx(), modelTrace{m.nextTag})
	m.acknowledge(now, receipt, err)
	m.quiesce()
	m.observe()
	want := m.wantHorizon()
	before := m.logs[messages.TrimmableLog].horizon
	trimmed, err := m.bus.Trim(m.ctx())
	m.must(err, "trim")
	if uint64(trimmed.Horizon) != want || trimmed.Entries != want-before {
		m.fail("trimmed %d entries to the horizon %d, want %d from %d", trimmed.Entries, trimmed.Horizon, want, before)
	}
	m.logs[messages.TrimmableLog].horizon = want
	m.observe()
}

// wantHorizon is the horizon after a pass of the trimmer. What is old is old
// against the last entry, because the clock stands still.
func (m *model) wantHorizon() uint64 {
	log := &m.logs[messages.TrimmableLog]
	head := log.head()
	now := time.Time{}
	for _, seen := range log.seen {
		if seen.ordered.After(now) {
			now = seen.ordered
		}
	}
	younger := func(age time.Duration) uint64 {
		id := log.horizon
		for id < head && log.seen[id].ordered.Before(now.Add(-age)) {
			id++
		}
		return id
	}
	want := min(head-min(head, modelTrim.MinEntries), log.horizon+modelTrim.MaxPerPass, younger(modelTrim.MinAge))
	cursor := m.status(m.walkers[messages.TrimmableLog]).Cursor
	want = min(want, max(cursor, younger(modelTrim.Hold)))
	return max(want, log.horizon)
}

// powerCut takes what the disk had not promised to keep.
func (m *model) powerCut(t *rapid.T) {
	m.t = t
	percent := rapid.SampledFrom([]int{0, 30, 70, 100}).Draw(t, "unsynced data that survives, in percent")
	seed := rapid.Uint64().Draw(t, "power cut")
	for _, a := range m.appends {
		m.peek(a)
	}
	m.reincarnate(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, seed))})
	m.observe()
	m.resolve()
	m.compare()
	m.follow()
}

// reopen closes the bus, which loses nothing.
func (m *model) reopen(t *rapid.T) {
	m.t = t
	m.shutdown()
	m.settle()
	m.open()
	m.observe()
	m.resolve()
	m.compare()
	m.follow()
}

// check lets everything come to rest and compares it all with the model.
func (m *model) check(t *rapid.T) {
	m.t = t
	m.quiesce()
	m.observe()
	m.compare()
	m.query()
}

// glance is what must hold in every moment.
func (m *model) glance(t *rapid.T) {
	m.t = t
	s := m.bus.Status()
	if s.Failed != nil {
		m.fail("the bus failed: %v", s.Failed)
	}
	heads := [2]uint64{s.Permanent.Head, s.Trimmable.Head}
	if heads[0] < m.headsLow[0] || heads[1] < m.headsLow[1] || heads[0] > heads[1] {
		m.fail("heads went from %v to %v", m.headsLow, heads)
	}
	m.headsLow = heads
	if s.Trimmable.Horizon != m.logs[messages.TrimmableLog].horizon {
		m.fail("horizon %d, want %d", s.Trimmable.Horizon, m.logs[messages.TrimmableLog].horizon)
	}
}

// compare checks all that the model says of a bus at rest.
func (m *model) compare() {
	for _, a := range m.appends {
		m.compareAppend(a)
	}
	m.compareOrder()
	for _, f := range m.walkers {
		m.compareFollower(f)
	}
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format, args...)
}

func (m *model) must(err error, what string) {
	m.t.Helper()
	if err != nil {
		m.fail("%s: %v", what, err)
	}
}

func (m *model) mustBe(err, want error) {
	m.t.Helper()
	if !errors.Is(err, want) {
		m.fail("error %v, want %v", err, want)
	}
}

// tagText keeps messages short.
func tagText(tags []int) string { return fmt.Sprint(slices.Sorted(slices.Values(tags))) }

// modelPart draws a part of ranges to come. What is drawn never depends on the
// state of the bus, so that a replay draws the same again.
func modelPart(t *rapid.T, what string) func(low, high uint64) uint64 {
	part := rapid.Uint64Range(0, 1000).Draw(t, what)
	return func(low, high uint64) uint64 { return low + (high-low)*part/1000 }
}

// ended is a ctx that does not wait.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

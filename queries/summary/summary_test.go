package summary_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/retinue-go/retinue/queries/join"
	"github.com/retinue-go/retinue/queries/summary"
)

// Sats is a number with a unit.
type Sats int64

func (s Sats) String() string { return fmt.Sprintf("%d sat", int64(s)) }

func of[T summary.Value](values ...T) *summary.Of[T] {
	var s summary.Of[T]
	for _, v := range values {
		s.Add(v)
	}
	return &s
}

// exact is the nearest-rank quantile of a sorted list.
func exact[T summary.Value](sorted []T, percent int) T {
	return sorted[max((len(sorted)*percent+99)/100, 1)-1]
}

func near[T summary.Value](got, want T) bool {
	slack := summary.Accuracy*math.Abs(float64(want))*(1+1e-9) + 1e-300
	if half := 0.5; T(half) == 0 {
		slack += 0.5
	}
	return math.Abs(float64(got)-float64(want)) <= slack
}

func checkQuantiles[T summary.Value](t *rapid.T, values []T) {
	s := of(values...)
	sorted := slices.Sorted(slices.Values(values))
	if s.Count() != uint64(len(sorted)) || s.Min() != sorted[0] || s.Max() != sorted[len(sorted)-1] {
		t.Fatalf("count %d, min %v, max %v of %v", s.Count(), s.Min(), s.Max(), sorted)
	}
	for _, percent := range []int{0, 1, 7, 29, 50, 57, 90, 99, 100} {
		if got, want := s.Quantile(float64(percent)/100), exact(sorted, percent); !near(got, want) {
			t.Fatalf("p%d = %v, want %v within %v\nof %v", percent, got, want, summary.Accuracy, sorted)
		}
	}
	sum, size := 0.0, 0.0
	for _, v := range values {
		sum += float64(v)
		size = max(size, math.Abs(float64(v)))
	}
	if got := float64(s.Sum()); math.Abs(sum) < 1<<60 && math.Abs(got-sum) > math.Abs(size)*1e-9+0.5 {
		t.Fatalf("sum %v, want %v\nof %v", got, sum, values)
	}
	if got, want := float64(s.Mean()), sum/float64(len(values)); math.Abs(got-want) > size*1e-9+0.5 {
		t.Fatalf("mean %v, want %v\nof %v", got, want, values)
	}
}

func TestQuantilesAreThoseOfASortedList(t *testing.T) {
	durations := rapid.Map(rapid.Int64Range(-int64(time.Minute), int64(40*24*time.Hour)), func(n int64) time.Duration { return time.Duration(n) })
	small := rapid.Map(rapid.Int64Range(-3, 30), func(n int64) time.Duration { return time.Duration(n) })
	for name, values := range map[string]*rapid.Generator[time.Duration]{"any": durations, "small": small} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			checkQuantiles(t, rapid.SliceOfN(values, 1, 300).Draw(t, "values"))
		}))
	}
	t.Run("whole", rapid.MakeCheck(func(t *rapid.T) {
		checkQuantiles(t, rapid.SliceOfN(rapid.Int64(), 1, 100).Draw(t, "values"))
	}))
	t.Run("float", rapid.MakeCheck(func(t *rapid.T) {
		checkQuantiles(t, rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 100).Draw(t, "values"))
	}))
}

func TestSummariesMadeApartCombineToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := func(name string) []time.Duration {
			return rapid.SliceOfN(rapid.Map(rapid.Int64Range(0, int64(time.Hour)), func(n int64) time.Duration { return time.Duration(n) }), 0, 50).Draw(t, name)
		}
		a, b, c := part("a"), part("b"), part("c")
		left := of(a...) // (a + b) + c
		left.Combine(of(b...))
		left.Combine(of(c...))
		back := of(b...) // a + (b + c)
		back.Combine(of(c...))
		right := of(a...)
		right.Combine(back)
		all := of(slices.Concat(a, b, c)...)
		for _, s := range []*summary.Of[time.Duration]{left, right} {
			if s.String() != all.String() || s.Quantile(0.37) != all.Quantile(0.37) {
				t.Fatalf("combined to\n%v, want\n%v", s, all)
			}
		}
		if want := of(slices.Concat(b, c)...); back.String() != want.String() {
			t.Fatalf("what was combined became\n%v, want\n%v", back, want)
		}
	})
}

func TestAnEmptySummaryIsZero(t *testing.T) {
	s := of[time.Duration]()
	s.Combine(of[time.Duration]())
	if s.Count()+uint64(s.Min()+s.Max()+s.Mean()+s.P50()+s.P90()+s.P99()) != 0 || s.Rate(time.Hour) != 0 {
		t.Errorf("empty: %v", s)
	}
	if got := s.String(); got != "count 0" {
		t.Errorf("empty is %q", got)
	}
}

func TestASumStaysWithinItsType(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	if got := of(century, century, century).Sum(); got != math.MaxInt64 {
		t.Errorf("three centuries are %v", got)
	}
	if got := of(-century, -century, -century).Sum(); got != math.MinInt64 {
		t.Errorf("three centuries back are %v", got)
	}
}

func TestWhatIsNoNumberIsLeftOut(t *testing.T) {
	s := of(math.NaN(), math.Inf(1), 2, math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64)
	if s.Count() != 4 || s.Min() != -math.MaxFloat64 || s.Max() != math.MaxFloat64 {
		t.Errorf("got %v", s)
	}
}

func TestFiguresHaveTheirUnit(t *testing.T) {
	for _, test := range []struct {
		s    fmt.Stringer
		want string
	}{
		{of(time.Second, 3*time.Second, 2*time.Second), "count 3  min 1s  mean 2s  p50 2s  p90 3s  p99 3s  max 3s"},
		{of[Sats](1, 2, 6), "count 3  min 1 sat  mean 3 sat  p50 2 sat  p90 6 sat  p99 6 sat  max 6 sat"},
		{of(1.5, 2.5), "count 2  min 1.5  mean 2  p50 1.5  p90 2.5  p99 2.5  max 2.5"},
		{of[int64](7), "count 1  min 7  mean 7  p50 7  p90 7  p99 7  max 7"},
		{summary.RateOf(25, 2*time.Second), "12.5/s"},
		{summary.RateOf(3, time.Hour), "3/h"},
		{summary.RateOf(90, time.Hour), "1.5/min"},
		{summary.RateOf(1, 48*time.Hour), "0.5/d"},
		{summary.RateOf(1, 0), "0/d"},
	} {
		if got := test.s.String(); got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}

func TestOutcomesCountEachResultOnce(t *testing.T) {
	var o, other summary.Outcomes
	o.Add(join.Matched, time.Second, false)
	o.Add(join.Matched, 2*time.Second, true)
	o.Add(join.TimedOut, 0, false)
	o.Add(join.Open, 0, false)
	other.Add(join.Matched, 3*time.Second, false)
	other.Add(join.Unmatched, 0, true)
	other.Add(join.Late, 0, false)
	o.Combine(&other)
	if o.Begun() != 5 || o.Incomplete() != 2 || o.SuccessRatio() != 0.5 || o.Rate(5*time.Second) != 1 {
		t.Errorf("begun %d, incomplete %d, ratio %v, rate %v", o.Begun(), o.Incomplete(), o.SuccessRatio(), o.Rate(5*time.Second))
	}
	want := strings.TrimSpace(`
succeeded  count 2  min 1s  mean 2s  p50 1s  p90 3s  p99 3s  max 3s
failed     count 1  min 2s  mean 2s  p50 2s  p90 2s  p99 2s  max 2s
timed out  count 1
open       count 1
unmatched  count 1
late       count 1`)
	if got := o.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestJSONIsForScripts(t *testing.T) {
	var o summary.Outcomes
	o.Add(join.Matched, 1500*time.Millisecond, false)
	o.Add(join.Open, 0, false)
	var hours summary.ByTime[summary.Of[Sats]]
	hours.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)).Add(7)
	for _, test := range []struct {
		value any
		want  string
	}{
		{&o, `{"succeeded":{"unit":"s","count":1,"sum":1.5,"min":1.5,"mean":1.5,"p50":1.5,"p90":1.5,"p99":1.5,"max":1.5},` +
			`"failed":{"unit":"s","count":0},"timed_out":0,"open":1,"unmatched":0,"late":0}`},
		{&hours, `[{"from":"2026-01-02T03:00:00Z","to":"2026-01-02T04:00:00Z",` +
			`"summary":{"count":1,"sum":7,"min":7,"mean":7,"p50":7,"p90":7,"p99":7,"max":7}}]`},
		{of(0.0, 0), `{"count":2,"sum":0,"min":0,"mean":0,"p50":0,"p90":0,"p99":0,"max":0}`},
		{new(summary.ByTime[summary.Outcomes]), `[]`},
	} {
		got, err := json.Marshal(test.value)
		if err != nil || string(got) != test.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestBucketsAreAlignedToTheZonesClock(t *testing.T) {
	for _, test := range []struct {
		name, zone string
		step       summary.Step
		at         string
		from       string
		length     time.Duration
	}{
		{"an hour", "UTC", summary.Hour, "2026-01-02T03:04:05Z", "2026-01-02T03:00:00Z", time.Hour},
		{"an hour that begins at half past", "Asia/Kolkata", summary.Hour, "2026-01-02T03:04:05Z", "2026-01-02T08:00:00+05:30", time.Hour},
		{"the first of two hours", "Europe/Berlin", summary.Hour, "2025-10-26T00:30:00Z", "2025-10-26T02:00:00+02:00", time.Hour},
		{"the second of two hours", "Europe/Berlin", summary.Hour, "2025-10-26T01:30:00Z", "2025-10-26T02:00:00+01:00", time.Hour},
		{"a day", "UTC", summary.Day, "2026-01-02T03:04:05Z", "2026-01-02T00:00:00Z", 24 * time.Hour},
		{"a day of another place", "America/New_York", summary.Day, "2026-01-02T03:04:05Z", "2026-01-01T00:00:00-05:00", 24 * time.Hour},
		{"a long day", "Europe/Berlin", summary.Day, "2025-10-26T12:00:00Z", "2025-10-26T00:00:00+02:00", 25 * time.Hour},
		{"a short day", "Europe/Berlin", summary.Day, "2025-03-30T12:00:00Z", "2025-03-30T00:00:00+01:00", 23 * time.Hour},
		{"a day without midnight", "America/Sao_Paulo", summary.Day, "2018-11-04T12:00:00Z", "2018-11-04T01:00:00-02:00", 23 * time.Hour},
		{"a day with two midnights", "America/Havana", summary.Day, "2025-11-02T04:30:00Z", "2025-11-02T00:00:00-04:00", 25 * time.Hour},
		{"the last moment of a day", "UTC", summary.Day, "2026-01-02T23:59:59.999999999Z", "2026-01-02T00:00:00Z", 24 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339Nano, test.at)
			if err != nil {
				t.Fatal(err)
			}
			b := summary.ByTime[summary.Outcomes]{Step: test.step, Zone: zone(t, test.zone)}
			got := b.Bucket(at)
			if got.From.Format(time.RFC3339Nano) != test.from || got.Length() != test.length {
				t.Errorf("%v of %v, want %s of %v", got.From.Format(time.RFC3339Nano), got.Length(), test.from, test.length)
			}
			if again := b.Bucket(got.To.Add(-1)); !again.From.Equal(got.From) {
				t.Errorf("its last moment is in the bucket %v", again)
			}
			if next := b.Bucket(got.To); !next.From.Equal(got.To) {
				t.Errorf("the next bucket is %v", next)
			}
		})
	}
}

func TestBucketsMadeApartCombine(t *testing.T) {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	var a, b summary.ByTime[summary.Of[Sats]]
	a.At(day.Add(90 * time.Minute)).Add(1)
	b.At(day).Add(5)
	b.At(day.Add(time.Hour)).Add(3)
	a.Combine(&b, (*summary.Of[Sats]).Combine)
	want := strings.TrimSpace(`
2026-01-02 00:00 +0000  count 1  min 5 sat  mean 5 sat  p50 5 sat  p90 5 sat  p99 5 sat  max 5 sat
2026-01-02 01:00 +0000  count 2  min 1 sat  mean 2 sat  p50 1 sat  p90 3 sat  p99 3 sat  max 3 sat`)
	if got := a.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := b.At(day.Add(time.Hour)).Count(); n != 1 {
		t.Errorf("what was combined has %d values, want 1", n)
	}
}

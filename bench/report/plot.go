package report

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/retinue-go/retinue/bench/measure"
)

// panel is one of the drawings: a figure against a count, both logarithmic,
// one line per system.
type panel struct {
	title, x, y string
	of          line
	count       func(measure.Result) int
	figures     []named
}

type named struct {
	suffix string
	figure func(measure.Result) *float64
}

var panels = []panel{
	{
		"durable append, 128 B", "producers", "events/s", line{workload: "append", payload: 128},
		func(r measure.Result) int { return r.Producers }, []named{{"", rate}},
	},
	{
		"durable append, 128 B: p50", "producers", "microseconds", line{workload: "append", payload: 128},
		func(r measure.Result) int { return r.Producers }, []named{{"", p50}},
	},
	{
		"catch-up, one key set per entry", "followers", "deliveries/s", line{workload: "follow", system: "retinue"},
		func(r measure.Result) int { return r.Followers }, []named{{"", rate}},
	},
	{
		"append to reaction, 64 producers", "followers", "microseconds", line{workload: "fanout", producers: 64},
		func(r measure.Result) int { return r.Followers }, []named{{" p50", p50}, {" p99", p99}},
	},
}

const (
	panelWidth  = 6 * vg.Inch
	panelHeight = 4.5 * vg.Inch
	panelGap    = vg.Inch / 4
)

// Plot draws throughput and latency against producers and followers into an
// SVG file.
func Plot(file string, results []measure.Result) (err error) {
	var drawn []*plot.Plot
	for _, p := range panels {
		d, err := p.draw(results)
		if err != nil {
			return fmt.Errorf("plot %s: %w", p.title, err)
		}
		if d != nil {
			drawn = append(drawn, d)
		}
	}
	if len(drawn) == 0 {
		return errors.New("nothing to plot: run append, follow or fanout")
	}
	columns := min(2, len(drawn))
	rows := (len(drawn) + columns - 1) / columns
	canvas := vgsvg.New(vg.Length(columns)*panelWidth, vg.Length(rows)*panelHeight)
	tiles := draw.Tiles{
		Rows: rows, Cols: columns, PadX: panelGap, PadY: panelGap,
		PadTop: panelGap, PadBottom: panelGap, PadLeft: panelGap, PadRight: panelGap,
	}
	for i, d := range drawn {
		d.Draw(tiles.At(draw.New(canvas), i%columns, i/columns))
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = canvas.WriteTo(out)
	return err
}

// draw returns nil where the results have nothing for the panel.
func (p panel) draw(results []measure.Result) (*plot.Plot, error) {
	lines, names := p.lines(results)
	if len(names) == 0 {
		return nil, nil
	}
	d := plot.New()
	d.Title.Text, d.X.Label.Text, d.Y.Label.Text = p.title, p.x, p.y
	d.Legend.Top = true
	d.X.Scale, d.Y.Scale = plot.LogScale{}, plot.LogScale{}
	d.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	counts := map[float64]bool{}
	low, high := math.Inf(1), 0.0
	for i, name := range names {
		points := lines[name]
		curve, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		curve.Color, marks.Color, marks.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		curve.Dashes = plotutil.Dashes(i / len(plotutil.DefaultColors))
		if strings.HasPrefix(name, "retinue") {
			curve.Width *= 2
		}
		d.Add(curve, marks)
		d.Legend.Add(name, curve, marks)
		for _, at := range points {
			counts[at.X] = true
			low, high = min(low, at.Y), max(high, at.Y)
		}
	}
	d.X.Tick.Marker = ticks(counts)
	d.X.Min, d.X.Max = d.X.Min/1.2, d.X.Max*20 // room for the legend
	d.Y.Min, d.Y.Max = low/2, high*2
	return d, nil
}

// lines are the points of the panel by name, and the names in the order of the
// results.
func (p panel) lines(results []measure.Result) (map[string]plotter.XYs, []string) {
	lines := map[string]plotter.XYs{}
	var names []string
	for _, r := range figures(results).all(p.of) {
		for _, f := range p.figures {
			v, x := f.figure(r), p.count(r)
			if v == nil || *v <= 0 || x <= 0 { // a logarithm has no place for them
				continue
			}
			name := label(r) + f.suffix
			if lines[name] == nil {
				names = append(names, name)
			}
			lines[name] = append(lines[name], plotter.XY{X: float64(x), Y: *v})
		}
	}
	return lines, names
}

func label(r measure.Result) string {
	name := r.System
	if r.Variant != "" {
		name += " " + r.Variant
	}
	if r.Durability != measure.Synced {
		name += " (" + r.Durability + ")"
	}
	return name
}

func ticks(counts map[float64]bool) plot.ConstantTicks {
	var t plot.ConstantTicks
	for x := range counts {
		t = append(t, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'f', -1, 64)})
	}
	slices.SortFunc(t, func(a, b plot.Tick) int { return int(a.Value - b.Value) })
	return t
}

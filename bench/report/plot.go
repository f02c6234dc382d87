package report

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
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

// A panel has its legend beside it, where it hides no curve.
const (
	panelWidth  = 7.5 * vg.Inch
	panelHeight = 4 * vg.Inch
	panelGap    = vg.Inch / 4
	legendWidth = 2.8 * vg.Inch
)

// drawing is a panel with its legend.
type drawing struct {
	*plot.Plot
	legend plot.Legend
}

func (d drawing) on(tile draw.Canvas) {
	width := tile.Max.X - tile.Min.X
	d.Draw(draw.Crop(tile, 0, -legendWidth, 0, 0))
	d.legend.Draw(draw.Crop(tile, width-legendWidth+panelGap, 0, 0, -panelGap))
}

// Plot draws throughput and latency against producers and followers into an
// SVG file.
func Plot(file string, results []measure.Result) (err error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	var drawn []drawing
	for _, p := range panels {
		d, err := p.draw(results)
		if err != nil {
			return fmt.Errorf("plot %s: %w", p.title, err)
		}
		if d.Plot != nil {
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
		d.on(tiles.At(draw.New(canvas), i%columns, i/columns))
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = canvas.WriteTo(out)
	return err
}

// draw returns no plot where the results have nothing for the panel.
func (p panel) draw(results []measure.Result) (drawing, error) {
	lines, names := p.lines(results)
	if len(names) == 0 {
		return drawing{}, nil
	}
	d := drawing{plot.New(), plot.NewLegend()}
	d.Title.Text, d.X.Label.Text, d.Y.Label.Text = p.title, p.x, p.y
	d.legend.Top, d.legend.Left, d.legend.Padding = true, true, vg.Points(3)
	colours := slices.Clone(names)                       // of one order in every panel
	slices.SortStableFunc(names, func(a, b string) int { // as the curves end, from above
		return cmp.Compare(lines[b][len(lines[b])-1].Y, lines[a][len(lines[a])-1].Y)
	})
	d.X.Scale, d.Y.Scale = plot.LogScale{}, plot.LogScale{}
	d.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	counts := map[float64]bool{}
	low, high := math.Inf(1), 0.0
	for _, name := range names {
		i, points := slices.Index(colours, name), lines[name]
		curve, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return drawing{}, err
		}
		curve.Color, marks.Color, marks.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		curve.Dashes = plotutil.Dashes(i / len(plotutil.DefaultColors))
		if strings.HasPrefix(name, "retinue") {
			curve.Width *= 2
		}
		d.Add(curve, marks)
		d.legend.Add(name, curve, marks)
		for _, at := range points {
			counts[at.X] = true
			low, high = min(low, at.Y), max(high, at.Y)
		}
	}
	d.X.Tick.Marker = ticks(counts)
	d.X.Min, d.X.Max = d.X.Min/1.2, d.X.Max*1.2
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

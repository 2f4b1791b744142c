package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// drawCases returns a chart of the ratio of pawl to the reference in each case: a bar for the median, a thin line for the interval,
// and a dashed line for the goal.
func drawCases(results []result) []byte {
	const (
		left, right, top = 140, 70, 48
		width, rowHeight = 760, 28
	)
	lines := pawlLines(results, ratio)
	height := float64(top + rowHeight*len(lines) + 54)
	d := newDrawing(width, height)
	d.text(classText, anchorStart, 16, 24, "Speed of pawl, as a ratio to the reference of the same case")
	greatest := 1.0
	for _, l := range lines {
		greatest = max(greatest, l.Values[ratio].High, l.Bars[ratio].Value)
	}
	step := niceStep(greatest)
	end := math.Ceil(greatest/step) * step
	x := func(value float64) float64 { return left + value/end*(width-left-right) }
	bottom := height - 48
	for i := range int(math.Round(end/step)) + 1 {
		value := float64(i) * step
		d.line(classGrid, x(value), top-6, x(value), bottom)
		d.text(classSmall, anchorMiddle, x(value), bottom+16, fmt.Sprintf("%.4g", value))
	}
	d.line(classAxis, x(1), top-6, x(1), bottom)
	for i, l := range lines {
		y := float64(top + rowHeight*i)
		e := l.Values[ratio]
		d.text(classText, anchorEnd, left-8, y+16, chartName(l))
		d.area(classPawl, x(0), y+3, x(e.Median)-x(0), rowHeight-9)
		d.line(classInterval, x(e.Low), y+12, x(e.High), y+12)
		if goal, ok := l.Bars[ratio]; ok {
			d.line(classGoal, x(goal.Value), y, x(goal.Value), y+rowHeight-3)
		}
		d.text(classText, anchorStart, width-right+8, y+16, fmt.Sprintf("%.2f", e.Median))
	}
	d.text(classSmall, anchorEnd, width-16, height-10, "1 = the reference · thin line: 95 % interval · dashed: goal")
	return d.bytes("Speed of pawl as a ratio to the reference, for each case")
}

// pawlLines returns the lines of pawl that have the quantity.
func pawlLines(results []result, q quantity) []line {
	var lines []line
	for _, r := range results {
		for _, l := range r.Lines {
			if _, ok := l.Values[q]; ok && l.Program == pawlName {
				lines = append(lines, l)
			}
		}
	}
	return lines
}

func chartName(l line) string {
	if l.Workload == growthCase {
		return l.Workload + ", " + shortCount(float64(l.Events))
	}
	return l.Workload
}

// drawGrowth returns two charts side by side: how the speed and the memory change with the number of events.
func drawGrowth(results []result) []byte {
	const (
		width, height       = 760, 280
		panelWidth, marginX = 290, 56
		legend              = 30
	)
	d := newDrawing(width, height)
	pawl, baseline := growthLines(results, pawlName), growthLines(results, baselineName+noiseSuffix)
	speeds := panel{
		left: marginX, right: marginX + panelWidth, title: "events/s", quantity: speed,
		curves: []curve{{classReference, baselineName, baseline}, {classPawl, pawlName, pawl}},
	}
	memory := panel{
		left: width - panelWidth - marginX/2, right: width - marginX/2, title: "peak memory of pawl, MiB", quantity: peak,
		curves: []curve{{classPawl, pawlName, pawl}}, goal: maxPeak.Value,
	}
	for _, p := range []panel{speeds, memory} {
		p.top, p.bottom = 48, height-legend-28
		p.draw(d)
	}
	x := float64(marginX)
	for _, c := range speeds.curves {
		d.area(c.class, x, height-21, 12, 12)
		d.text(classText, anchorStart, x+18, height-10, c.name)
		x += 110
	}
	d.text(classSmall, anchorEnd, width-marginX/2, height-10, "dashed: goal")
	return d.bytes("Speed and memory of pawl for a growing number of events")
}

// growthLines returns the lines of one program in the case growth, in the order of their size.
func growthLines(results []result, name string) []line {
	var lines []line
	for _, r := range results {
		for _, l := range r.Lines {
			if r.Case == growthCase && l.Program == name {
				lines = append(lines, l)
			}
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.Events, b.Events) })
	return lines
}

// A panel is one chart with the number of events on a logarithmic x axis.
type panel struct {
	left, right, top, bottom float64
	title                    string
	quantity                 quantity
	curves                   []curve
	goal                     float64 // 0 if there is none
}

type curve struct {
	class, name string
	lines       []line
}

func (p panel) draw(d *drawing) {
	d.text(classText, anchorStart, p.left, p.top-20, p.title)
	greatest := p.goal
	var sizes []float64
	for _, c := range p.curves {
		for _, l := range c.lines {
			greatest = max(greatest, l.Values[p.quantity].Median)
			sizes = append(sizes, float64(l.Events))
		}
	}
	if len(sizes) == 0 {
		return
	}
	step := niceStep(greatest)
	end := math.Ceil(greatest/step) * step
	y := func(value float64) float64 { return p.bottom - value/end*(p.bottom-p.top) }
	for i := range int(math.Round(end/step)) + 1 {
		value := float64(i) * step
		d.line(classGrid, p.left, y(value), p.right, y(value))
		d.text(classSmall, anchorEnd, p.left-6, y(value)+4, shortCount(value))
	}
	least, most := slices.Min(sizes), slices.Max(sizes)
	x := func(size float64) float64 {
		return p.left + 16 + math.Log(size/least)/max(math.Log(most/least), 1e-9)*(p.right-p.left-32)
	}
	slices.Sort(sizes)
	for _, size := range slices.Compact(sizes) {
		d.text(classSmall, anchorMiddle, x(size), p.bottom+16, shortCount(size))
	}
	if p.goal > 0 {
		d.line(classGoal, p.left, y(p.goal), p.right, y(p.goal))
	}
	for _, c := range p.curves {
		points := make([]point, len(c.lines))
		for i, l := range c.lines {
			points[i] = point{x(float64(l.Events)), y(l.Values[p.quantity].Median)}
		}
		d.curve(c.class, points)
	}
}

// niceStep returns the distance of grid lines for values up to greatest, so that there are two to six of them: 1, 2 or 5 times a power
// of ten.
func niceStep(greatest float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(greatest)))
	for _, factor := range []float64{0.2, 0.5, 1, 2} {
		if greatest/(factor*power) <= 6 {
			return factor * power
		}
	}
	return power
}

// shortCount returns n with k for thousands and M for millions.
func shortCount(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.3g M", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.3g k", n/1e3)
	}
	return fmt.Sprintf("%.3g", n)
}

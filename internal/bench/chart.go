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
		left, right, top, below = 140, 70, 48, 54 // the margins around the rows
		width, rowHeight        = 760, 28
	)
	lines := pawlLines(results, ratio)
	height := float64(top + rowHeight*len(lines) + below)
	d := newDrawing(width, height)
	d.drawText(classText, anchorStart, 16, 24, "Speed of pawl, as a ratio to the reference of the same case")
	greatest := 1.0
	for _, l := range lines {
		greatest = max(greatest, l.Values[ratio].High, l.Goals[ratio].Value)
	}
	step := niceStep(greatest)
	end := math.Ceil(greatest/step) * step
	x := func(value float64) float64 { return left + value/end*(width-left-right) } // the place of a ratio
	bottom := height - 48
	for i := range int(math.Round(end/step)) + 1 {
		value := float64(i) * step
		d.drawLine(classGrid, x(value), top-6, x(value), bottom)
		d.drawText(classSmall, anchorMiddle, x(value), bottom+16, fmt.Sprintf("%.4g", value))
	}
	d.drawLine(classAxis, x(1), top-6, x(1), bottom)
	for i, l := range lines {
		y := float64(top + rowHeight*i)
		e := l.Values[ratio]
		d.drawText(classText, anchorEnd, left-8, y+16, chartName(l))
		d.drawArea(classPawl, x(0), y+3, x(e.Median)-x(0), rowHeight-9)
		d.drawLine(classInterval, x(e.Low), y+12, x(e.High), y+12)
		if goal, ok := l.Goals[ratio]; ok {
			d.drawLine(classGoal, x(goal.Value), y, x(goal.Value), y+rowHeight-3)
		}
		d.drawText(classText, anchorStart, width-right+8, y+16, fmt.Sprintf("%.2f", e.Median))
	}
	d.drawText(classSmall, anchorEnd, width-16, height-10, "1 = the reference · thin line: 95 % interval · dashed: goal")
	return d.bytes("Speed of pawl as a ratio to the reference, for each case")
}

// pawlLines returns the lines of the program pawl in which the quantity was measured.
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

// chartName returns the name of a line in the chart of all cases. The case growth has several lines, which differ in size.
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
		d.drawArea(c.class, x, height-21, 12, 12)
		d.drawText(classText, anchorStart, x+18, height-10, c.name)
		x += 110
	}
	d.drawText(classSmall, anchorEnd, width-marginX/2, height-10, "dashed: goal")
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

// A curve shows one quantity of several lines of the results, one point for each line.
type curve struct {
	class, name string
	lines       []line
}

// draw draws the panel. Without lines it draws only the title.
func (p panel) draw(d *drawing) {
	d.drawText(classText, anchorStart, p.left, p.top-20, p.title)
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
		d.drawLine(classGrid, p.left, y(value), p.right, y(value))
		d.drawText(classSmall, anchorEnd, p.left-6, y(value)+4, shortCount(value))
	}
	least, most := slices.Min(sizes), slices.Max(sizes)
	const inset = 16 // the distance of the first and the last point from the sides
	x := func(size float64) float64 {
		fraction := math.Log(size/least) / max(math.Log(most/least), 1e-9) // 0 if there is only one size
		return p.left + inset + fraction*(p.right-p.left-2*inset)
	}
	slices.Sort(sizes)
	for _, size := range slices.Compact(sizes) {
		d.drawText(classSmall, anchorMiddle, x(size), p.bottom+16, shortCount(size))
	}
	if p.goal > 0 {
		d.drawLine(classGoal, p.left, y(p.goal), p.right, y(p.goal))
	}
	for _, c := range p.curves {
		points := make([]point, len(c.lines))
		for i, l := range c.lines {
			points[i] = point{x(float64(l.Events)), y(l.Values[p.quantity].Median)}
		}
		d.drawCurve(c.class, points)
	}
}

// niceStep returns the distance of grid lines for values up to greatest. The distance is 1, 2 or 5 times a power of ten, and so large
// that the greatest value is at most six steps from 0.
func niceStep(greatest float64) float64 {
	const maxSteps = 6
	power := math.Pow(10, math.Floor(math.Log10(greatest))) // the greatest power of ten that is not above greatest
	for _, factor := range []float64{0.2, 0.5, 1, 2} {
		if greatest/(factor*power) <= maxSteps {
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

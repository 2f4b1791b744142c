package main

import (
	"fmt"
	"html"
	"strings"
)

// A drawing builds an SVG image, with colours for light and for dark screens.
type drawing struct {
	width, height float64
	body          strings.Builder
}

// The classes of lines, texts and areas. drawingStyle gives each class its colours.
const (
	classText      = "text"
	classSmall     = "small" // small text, such as numbers at an axis
	classGrid      = "grid"
	classAxis      = "axis"
	classPawl      = "pawl"
	classReference = "reference"
	classInterval  = "interval"
	classGoal      = "goal"
)

// drawingStyle is the style sheet of a drawing. A class can serve for lines, which have a stroke, and for areas, which have a fill.
const drawingStyle = `
	.back { fill: #ffffff } .text { fill: #1f2328 } .small { fill: #59636e; font-size: 12px }
	.grid { stroke: #d1d9e0 } .axis { stroke: #59636e } .interval { stroke: #1f2328; stroke-width: 1.5 }
	.goal { stroke: #cf222e; stroke-width: 2; stroke-dasharray: 4 2 }
	rect.pawl, circle.pawl { fill: #218bff } line.pawl, polyline.pawl { stroke: #218bff; stroke-width: 2 }
	rect.reference, circle.reference { fill: #9a6700 } line.reference, polyline.reference { stroke: #9a6700; stroke-width: 2 }
	polyline { fill: none } text { font: 13px sans-serif }
	@media (prefers-color-scheme: dark) {
		.back { fill: #0d1117 } .text { fill: #f0f6fc } .small { fill: #9198a1 }
		.grid { stroke: #3d444d } .axis { stroke: #9198a1 } .interval { stroke: #f0f6fc }
		.goal { stroke: #f85149 }
		rect.pawl, circle.pawl { fill: #1f6feb } line.pawl, polyline.pawl { stroke: #1f6feb }
		rect.reference, circle.reference { fill: #d29922 } line.reference, polyline.reference { stroke: #d29922 }
	}
`

func newDrawing(width, height float64) *drawing { return &drawing{width: width, height: height} }

// The anchors of a text: which part of the text is at the point that drawText gets.
const (
	anchorStart  = "start"
	anchorMiddle = "middle"
	anchorEnd    = "end"
)

func (d *drawing) drawText(class, anchor string, x, y float64, text string) {
	fmt.Fprintf(&d.body, "<text class=%q text-anchor=%q x=\"%.1f\" y=\"%.1f\">%s</text>\n", class, anchor, x, y, html.EscapeString(text))
}

func (d *drawing) drawLine(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&d.body, "<line class=%q x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2)
}

// drawArea draws a rectangle. x and y are its upper left corner.
func (d *drawing) drawArea(class string, x, y, width, height float64) {
	fmt.Fprintf(&d.body, "<rect class=%q x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", class, x, y, width, height)
}

// A point is a place in a drawing. y grows downwards.
type point struct{ x, y float64 }

// drawCurve draws points and the lines between them.
func (d *drawing) drawCurve(class string, points []point) {
	var list strings.Builder
	for _, p := range points {
		fmt.Fprintf(&d.body, "<circle class=%q cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n", class, p.x, p.y)
		fmt.Fprintf(&list, "%.1f,%.1f ", p.x, p.y)
	}
	fmt.Fprintf(&d.body, "<polyline class=%q points=%q/>\n", class, strings.TrimSpace(list.String()))
}

// bytes returns the image. The description is for readers who cannot see the image.
func (d *drawing) bytes(description string) []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img">
<title>%s</title>
<style>%s</style>
<rect class="back" width="100%%" height="100%%" rx="6"/>
%s</svg>
`, d.width, d.height, d.width, d.height, html.EscapeString(description), drawingStyle, d.body.String())
}

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
)

// An element is an element of an SVG image.
type element struct {
	name string
	attr map[string]string
	text string
}

// parseSVG returns the elements of an image. It fails the test if the image is no well-formed XML.
func parseSVG(t *testing.T, image []byte) []element {
	t.Helper()
	var elements []element
	decoder := xml.NewDecoder(bytes.NewReader(image))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, image)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attr: map[string]string{}}
			for _, a := range token.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			elements = append(elements, e)
		case xml.CharData:
			if len(elements) > 0 {
				elements[len(elements)-1].text += strings.TrimSpace(string(token))
			}
		}
	}
}

// find returns the elements with this name and class.
func find(elements []element, name, class string) []element {
	var found []element
	for _, e := range elements {
		if e.name == name && e.attr["class"] == class {
			found = append(found, e)
		}
	}
	return found
}

// number returns the value of an attribute that is a number.
func number(t *testing.T, e element, attr string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(e.attr[attr], 64)
	if err != nil {
		t.Fatalf("%s of %+v: %v", attr, e, err)
	}
	return n
}

// isClose reports whether two numbers of a drawing are equal but for rounding.
func isClose(a, b float64) bool { return math.Abs(a-b) < 0.2 }

// pawlResult returns the result of a case with one line for pawl, whose ratio is value, and one line for the baseline.
func pawlResult(name string, value estimate, goals map[quantity]goal) result {
	return result{Case: name, Lines: []line{
		{Workload: name, Program: pawlName, Events: 500_000, Values: map[quantity]estimate{ratio: value}, Goals: goals},
		{Workload: name, Program: baselineName + noiseSuffix, Values: map[quantity]estimate{ratio: fiveRounds(1, 1, 1)}},
	}}
}

// TestDrawCases checks that there is a bar for each case with lines, but not for the reference. The length of the bar must fit the
// ratio, and the goal must be drawn at its value.
func TestDrawCases(t *testing.T) {
	t.Parallel()
	const nameToEscape = "a<b"
	elements := parseSVG(t, drawCases([]result{
		pawlResult(nameToEscape, fiveRounds(0.8, 1, 1.2), nil),
		pawlResult("fast", fiveRounds(1.8, 2, 2.1), map[quantity]goal{ratio: {atLeast, 1}}),
		{Case: "start", Figures: []figure{{Name: "first request"}}},
	}))
	bars := find(elements, "rect", classPawl)
	if len(bars) != 2 {
		t.Fatalf("got %d bars, want 2", len(bars))
	}
	unit := number(t, bars[0], "width") // the length of a ratio of 1
	if got := number(t, bars[1], "width"); !isClose(got, 2*unit) {
		t.Errorf("got the widths %v and %v, want the second twice as wide", unit, got)
	}
	intervals := find(elements, "line", classInterval)
	if got, want := number(t, intervals[0], "x2")-number(t, intervals[0], "x1"), (1.2-0.8)*unit; !isClose(got, want) {
		t.Errorf("got an interval that is %v wide, want %v", got, want)
	}
	goals := find(elements, "line", classGoal)
	if len(goals) != 1 || !isClose(number(t, goals[0], "x1"), number(t, bars[0], "x")+unit) {
		t.Errorf("got the goals %+v, want one at the end of a bar of 1", goals)
	}
	hasLabel := false
	for _, e := range elements {
		hasLabel = hasLabel || e.text == nameToEscape
	}
	if !hasLabel {
		t.Error("no text has the name of the first case")
	}
}

// TestDrawGrowth checks the points for 100, 1000 and 10,000 events: they are in this order, at equal distances, and a higher speed is
// higher in the chart.
func TestDrawGrowth(t *testing.T) {
	t.Parallel()
	newLine := func(program string, events int, perSecond float64) line {
		return line{Workload: growthCase, Program: program, Events: events, Values: map[quantity]estimate{
			speed: {Median: perSecond}, peak: {Median: 32},
		}}
	}
	baseline := baselineName + noiseSuffix
	elements := parseSVG(t, drawGrowth([]result{{Case: growthCase, Lines: []line{
		newLine(pawlName, 10_000, 100), newLine(baseline, 10_000, 50), // not in the order of the numbers of events
		newLine(pawlName, 100, 100), newLine(pawlName, 1000, 200),
	}}}))
	points := find(elements, "circle", classPawl)
	const sizes = 3
	if len(points) != 2*sizes {
		t.Fatalf("got %d points of pawl, want %d of the speed and %d of the memory", len(points), sizes, sizes)
	}
	speeds, memory := points[:sizes], points[sizes:]
	distance1 := number(t, speeds[1], "cx") - number(t, speeds[0], "cx")
	distance2 := number(t, speeds[2], "cx") - number(t, speeds[1], "cx")
	if distance1 <= 0 || !isClose(distance1, distance2) {
		t.Errorf("got the distances %v and %v, want the same for the same factor", distance1, distance2)
	}
	y1, y2, y3 := number(t, speeds[0], "cy"), number(t, speeds[1], "cy"), number(t, speeds[2], "cy") // y grows downwards
	isSecondAbove := y2 < y1 && y1 == y3
	if !isSecondAbove {
		t.Errorf("got the points %+v, want the second above the others", speeds)
	}
	if number(t, memory[0], "cy") != number(t, memory[2], "cy") {
		t.Errorf("got the points %+v, want the same height for the same memory", memory)
	}
	if goals := find(elements, "line", classGoal); len(goals) != 1 || number(t, goals[0], "y1") >= number(t, memory[0], "cy") {
		t.Errorf("got the goals %+v, want one above the points of the memory", goals)
	}
	if got := find(elements, "circle", classReference); len(got) != 1 {
		t.Errorf("got %d points of the baseline, want 1", len(got))
	}
}

// TestDraw_noResults checks that images without results are well-formed. They are drawn before the first case has a result.
func TestDraw_noResults(t *testing.T) {
	t.Parallel()
	for _, image := range [][]byte{drawCases(nil), drawGrowth(nil)} {
		if len(parseSVG(t, image)) == 0 {
			t.Error("got no element")
		}
		if bytes.Contains(image, []byte("NaN")) || bytes.Contains(image, []byte("Inf")) {
			t.Errorf("got a place that is no number:\n%s", image)
		}
	}
}

// TestNiceStep checks the distance of the grid lines for some greatest values.
func TestNiceStep(t *testing.T) {
	t.Parallel()
	for greatest, want := range map[float64]float64{1: 0.2, 1.9: 0.5, 64: 20, 240_000: 50_000, 1e6: 200_000, 7: 2} {
		if got := niceStep(greatest); !isClose(got/want, 1) {
			t.Errorf("%v: got %v, want %v", greatest, got, want)
		}
	}
}

// TestShortCount checks the units k and M.
func TestShortCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[float64]string{0: "0", 64: "64", 100_000: "100 k", 3_000_000: "3 M", 1_500_000: "1.5 M"} {
		if got := shortCount(n); got != want {
			t.Errorf("%v: got %q, want %q", n, got, want)
		}
	}
}

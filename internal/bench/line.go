package main

import "time"

// A quantity is a column of the table of comparisons.
type quantity string

const (
	ratio          quantity = "ratio" // the speed, divided by the speed of the reference in the same round; more than 1 is faster
	speed          quantity = "events/s"
	ownCPU         quantity = "own CPU s/M" // seconds for a million events
	postgresCPU    quantity = "PostgreSQL CPU s/M"
	peak           quantity = "peak MiB"
	pagesPerCommit quantity = "pages per commit"
)

// A line says what one program took for one workload.
type line struct {
	Workload string
	Program  string
	Events   int
	Values   map[quantity]estimate // of the quantities that were measured
	Goals    map[quantity]goal     `json:"Bars"`
	Note     string
}

// Names in the column program.
const (
	pawlName    = "pawl"
	noiseSuffix = " (A/A)" // follows the name of a reference that is compared with itself
)

// A selector returns the measurement of one program in a round.
type selector func(round) measurement

// lines returns the lines of the comparison: each build of pawl, the limit, and the reference compared with itself. If there are two
// builds of pawl, the last line compares them. The ratio of each line compares a program with the reference, if no other is named.
func (c comparison) lines(programs []program) []line {
	var lines []line
	add := func(name string, program, comparedWith selector) *line {
		l := line{Workload: c.name, Program: name, Events: c.events, Values: c.values(program)}
		if c.reference != "" {
			l.Values[ratio] = c.estimate(func(r round) float64 {
				return comparedWith(r).elapsed.Seconds() / program(r).elapsed.Seconds()
			})
		}
		lines = append(lines, l)
		return &lines[len(lines)-1]
	}
	build := func(i int) selector { return func(r round) measurement { return r.pawl[i] } }
	reference := func(r round) measurement { return measurement{elapsed: r.referenceTime()} }
	firstReference := func(r round) measurement { return r.first }
	lastReference := func(r round) measurement { return r.last }
	for i, p := range programs {
		l := add(p.name, build(i), reference)
		if isWorkingTree := i == 0; isWorkingTree {
			l.Goals = c.goals
		}
	}
	if c.hasLimit {
		add(limitName, func(r round) measurement { return r.limit }, reference)
	}
	if c.reference == "" {
		return lines
	}
	noise := add(c.reference+noiseSuffix, lastReference, firstReference).Values[ratio]
	if len(programs) > 1 {
		l := add(programs[0].name+" to "+programs[1].name, build(0), build(1))
		l.Note = compareRevisions(l.Values[ratio], noise)
	}
	return lines
}

// values returns the estimates of what a program took, without the ratio.
func (c comparison) values(program selector) map[quantity]estimate {
	millions := float64(c.events) / 1e6
	perMillion := func(d time.Duration) float64 { return d.Seconds() / millions }
	values := map[quantity]estimate{
		speed:          c.estimate(func(r round) float64 { return float64(c.events) / program(r).elapsed.Seconds() }),
		ownCPU:         c.estimate(func(r round) float64 { return perMillion(program(r).cpu) }),
		postgresCPU:    c.estimate(func(r round) float64 { return perMillion(program(r).postgres) }),
		peak:           c.estimate(func(r round) float64 { return float64(program(r).peak) / (1 << 20) }),
		pagesPerCommit: c.estimate(func(r round) float64 { return program(r).pagesPerCommit }),
	}
	for q, e := range values {
		if e.Max == 0 { // not measured
			delete(values, q)
		}
	}
	return values
}

// estimate returns the estimate of a value in all rounds.
func (c comparison) estimate(value func(round) float64) estimate {
	values := make([]float64, len(c.rounds))
	for i, r := range c.rounds {
		values[i] = value(r)
	}
	return estimateOf(values)
}

package main

import "time"

// A quantity is a column of the table of comparisons.
type quantity string

const (
	ratio          quantity = "ratio" // to the speed of the reference in the same round: more than 1 is faster
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
	Values   map[quantity]estimate // without those that say nothing about the program
	Bars     map[quantity]bar
	Note     string
}

// Names in the column program. noiseSuffix marks a reference that is compared with itself.
const (
	pawlName    = "pawl"
	noiseSuffix = " (A/A)"
)

// lines returns the lines of the comparison: each build of pawl, the limit, and the reference compared with itself.
func (c comparison) lines(programs []program) []line {
	var lines []line
	add := func(name string, of, compared func(round) measurement) *line {
		l := line{Workload: c.name, Program: name, Events: c.events, Values: c.values(of)}
		if c.reference != "" {
			l.Values[ratio] = c.estimate(func(r round) float64 { return compared(r).elapsed.Seconds() / of(r).elapsed.Seconds() })
		}
		lines = append(lines, l)
		return &lines[len(lines)-1]
	}
	reference := func(r round) measurement { return measurement{elapsed: r.referenceTime()} }
	for i, p := range programs {
		l := add(p.name, func(r round) measurement { return r.pawl[i] }, reference)
		if i == 0 {
			l.Bars = c.bars
		}
	}
	if c.hasLimit {
		add(limitName, func(r round) measurement { return r.limit }, reference)
	}
	if c.reference == "" {
		return lines
	}
	add(c.reference+noiseSuffix, func(r round) measurement { return r.last }, func(r round) measurement { return r.first })
	if len(programs) > 1 {
		noise := lines[len(lines)-1].Values[ratio]
		l := add(programs[0].name+" to "+programs[1].name,
			func(r round) measurement { return r.pawl[0] }, func(r round) measurement { return r.pawl[1] })
		l.Note = compareRevisions(l.Values[ratio], noise)
	}
	return lines
}

// values returns what a program took, without the ratio.
func (c comparison) values(of func(round) measurement) map[quantity]estimate {
	millions := float64(c.events) / 1e6
	perMillion := func(d time.Duration) float64 { return d.Seconds() / millions }
	values := map[quantity]estimate{
		speed:          c.estimate(func(r round) float64 { return float64(c.events) / of(r).elapsed.Seconds() }),
		ownCPU:         c.estimate(func(r round) float64 { return perMillion(of(r).cpu) }),
		postgresCPU:    c.estimate(func(r round) float64 { return perMillion(of(r).postgres) }),
		peak:           c.estimate(func(r round) float64 { return float64(of(r).peak) / (1 << 20) }),
		pagesPerCommit: c.estimate(func(r round) float64 { return of(r).pagesPerCommit }),
	}
	for q, e := range values {
		if e.Max == 0 { // not measured
			delete(values, q)
		}
	}
	return values
}

func (c comparison) estimate(value func(round) float64) estimate {
	values := make([]float64, len(c.rounds))
	for i, r := range c.rounds {
		values[i] = value(r)
	}
	return estimateOf(values)
}

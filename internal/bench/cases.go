package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A benchCase measures one thing. Either workloads or measure is set.
type benchCase struct {
	name, about string
	workloads   func(events int) []workload                     // the comparisons of pawl with a reference
	measure     func(context.Context, *bench) ([]figure, error) // measures something else
}

// A workload says what one comparison of pawl with a reference reads and stores.
type workload struct {
	name      string // in the tables and charts
	events    int
	pageSize  int
	stored    int      // per cent of the events that are stored before the clock starts
	api, pawl []string // further arguments of mockapi and of pawl run
	reference string   // the program to compare pawl with: baselineName, readerName, or "" for none
	hasLimit  bool     // the limit runs too, see limitName
	isLong    bool     // the workload runs in the first round only
	goals     map[quantity]goal
}

const (
	growthCase = "growth" // the case that has a chart of its own

	pageSize = 5000

	// onePageBytes is the size of a buffer half of which holds one page of pageSize events, but not two. With such a buffer each
	// transaction stores one page.
	onePageBytes = pageSize * 1200

	// longFactor is how many times the usual number of events a long workload has.
	longFactor = 6
)

var (
	maxPeak = goal{atMost, 64}  // MiB of memory; a goal of every workload
	maxCPU  = goal{atMost, 1.2} // seconds of CPU time for a million events
)

// demoFaults are the faults of the demo in the Makefile.
var demoFaults = []string{"--fault", "429@10,60", "--fault", "503@25,75-76"}

// allCases returns the cases in the order in which they run.
func allCases() []benchCase {
	return []benchCase{
		compareCase("end-to-end", "pawl run from its start to its end", workload{
			hasLimit: true, goals: map[quantity]goal{ratio: {atLeast, 1.2}, ownCPU: maxCPU},
		}),
		compareCase("one-page", "one page in each transaction", workload{
			pawl:  []string{"--max-buffer-bytes", strconv.Itoa(onePageBytes)},
			goals: map[quantity]goal{ratio: {atLeast, 1}, pagesPerCommit: {atMostInEachRound, 1}},
		}),
		compareCase("stored-1", "1 % of the events are stored already", workload{
			stored: 1, goals: map[quantity]goal{ratio: {atLeast, 0.9}},
		}),
		compareCase("stored-100", "all events are stored already", workload{
			stored: 100, goals: map[quantity]goal{ratio: {atLeast, 1}},
		}),
		compareCase("small-pages", "pages of 100, also for the baseline", workload{
			pageSize: 100, goals: map[quantity]goal{ratio: {atLeast, 1.2}},
		}),
		compareCase("latency", "each answer takes 50 ms; the reference is a client that only reads", workload{
			api: []string{"--latency", "50ms"}, reference: readerName, goals: map[quantity]goal{ratio: {atLeast, 0.97}},
		}),
		{name: "faults", about: "memory with the faults of the demo", workloads: faultWorkloads},
		{name: growthCase, about: "from a fifth of the events to six times as many", workloads: growthWorkloads},
		{name: "rate-limit", about: "the share of a rate limit's quota that is used", measure: measureQuota},
		{name: "start", about: "the time from the start to the first request", measure: measureStart},
		{name: "commands", about: "the time that status and dlq list take on a large database", measure: measureCommands},
	}
}

// compareCase returns a case with the workload w, and adds maxPeak to its goals. If w has no page size or no reference, compareCase sets
// pageSize and baselineName. w.goals must not be nil.
func compareCase(name, about string, w workload) benchCase {
	w.name = name
	w.goals[peak] = maxPeak
	if w.pageSize == 0 {
		w.pageSize = pageSize
	}
	if w.reference == "" {
		w.reference = baselineName
	}
	return benchCase{name: name, about: about, workloads: func(events int) []workload {
		w.events = events
		return []workload{w}
	}}
}

// faultWorkloads returns workloads without a reference, because only the memory is of interest.
func faultWorkloads(events int) []workload {
	few := workload{
		name: "faults", events: events, pageSize: pageSize, api: append([]string{"--latency", "20ms"}, demoFaults...),
		goals: map[quantity]goal{peak: maxPeak},
	}
	many := few
	many.events, many.isLong = longFactor*events, true
	return []workload{few, many}
}

// growthWorkloads returns workloads of growing size. The last one has a goal about the speed, and runs only once because of its length.
func growthWorkloads(events int) []workload {
	var workloads []workload
	for _, n := range []int{events / 5, events / 5 * 3, events * 2, events * longFactor} {
		workloads = append(workloads, workload{
			name: growthCase, events: max(n, 1), pageSize: pageSize, reference: baselineName, goals: map[quantity]goal{peak: maxPeak},
		})
	}
	largest := &workloads[len(workloads)-1]
	largest.isLong = true
	largest.goals[ratio] = goal{atLeast, 1.4}
	return workloads
}

// findCases returns the cases with these names, in the order of allCases. names is a list with commas, or "all".
func findCases(names string) ([]benchCase, error) {
	all := allCases()
	if names == "all" {
		return all, nil
	}
	wanted := strings.Split(names, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(all, func(c benchCase) bool { return c.name == name }) {
			return nil, fmt.Errorf("there is no case %q; the cases are:\n%s", name, describeCases())
		}
	}
	return slices.DeleteFunc(all, func(c benchCase) bool { return !slices.Contains(wanted, c.name) }), nil
}

// checkComparable returns an error if one of the cases cannot measure two revisions of pawl.
func checkComparable(cases []benchCase) error {
	for _, c := range cases {
		if c.workloads == nil {
			return fmt.Errorf("the case %s measures the working tree only, so it cannot run with -against", c.name)
		}
	}
	return nil
}

func describeCases() string {
	var text strings.Builder
	for _, c := range allCases() {
		fmt.Fprintf(&text, "  %-12s %s\n", c.name, c.about)
	}
	return text.String()
}

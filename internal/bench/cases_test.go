package main

import (
	"testing"
	"time"
)

// TestFindCases checks lists of names with the wanted names. For nil it wants an error.
func TestFindCases(t *testing.T) {
	t.Parallel()
	for names, want := range map[string][]string{
		"latency":            {"latency"},
		"growth,end-to-end":  {"end-to-end", "growth"}, // in the order of allCases
		"end-to-end,unknown": nil,
		"":                   nil,
	} {
		cases, err := findCases(names)
		wantErr := want == nil
		if (err != nil) != wantErr || len(cases) != len(want) {
			t.Errorf("%q: got %d cases and the error %v, want %v", names, len(cases), err, want)
			continue
		}
		for i, c := range cases {
			if c.name != want[i] {
				t.Errorf("%q: got case %q, want %q", names, c.name, want[i])
			}
		}
	}
	if all, err := findCases("all"); err != nil || len(all) != len(allCases()) {
		t.Errorf("all: got %d cases and the error %v, want %d cases", len(all), err, len(allCases()))
	}
}

// TestAllCases_workloads checks that each workload can run and has a goal about memory. No two workloads may have the same name and
// size, because the table would show them with the same text.
func TestAllCases_workloads(t *testing.T) {
	t.Parallel()
	type label struct {
		name   string
		events int
	}
	seen := map[label]bool{}
	for _, c := range allCases() {
		hasWorkloads, hasMeasure := c.workloads != nil, c.measure != nil
		if hasWorkloads == hasMeasure {
			t.Errorf("%s: want either workloads or a function", c.name)
		}
		if !hasWorkloads {
			continue
		}
		for _, w := range c.workloads(500_000) {
			canRun := w.events >= 1 && w.pageSize >= 1
			if w.name != c.name || !canRun {
				t.Errorf("%s: got the workload %+v", c.name, w)
			}
			if w.goals[peak] != maxPeak {
				t.Errorf("%s: got the goals %v, want the one about memory", w.name, w.goals)
			}
			inTable := label{w.name, w.events}
			if seen[inTable] {
				t.Errorf("%s: two workloads with %d events", w.name, w.events)
			}
			seen[inTable] = true
		}
	}
}

// TestGrowthWorkloads checks the sizes, and that only the largest workload is long.
func TestGrowthWorkloads(t *testing.T) {
	t.Parallel()
	const usual = 500_000
	want := []int{usual / 5, usual / 5 * 3, usual * 2, usual * 6}
	got := growthWorkloads(usual)
	if len(got) != len(want) {
		t.Fatalf("got %d workloads, want %d", len(got), len(want))
	}
	for i, w := range got {
		isLargest := i == len(want)-1
		if w.events != want[i] || w.isLong != isLargest {
			t.Errorf("got %d events, long: %v; want %d events, and only the last long", w.events, w.isLong, want[i])
		}
	}
}

// TestParseOptions checks the number of rounds, and which arguments are refused.
func TestParseOptions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args    []string
		rounds  int
		wantErr bool
	}{
		"nothing":                     {args: nil, rounds: defaultRounds},
		"another revision":            {args: []string{"-against", "main"}, rounds: defaultAgainstRounds},
		"another revision, 3 rounds":  {args: []string{"-against", "main", "-rounds", "3"}, rounds: 3},
		"no events":                   {args: []string{"-events", "0"}, wantErr: true},
		"write about two revisions":   {args: []string{"-against", "main", "-write"}, wantErr: true},
		"start of two revisions":      {args: []string{"-against", "main", "-cases", "start"}, wantErr: true},
		"a case that does not exist":  {args: []string{"-cases", "fast"}, wantErr: true},
		"a negative number of rounds": {args: []string{"-rounds", "-1"}, wantErr: true},
	} {
		opts, err := parseOptions(tt.args)
		if (err != nil) != tt.wantErr {
			t.Errorf("%s: got the error %v, want one: %v", name, err, tt.wantErr)
		}
		if err == nil && opts.rounds != tt.rounds {
			t.Errorf("%s: got %d rounds, want %d", name, opts.rounds, tt.rounds)
		}
	}
}

// tookSeconds returns a measurement of a program that took this time.
func tookSeconds(seconds int) measurement {
	return measurement{elapsed: time.Duration(seconds) * time.Second}
}

// TestComparisonLines checks the ratios, which are speeds: a program that takes half of the time of the other one has the ratio 2. The
// baseline took 6 s and 10 s, so its mean time is 8 s.
func TestComparisonLines(t *testing.T) {
	t.Parallel()
	pawl := tookSeconds(4)
	pawl.cpu, pawl.postgres, pawl.peak, pawl.pagesPerCommit = 12*time.Second, 24*time.Second, 32<<20, 2.5
	c := comparison{
		workload: workload{
			name: "end-to-end", events: 8_000_000, reference: baselineName, hasLimit: true, goals: map[quantity]goal{ratio: {atLeast, 1}},
		},
		rounds: []round{{first: tookSeconds(6), last: tookSeconds(10), limit: tookSeconds(5), pawl: []measurement{pawl, tookSeconds(2)}}},
	}
	lines := map[string]line{}
	for _, l := range c.lines([]program{{name: pawlName}, {name: "pawl v1"}}) {
		lines[l.Program] = l
	}
	for program, want := range map[string]float64{
		pawlName: 8.0 / 4, "pawl v1": 8.0 / 2, limitName: 8.0 / 5, baselineName + noiseSuffix: 6.0 / 10, "pawl to pawl v1": 2.0 / 4,
	} {
		if got := lines[program].Values[ratio].Median; got != want {
			t.Errorf("ratio of %s: got %v, want %v", program, got, want)
		}
	}
	for q, want := range map[quantity]float64{ // of 8 million events in 4 s
		speed: 8e6 / 4, ownCPU: 12.0 / 8, postgresCPU: 24.0 / 8, peak: 32, pagesPerCommit: 2.5,
	} {
		if got := lines[pawlName].Values[q].Median; got != want {
			t.Errorf("%s of pawl: got %v, want %v", q, got, want)
		}
	}
	if _, ok := lines[limitName].Values[peak]; ok {
		t.Error("the limit has a peak memory, although none was measured")
	}
	if len(lines[pawlName].Goals) != 1 || len(lines["pawl v1"].Goals) != 0 {
		t.Errorf("want goals for pawl alone; got %+v", lines)
	}
	if lines["pawl to pawl v1"].Note == "" {
		t.Errorf("want a verdict on the two revisions; got %+v", lines)
	}
}

// TestComparisonLines_noReference checks that there is a line of pawl alone, without a ratio.
func TestComparisonLines_noReference(t *testing.T) {
	t.Parallel()
	c := comparison{workload: workload{name: "faults", events: 100}, rounds: []round{{pawl: []measurement{tookSeconds(4)}}}}
	lines := c.lines([]program{{name: pawlName}})
	if len(lines) != 1 {
		t.Fatalf("got %d lines, want 1", len(lines))
	}
	if _, ok := lines[0].Values[ratio]; ok {
		t.Error("got a ratio without a reference")
	}
}

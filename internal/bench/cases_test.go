package main

import (
	"testing"
	"time"
)

func TestFindCases(t *testing.T) {
	t.Parallel()
	for names, want := range map[string][]string{
		"latency":            {"latency"},
		"growth,end-to-end":  {"end-to-end", "growth"}, // in the order of allCases
		"end-to-end,unknown": nil,
		"":                   nil,
	} {
		cases, err := findCases(names)
		if (err != nil) != (want == nil) || len(cases) != len(want) {
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

// TestAllCases_workloads checks that each workload can run and has a goal about memory, and that no two of them have the same name and
// size, which would make them look the same in the table.
func TestAllCases_workloads(t *testing.T) {
	t.Parallel()
	type key struct {
		name   string
		events int
	}
	seen := map[key]bool{}
	for _, c := range allCases() {
		if (c.workloads == nil) == (c.measure == nil) {
			t.Errorf("%s: want either workloads or a function", c.name)
		}
		if c.workloads == nil {
			continue
		}
		for _, w := range c.workloads(500_000) {
			if w.name != c.name || w.events < 1 || w.pageSize < 1 {
				t.Errorf("%s: got the workload %+v", c.name, w)
			}
			if w.bars[peak] != maxPeak {
				t.Errorf("%s: got the goals %v, want the one about memory", w.name, w.bars)
			}
			if k := (key{w.name, w.events}); seen[k] {
				t.Errorf("%s: two workloads with %d events", w.name, w.events)
			} else {
				seen[k] = true
			}
		}
	}
}

func TestGrowthWorkloads(t *testing.T) {
	t.Parallel()
	want := []int{100_000, 300_000, 1_000_000, 3_000_000}
	got := growthWorkloads(500_000)
	if len(got) != len(want) {
		t.Fatalf("got %d workloads, want %d", len(got), len(want))
	}
	for i, w := range got {
		if w.events != want[i] || w.isLong != (i == len(want)-1) {
			t.Errorf("got %d events, long: %v; want %d events, and only the last long", w.events, w.isLong, want[i])
		}
	}
}

func TestParseOptions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args    []string
		rounds  int
		isWrong bool
	}{
		"nothing":                     {args: nil, rounds: defaultRounds},
		"another revision":            {args: []string{"-against", "main"}, rounds: defaultAgainstRounds},
		"another revision, 3 rounds":  {args: []string{"-against", "main", "-rounds", "3"}, rounds: 3},
		"no events":                   {args: []string{"-events", "0"}, isWrong: true},
		"write about two revisions":   {args: []string{"-against", "main", "-write"}, isWrong: true},
		"start of two revisions":      {args: []string{"-against", "main", "-cases", "start"}, isWrong: true},
		"a case that does not exist":  {args: []string{"-cases", "fast"}, isWrong: true},
		"a negative number of rounds": {args: []string{"-rounds", "-1"}, isWrong: true},
	} {
		opts, err := parseOptions(tt.args)
		if (err != nil) != tt.isWrong {
			t.Errorf("%s: got the error %v, want one: %v", name, err, tt.isWrong)
		}
		if err == nil && opts.rounds != tt.rounds {
			t.Errorf("%s: got %d rounds, want %d", name, opts.rounds, tt.rounds)
		}
	}
}

// taking returns a measurement of a program that took this time.
func taking(seconds int) measurement {
	return measurement{elapsed: time.Duration(seconds) * time.Second}
}

// TestComparisonLines checks the direction of the ratios: pawl took half of the baseline's time, and is half as fast as the other
// revision.
func TestComparisonLines(t *testing.T) {
	t.Parallel()
	pawl := taking(4)
	pawl.cpu, pawl.postgres, pawl.peak, pawl.pagesPerCommit = 12*time.Second, 24*time.Second, 32<<20, 2.5
	c := comparison{
		workload: workload{
			name: "end-to-end", events: 8_000_000, reference: baselineName, hasLimit: true, bars: map[quantity]bar{ratio: {atLeast, 1}},
		},
		rounds: []round{{first: taking(6), last: taking(10), limit: taking(5), pawl: []measurement{pawl, taking(2)}}},
	}
	lines := map[string]line{}
	for _, l := range c.lines([]program{{name: pawlName}, {name: "pawl v1"}}) {
		lines[l.Program] = l
	}
	for program, want := range map[string]float64{
		pawlName: 2, "pawl v1": 4, limitName: 1.6, baselineName + noiseSuffix: 0.6, "pawl to pawl v1": 0.5,
	} {
		if got := lines[program].Values[ratio].Median; got != want {
			t.Errorf("ratio of %s: got %v, want %v", program, got, want)
		}
	}
	for q, want := range map[quantity]float64{speed: 2_000_000, ownCPU: 1.5, postgresCPU: 3, peak: 32, pagesPerCommit: 2.5} {
		if got := lines[pawlName].Values[q].Median; got != want {
			t.Errorf("%s of pawl: got %v, want %v", q, got, want)
		}
	}
	if _, ok := lines[limitName].Values[peak]; ok {
		t.Error("the limit has a peak memory, although none was measured")
	}
	if len(lines[pawlName].Bars) != 1 || len(lines["pawl v1"].Bars) != 0 || lines["pawl to pawl v1"].Note == "" {
		t.Errorf("want goals for pawl alone, and a verdict on the two revisions; got %+v", lines)
	}
}

// TestComparisonLines_noReference checks that there is a line of pawl alone, without a ratio.
func TestComparisonLines_noReference(t *testing.T) {
	t.Parallel()
	c := comparison{workload: workload{name: "faults", events: 100}, rounds: []round{{pawl: []measurement{taking(4)}}}}
	lines := c.lines([]program{{name: pawlName}})
	if len(lines) != 1 {
		t.Fatalf("got %d lines, want 1", len(lines))
	}
	if _, ok := lines[0].Values[ratio]; ok {
		t.Error("got a ratio without a reference")
	}
}

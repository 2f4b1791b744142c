package main

import (
	"slices"
	"strings"
	"testing"
)

// cellsAfter finds the row that begins with leftCells in a text with Markdown tables. It returns the other cells of the row.
func cellsAfter(t *testing.T, text string, leftCells ...string) []string {
	t.Helper()
	for row := range strings.Lines(text) {
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(row, "|\n"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if n := len(leftCells); len(cells) > n && slices.Equal(cells[:n], leftCells) {
			return cells[n:]
		}
	}
	t.Fatalf("no row begins with %q in\n%s", leftCells, text)
	return nil
}

// fiveRounds returns an estimate of five rounds. Its spread is wider than its interval from low to high by 0.1 on each side.
func fiveRounds(low, median, high float64) estimate {
	return estimate{Median: median, Low: low, High: high, Min: low - 0.1, Max: high + 0.1, Rounds: 5}
}

// TestFormatTables checks the cells of both tables: the comparisons, with a column for each quantity, and the figures.
func TestFormatTables(t *testing.T) {
	t.Parallel()
	oneRound := estimate{Median: 1.5, Low: 1.5, High: 1.5, Min: 1.5, Max: 1.5, Rounds: 1}
	results := []result{
		{Case: "end-to-end", Lines: []line{{
			Workload: "end-to-end", Program: pawlName, Events: 500_000,
			Values: map[quantity]estimate{ // each with its low, median and high value
				ratio: fiveRounds(1.1, 1.2, 1.3), speed: fiveRounds(9e4, 123_456, 2e5), peak: fiveRounds(30, 33.4, 35),
			},
			Goals: map[quantity]goal{ratio: {atLeast, 1.2}, peak: {atMost, 64}},
		}}},
		{Case: "growth", Lines: []line{{
			Workload: "growth", Program: pawlName, Events: 3_000_000, Values: map[quantity]estimate{ratio: oneRound}, Note: "a note",
		}}},
		{Case: "start", Figures: []figure{{
			Name: "first request", Unit: "ms", Decimals: 1, Value: fiveRounds(100, 120.26, 130), Goal: &goal{atMost, 110},
		}}},
	}
	text := formatTables(results)
	for _, tt := range []struct{ leftCells, want []string }{
		{
			leftCells: []string{"end-to-end, 500,000", pawlName},
			want: []string{
				"1.20 (1.10–1.30)", "1.00–1.40", // the ratio and its spread
				"123,456", "", "", "33 (30–35)", "", // speed, ownCPU, postgresCPU, peak and pagesPerCommit
				"ratio ≥ 1.2: unresolved; peak MiB ≤ 64: met",
			},
		},
		{
			leftCells: []string{"growth, 3,000,000", pawlName}, // of one round there is neither an interval nor a spread
			want:      []string{"1.50", "", "", "", "", "", "", "a note"},
		},
		{
			leftCells: []string{"first request"},
			want:      []string{"120.3 ms", "100.0–130.0", "99.9–130.1", "≤ 110: unresolved"}, // median, interval, spread and goal
		},
	} {
		got := cellsAfter(t, text, tt.leftCells...)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: got the cells %q, want %q", tt.leftCells, got, tt.want)
		}
	}
}

// TestFormatTables_figuresOnly checks that there is no empty table of comparisons.
func TestFormatTables_figuresOnly(t *testing.T) {
	t.Parallel()
	text := formatTables([]result{{Figures: []figure{{Name: "first request", Value: fiveRounds(1, 2, 3)}}}})
	if strings.Contains(text, string(postgresCPU)) { // a head of the table of comparisons
		t.Errorf("got a table of comparisons without a comparison:\n%s", text)
	}
}

// TestTableString checks that all rows have the same width, although some letters have several bytes.
func TestTableString(t *testing.T) {
	t.Parallel()
	table := newTable("a", "goal")
	table.add("long cell", "≥ 1")
	want := "| a         | goal |\n|-----------|------|\n| long cell | ≥ 1  |\n"
	if got := table.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestFormatOrigins checks that cases with the same origin share a sentence.
func TestFormatOrigins(t *testing.T) {
	t.Parallel()
	january, february := origin{Commit: "aaa", Date: "2026-01-01", Machine: "m"}, origin{Commit: "bbb", Date: "2026-02-02", Machine: "m"}
	got := formatOrigins([]result{{Case: "latency", Origin: february}, {Case: "growth", Origin: january}, {Case: "start", Origin: february}})
	want := "Commit bbb, 2026-02-02, on m: latency, start.\nCommit aaa, 2026-01-01, on m: growth.\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestFormatCount checks where the commas are.
func TestFormatCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123_456: "123,456", 3_000_000: "3,000,000"} {
		if got := formatCount(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

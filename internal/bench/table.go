package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatOrigins returns a sentence for each commit, date and machine that the results come from. It names the cases measured there.
func formatOrigins(results []result) string {
	var origins []origin
	cases := map[origin][]string{}
	for _, r := range results {
		if isNew := cases[r.Origin] == nil; isNew {
			origins = append(origins, r.Origin)
		}
		cases[r.Origin] = append(cases[r.Origin], r.Case)
	}
	var text strings.Builder
	for _, o := range origins {
		fmt.Fprintf(&text, "Commit %s, %s, on %s: %s.\n", o.Commit, o.Date, o.Machine, strings.Join(cases[o], ", "))
	}
	return text.String()
}

// formatTables returns the results as tables in Markdown: the comparisons, then the figures. It leaves out a table without rows.
func formatTables(results []result) string {
	comparisons, figures := newTable(comparisonHeads()...), newTable("what", "median", "95 % interval", "spread", "goal")
	for _, r := range results {
		for _, l := range r.Lines {
			comparisons.add(l.cells()...)
		}
		for _, f := range r.Figures {
			figures.add(f.cells()...)
		}
	}
	var texts []string
	for _, t := range []*table{comparisons, figures} {
		if hasRows := len(t.rows) > 1; hasRows { // more than the head
			texts = append(texts, t.String())
		}
	}
	return strings.Join(texts, "\n")
}

// A column says how the table of comparisons shows a quantity.
type column struct {
	quantity    quantity
	decimals    int
	hasInterval bool
}

var columns = []column{
	{quantity: ratio, decimals: 2, hasInterval: true},
	{quantity: speed, decimals: 0},
	{quantity: ownCPU, decimals: 2, hasInterval: true},
	{quantity: postgresCPU, decimals: 2},
	{quantity: peak, decimals: 0, hasInterval: true},
	{quantity: pagesPerCommit, decimals: 1},
}

// comparisonHeads returns the heads of the table of comparisons. Only the ratio has a column for its spread, the least and greatest value.
func comparisonHeads() []string {
	heads := []string{"case", "program"}
	for _, c := range columns {
		heads = append(heads, string(c.quantity))
		if c.quantity == ratio {
			heads = append(heads, "spread")
		}
	}
	return append(heads, "goals")
}

// cells returns the cells of a line under comparisonHeads.
func (l line) cells() []string {
	cells := []string{l.Workload + ", " + formatCount(l.Events), l.Program}
	var goals []string
	for _, c := range columns {
		e, isMeasured := l.Values[c.quantity]
		cells = append(cells, formatEstimate(e, isMeasured, c))
		if c.quantity == ratio {
			spread := ""
			if isMeasured && e.Rounds > 1 {
				spread = formatRange(e.Min, e.Max, c.decimals)
			}
			cells = append(cells, spread)
		}
		if g, hasGoal := l.Goals[c.quantity]; hasGoal && isMeasured {
			goals = append(goals, fmt.Sprintf("%s %s %v: %s", c.quantity, g.Kind, g.Value, g.verdict(e)))
		}
	}
	if l.Note != "" {
		goals = append(goals, l.Note)
	}
	return append(cells, strings.Join(goals, "; "))
}

// formatEstimate returns the median, and the interval if the column has one and there was more than one round.
func formatEstimate(e estimate, isMeasured bool, c column) string {
	switch {
	case !isMeasured:
		return ""
	case c.hasInterval && e.Rounds > 1:
		return fmt.Sprintf("%.*f (%s)", c.decimals, e.Median, formatRange(e.Low, e.High, c.decimals))
	case c.quantity == speed:
		return formatCount(int(e.Median))
	}
	return fmt.Sprintf("%.*f", c.decimals, e.Median)
}

// cells returns the cells of a figure under the heads in formatTables.
func (f figure) cells() []string {
	cells := []string{
		f.Name, strings.TrimSpace(fmt.Sprintf("%.*f %s", f.Decimals, f.Value.Median, f.Unit)),
		formatRange(f.Value.Low, f.Value.High, f.Decimals), formatRange(f.Value.Min, f.Value.Max, f.Decimals),
	}
	goal := ""
	if f.Goal != nil {
		goal = fmt.Sprintf("%s %v: %s", f.Goal.Kind, f.Goal.Value, f.Goal.verdict(f.Value))
	}
	return append(cells, goal)
}

func formatRange(low, high float64, decimals int) string {
	return fmt.Sprintf("%.*f–%.*f", decimals, low, decimals, high)
}

// formatCount returns n with commas: 500,000.
func formatCount(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// A table is a table in Markdown. Its columns have the same width in each row, so that it can be read as text too.
type table struct {
	rows [][]string // the first row is the head
}

func newTable(heads ...string) *table { return &table{rows: [][]string{heads}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String returns the table as text: the head, a line of dashes, and the other rows.
func (t *table) String() string {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for i, row := range t.rows {
		for j, cell := range row {
			padding := widths[j] - utf8.RuneCountInString(cell)
			text.WriteString("| " + cell + strings.Repeat(" ", padding+1))
		}
		text.WriteString("|\n")
		if isHead := i == 0; isHead {
			for _, width := range widths {
				text.WriteString("|" + strings.Repeat("-", width+2))
			}
			text.WriteString("|\n")
		}
	}
	return text.String()
}

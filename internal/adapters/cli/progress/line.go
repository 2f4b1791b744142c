package progress

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"

	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
)

// The widths of the columns of a line. A column has the same width and the same place in all lines of a run, so that nothing moves. A
// column without a value is blank, and so is the inside of the bar.
const (
	percentWidth = 6  // 100.0%
	etaWidth     = 12 // ETA 10:59:59
	countWidth   = 22 // 9,999,999 of 9,999,999
	retriesWidth = 12 // 999+ retries
	speedWidth   = 11 // 9,999,999/s
	minBar       = 12 // the bar, with its brackets
	maxBar       = 32

	minState   = 26 // the least width for the words about the state; if there is less, the line has fewer columns
	idealState = 54 // the bar is wider than minBar only if the words have this width
	gap        = 2  // the blank columns between two columns
)

// A grid says which columns the lines of a terminal have. A width of 0 means that there is no such column. The grid depends only on the
// width of the terminal.
type grid struct {
	bar, percent, count, eta, speed, retries, state int
}

// newGrid returns the grid for lines of room columns. The words about the state always have a place. The narrower the line is, the more of
// the other columns are missing: first the speed, then the retries, the count, the bar, the time left, and last the percentage.
func newGrid(room int) grid {
	g := grid{state: max(room, 0)}
	for _, c := range []struct {
		width *int
		want  int
	}{
		{&g.percent, percentWidth},
		{&g.eta, etaWidth},
		{&g.bar, minBar},
		{&g.count, countWidth},
		{&g.retries, retriesWidth},
		{&g.speed, speedWidth},
	} {
		rest := g.state - c.want - gap
		if rest < minState {
			break
		}
		*c.width, g.state = c.want, rest
	}
	if spare := min(g.state-idealState, maxBar-minBar); g.bar > 0 && spare > 0 {
		g.bar += spare
		g.state -= spare
	}
	return g
}

// Line returns s as one line, or an empty text if the state is Complete. The line is narrower than width columns, because some
// terminals begin a new row after the last column. pawl's own words are ASCII, because the encoding of the terminal is not known. An
// API's error in the line may contain other characters.
func Line(s Snapshot, now time.Time, width int, useColour bool) string {
	if s.State == Complete {
		return ""
	}
	g := newGrid(width - 1)
	var line strings.Builder
	add := func(width int, text string, colour terminal.Colour) {
		if width > 0 {
			line.WriteString(terminal.Paint(pad(text, width), colour, useColour))
			line.WriteString(strings.Repeat(" ", gap))
		}
	}
	add(g.bar, s.bar(g.bar), terminal.Green)
	add(g.percent, s.percentText(), terminal.Default)
	add(g.count, s.countText(), terminal.Default)
	add(g.eta, s.etaText(), terminal.Default)
	add(g.speed, s.speedText(), terminal.Default)
	add(g.retries, s.retriesText(), terminal.Default)
	line.WriteString(terminal.Paint(s.words(now, g.state), s.stateColour(), useColour))
	return line.String()
}

// pad returns text with blanks behind it, so that it is width columns wide. It cuts a text that is wider.
func pad(text string, width int) string {
	text = cut(text, width)
	return text + strings.Repeat(" ", width-widths.StringWidth(text))
}

func (s Snapshot) percentText() string {
	stored, known := s.permille()
	if !known {
		return ""
	}
	return fmt.Sprintf("%*s", percentWidth, formatPermille(stored))
}

func (s Snapshot) countText() string {
	if !s.Total.Known {
		return humanize.Comma(s.Offset) + " events"
	}
	text := humanize.Comma(s.Offset) + " of " + humanize.Comma(s.Total.N)
	if len(text) > countWidth {
		const decimals = 1
		text = humanize.SIWithDigits(float64(s.Offset), decimals, "") + " of " + humanize.SIWithDigits(float64(s.Total.N), decimals, "")
	}
	return text
}

func (s Snapshot) etaText() string {
	if s.Left <= 0 {
		return ""
	}
	return "ETA " + formatLeft(s.Left)
}

// formatLeft returns a duration in at most eight columns, for example 4:12, 1:04:12, 2 d 01 h or 12 d. It rounds up to the last unit that
// it shows.
func formatLeft(d time.Duration) string {
	const hoursInDay, maxDaysWithHours, maxDays = 24, 9, 99
	d = time.Duration(ceilSeconds(d)) * time.Second // so that 23:59:59.6 is a day
	hours := ceilDivide(d, time.Hour)
	days := ceilDivide(d, hoursInDay*time.Hour)
	switch {
	case d < hoursInDay*time.Hour:
		return formatClock(d)
	case hours/hoursInDay <= maxDaysWithHours:
		return fmt.Sprintf("%d d %02d h", hours/hoursInDay, hours%hoursInDay)
	case days > maxDays:
		return fmt.Sprintf(">%d d", maxDays)
	}
	return fmt.Sprintf("%d d", days)
}

func (s Snapshot) speedText() string {
	if s.PerSecond <= 0 {
		return ""
	}
	return formatSpeed(s.PerSecond) + "/s"
}

func (s Snapshot) retriesText() string {
	const most = 999
	switch {
	case s.Retries == 0:
		return ""
	case s.Retries > most:
		return fmt.Sprintf("%d+ retries", most)
	}
	return quantity(s.Retries, "retry", "retries")
}

// stateColour returns the colour of the words about the state. A wait before a retry is red, and any other wait is yellow.
func (s Snapshot) stateColour() terminal.Colour {
	isBeforeRetry := s.Wait.Try > 0
	switch {
	case s.showsWait() && isBeforeRetry:
		return terminal.Red
	case s.showsWait():
		return terminal.Yellow
	}
	return terminal.Default
}

// cut returns text if it fits into room columns. Otherwise it returns the beginning of text, followed by "..." if there is room for more
// than these three dots.
func cut(text string, room int) string {
	ellipsis := "..."
	if room <= len(ellipsis) {
		ellipsis = ""
	}
	return widths.Truncate(text, room, ellipsis)
}

// widths measures the columns of text independently of the locale. It counts a character of ambiguous width as one column, because most
// terminals show it so.
var widths = &runewidth.Condition{StrictEmojiNeutral: true}

// bar returns a progress bar that is width columns wide, including its brackets. It is empty if the part that is stored is not known. It
// is at least two columns wide.
func (s Snapshot) bar(width int) string {
	stored, _ := s.permille() // 0 if it is not known
	inside := max(width-len("[]"), 0)
	filled := int(stored) * inside / 1000
	bar := strings.Repeat("=", filled)
	if isPartial := filled > 0 && filled < inside; isPartial {
		bar = strings.Repeat("=", filled-1) + ">"
	}
	return "[" + bar + strings.Repeat(" ", inside-filled) + "]"
}

// formatPermille returns a permille as a percentage with one decimal, for example 41.6%.
func formatPermille(n int64) string { return fmt.Sprintf("%d.%d%%", n/10, n%10) }

// formatSpeed returns a speed as text. A speed below 10 has one decimal, and any other speed is a whole number.
func formatSpeed(speed float64) string {
	if speed < 10 {
		return fmt.Sprintf("%.1f", speed)
	}
	return humanize.Comma(int64(math.Round(speed)))
}

// quantity returns n with a noun, in its singular if n is 1 and in its plural otherwise.
func quantity(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return humanize.Comma(int64(n)) + " " + plural
}
